"""What the recorder has been told of an open span."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sidespan._buffer import Buffer
    from sidespan._open_span import OpenSpan


class Mark:
    """One span's announcements: the first says all, each later one what is new.

    Attributes:
        told: Whether the first has been made.
        durable: Whether the first is on the node's disk.

    Args:
        settled: Called once, by the sender's thread, when the first is on disk or never will be.
    """

    __slots__ = ("_attributes", "_events", "_settled", "_touched", "durable", "told")

    def __init__(self, settled: Callable[[], None] | None = None) -> None:
        self.told = False
        self.durable = False
        self._settled = settled
        self._attributes: dict[str, bytes] = {}
        self._events = 0
        self._touched = False

    def touch(self, span: "OpenSpan", buffer: "Buffer") -> None:
        """Have what is new sent soon, with whatever else becomes new until then."""
        if not self._touched:
            self._touched = True
            buffer.touch(span)

    def news(
        self, attributes: dict[str, bytes], events: list[bytes]
    ) -> tuple[list[bytes], list[bytes]]:
        """Return the attributes and events that have not been returned before.

        Args:
            attributes: All that the span has now, by key.
            events: All that it has now.
        """
        # First: what is set from here on touches again.
        self._touched = False
        told = self._attributes
        fields = []
        for key, field in tuple(attributes.items()):
            if told.get(key) is not field:
                told[key] = field
                fields.append(field)
        new_events = events[self._events :]
        self._events += len(new_events)
        self.told = True
        return fields, new_events

    @property
    def awaited(self) -> bool:
        """Whether somebody waits for the first."""
        return self._settled is not None

    def forget(self) -> None:
        """Nobody waits any more."""
        self._settled = None

    def settle(self, *, durable: bool) -> None:
        """Say what became of the announcement that was under way; only the first counts."""
        self.durable = self.durable or durable
        settled, self._settled = self._settled, None
        if settled is not None:
            settled()
