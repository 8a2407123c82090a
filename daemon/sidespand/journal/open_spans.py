"""The table of open spans: what marks have opened, and neither an end nor ABANDONED has closed.

OpenSpans     as the last durable group left it; one row a span in the ``state`` database
OpenDraft     the changes of a group; they become the table's when the group is durable
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgpack

from sidespand.journal.keys import open_span_key
from sidespand.journal.open_row import encode_open_span
from sidespand.limits import (
    CONTROL_BYTES_MAX,
    KIB,
    OPEN_SPANS_MAX,
    OPEN_SPANS_PER_INSTANCE_MAX,
)
from sidespand.model import ControlBody, OpenSpan, SpanKey

# What ABANDONED holds beside its spans: a tenant's name is the longest of it.
_ENVELOPE_BYTES = 4 * KIB
_NONE: Mapping[SpanKey, OpenSpan] = {}


class OpenSpans:
    """Durable open spans, by instance, in the order in which they were opened.

    Args:
        spans: What the store remembers, in any order.
    """

    def __init__(self, spans: Iterable[OpenSpan]) -> None:
        self._by_instance: dict[bytes, dict[SpanKey, OpenSpan]] = {}
        self.count = 0
        for span in sorted(spans, key=lambda one: (one.opened_ns, one.lsn)):
            self._by_instance.setdefault(span.instance_id, {})[span.mark.key] = span
            self.count += 1

    def of(self, instance_id: bytes) -> Mapping[SpanKey, OpenSpan]:
        """Return an instance's open spans."""
        return self._by_instance.get(instance_id, _NONE)

    def instances(self) -> dict[bytes, float]:
        """Return for how many seconds each instance with open spans may be away."""
        return {
            instance_id: max(span.away_s_max for span in spans.values())
            for instance_id, spans in self._by_instance.items()
        }

    def all(self) -> Iterator[OpenSpan]:
        """Yield every open span."""
        for spans in self._by_instance.values():
            yield from spans.values()

    def update(self, changes: Mapping[bytes, Mapping[SpanKey, OpenSpan | None]]) -> None:
        """Take over what a durable group changed; None for what it closed."""
        for instance_id, changed in changes.items():
            spans = self._by_instance.setdefault(instance_id, {})
            before = len(spans)
            for key, span in changed.items():
                if span is None:
                    spans.pop(key, None)
                else:
                    spans[key] = span
            self.count += len(spans) - before
            if not spans:
                del self._by_instance[instance_id]


class OpenDraft:
    """What a group changes in the table.

    Args:
        durable: The table as the last group left it.

    Attributes:
        changes: By instance and span, None for what is closed.
        unwatched: Marks that found no room in the table.
    """

    def __init__(self, durable: OpenSpans) -> None:
        self._durable = durable
        self._count = durable.count
        self._counts: dict[bytes, int] = {}
        self.changes: dict[bytes, dict[SpanKey, OpenSpan | None]] = {}
        self.unwatched = 0

    def open(self, span: OpenSpan) -> None:
        """Note a mark: the first of its span opens it, if there is room, and later ones do not."""
        instance_id, key = span.instance_id, span.mark.key
        if self._is_open(instance_id, key):
            return
        count = self._counts.get(instance_id)
        if count is None:
            count = len(self._durable.of(instance_id))
        if count >= OPEN_SPANS_PER_INSTANCE_MAX or self._count >= OPEN_SPANS_MAX:
            self.unwatched += 1
            return
        self._change(instance_id, key, span, count + 1)

    def end(self, instance_id: bytes, key: SpanKey) -> None:
        """Note that a span has ended; one that is not open is passed over."""
        if self._is_open(instance_id, key):
            count = self._counts.get(instance_id)
            if count is None:
                count = len(self._durable.of(instance_id))
            self._change(instance_id, key, None, count - 1)

    def abandon(self, instance_id: bytes) -> list[OpenSpan]:
        """Close all open spans of an instance, and return them in the order of their opening."""
        durable = self._durable.of(instance_id)
        changed = self.changes.get(instance_id, {})
        spans = [span for key, span in durable.items() if key not in changed]
        spans += [span for span in changed.values() if span is not None]
        for span in spans:
            self.end(instance_id, span.mark.key)
        return spans

    def rows(self, *, everything: bool) -> dict[bytes, bytes | None]:
        """Return the state rows that commit with the group's records.

        Args:
            everything: All rows rather than the changed ones, for the first commit of a new
                segment.
        """
        rows: dict[bytes, bytes | None] = {}
        if everything:
            rows.update(encode_open_span(span) for span in self._durable.all())
        for instance_id, changed in self.changes.items():
            for key, span in changed.items():
                if span is not None:
                    row_key, row = encode_open_span(span)
                    rows[row_key] = row
                else:
                    rows[open_span_key(instance_id, key)] = None
        return rows

    def _is_open(self, instance_id: bytes, key: SpanKey) -> bool:
        changed = self.changes.get(instance_id)
        if changed is not None and key in changed:
            return changed[key] is not None
        return key in self._durable.of(instance_id)

    def _change(self, instance_id: bytes, key: SpanKey, span: OpenSpan | None, count: int) -> None:
        self._count += 1 if span is not None else -1
        self._counts[instance_id] = count
        self.changes.setdefault(instance_id, {})[key] = span


def abandoned_bodies(spans: Sequence[OpenSpan], reason: str, at_ns: int) -> list[ControlBody]:
    """Return the bodies of ABANDONED records that name ``spans``, each within CONTROL_BYTES_MAX.

    Args:
        spans: At least one, all of one instance.
        reason: Why they count as abandoned.
        at_ns: When, by the recorder's wall clock.
    """
    parts: list[list[Any]] = [[]]
    size_bytes = 0
    for span in spans:
        mark = span.mark
        row = [*mark.key, span.lineage, span.lsn, mark.start_ns, mark.name, mark.service]
        row_bytes = len(msgpack.packb(row))
        if parts[-1] and size_bytes + row_bytes > CONTROL_BYTES_MAX - _ENVELOPE_BYTES:
            parts.append([])
            size_bytes = 0
        parts[-1].append(row)
        size_bytes += row_bytes
    peer = spans[-1].peer
    return [
        {
            "instance_id": spans[-1].instance_id,
            "door": peer.door,
            "uid": peer.uid,
            "pid": peer.pid,
            "address": peer.address,
            "tenant": peer.tenant,
            "reason": reason,
            "at_ns": at_ns,
            "part": number,
            "parts": len(parts),
            "spans": part,
        }
        for number, part in enumerate(parts, 1)
    ]
