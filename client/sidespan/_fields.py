"""What is set on a span, encoded at once and within its bounds."""

from collections.abc import Mapping

from sidespan._limits import SMALL_FIELD_BYTES, SPAN_ATTRIBUTES_MAX, SPAN_EVENTS_MAX
from sidespan._otlp import SPAN_ATTRIBUTE, attribute


class Fields:
    """The attributes and events of a span; what does not fit is counted.

    The sender's thread reads them while the host's go on writing, so both containers are only ever
    added to or replaced in, by single operations.
    """

    __slots__ = (
        "_attributes",
        "_dropped_attributes",
        "_dropped_events",
        "_events",
        "_large_bytes_left",
    )

    _attributes: dict[str, bytes]
    _events: list[bytes]
    _dropped_attributes: int
    _dropped_events: int
    # Of SPAN_LARGE_FIELDS_BYTES_MAX.
    _large_bytes_left: int

    def _put(self, attributes: Mapping[str, object]) -> None:
        own = self._attributes
        room = SPAN_ATTRIBUTES_MAX - len(own) - len(attributes)
        for key, value in attributes.items():
            field = attribute(SPAN_ATTRIBUTE, key, value)
            if len(field) <= SMALL_FIELD_BYTES and room >= 0:
                own[key] = field
            else:
                self._put_within_bounds(key, field)

    def _put_within_bounds(self, key: str, field: bytes) -> None:
        own = self._attributes
        if (len(own) < SPAN_ATTRIBUTES_MAX or key in own) and (
            len(field) <= SMALL_FIELD_BYTES or self._affords(len(field), len(own.get(key, b"")))
        ):
            own[key] = field
        else:
            self._dropped_attributes += 1

    def _put_event(self, field: bytes) -> None:
        if len(self._events) < SPAN_EVENTS_MAX and (
            len(field) <= SMALL_FIELD_BYTES or self._affords(len(field))
        ):
            self._events.append(field)
        else:
            self._dropped_events += 1

    def _affords(self, size: int, replaced: int = 0) -> bool:
        """Take the room of a large field, and that of the one it replaces, if there is enough."""
        left = self._large_bytes_left - size
        if replaced > SMALL_FIELD_BYTES:
            left += replaced
        if left >= 0:
            self._large_bytes_left = left
        return left >= 0
