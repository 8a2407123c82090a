"""What few spans have: links, snapshots of state, and a start that is waited for."""

from collections.abc import Mapping
from itertools import islice
from typing import Self

from sidespan import _otlp
from sidespan._context import SpanContext
from sidespan._limits import (
    LINK_ATTRIBUTES_MAX,
    SPAN_LINKS_MAX,
    STATES_MAX,
)

STATE_PREFIX = "sidespan.state."


class Extra:
    """The rare parts of one span.

    Args:
        links: Contexts that it is linked to from the start.
        durable_timeout_s: How long its start waits to be on disk; None not to wait.
    """

    __slots__ = ("_dropped_links", "_encoded_links", "_given", "_states", "durable_timeout_s")

    def __init__(
        self, links: tuple[SpanContext, ...] = (), durable_timeout_s: float | None = None
    ) -> None:
        self._given = links
        self.durable_timeout_s = durable_timeout_s
        self._encoded_links: list[bytes] = []
        self._dropped_links = 0
        # For each name the value and the JSON of its first snapshot; None once a later one is
        # given.
        self._states: dict[str, tuple[object, str] | None] = {}
        for context in links:
            self.link(context, {})

    def again(self) -> Self:
        """Return what a span that is made in the same way begins with."""
        return type(self)(self._given, self.durable_timeout_s)

    def link(self, context: SpanContext | None, attributes: Mapping[str, object]) -> None:
        """Add a link unless the context is none; over SPAN_LINKS_MAX it is counted."""
        if not isinstance(context, SpanContext) or not any(context.trace_id_bytes):
            return
        if len(self._encoded_links) == SPAN_LINKS_MAX:
            self._dropped_links += 1
            return
        kept = dict(islice(attributes.items(), LINK_ATTRIBUTES_MAX))
        self._encoded_links.append(_otlp.link(context, kept))

    def links(self) -> bytes:
        """Return the links as fields of the span."""
        return b"".join(self._encoded_links) + _otlp.dropped_links(self._dropped_links)

    def snapshot(self, name: str, value: object) -> dict[str, object]:
        """Return the attribute of a snapshot that is taken now, the first of its name or not."""
        from sidespan._state import to_json

        if name in self._states:
            self._states[name] = None
            return {f"{STATE_PREFIX}{name}.after": to_json(value)}
        if len(self._states) == STATES_MAX:
            return {}
        text = to_json(value)
        self._states[name] = (value, text)
        return {f"{STATE_PREFIX}{name}.before": text}

    def last_snapshots(self) -> dict[str, object]:
        """Return the attributes of the snapshots that nobody has given; they are taken now."""
        from sidespan._state import to_json

        return {
            f"{STATE_PREFIX}{name}.after": to_json(first[0])
            for name, first in self._states.items()
            if first is not None
        }
