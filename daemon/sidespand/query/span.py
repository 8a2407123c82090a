"""A span as a value, with the stamp that the journal gave it, whoever read it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from sidespand.hlc import Hlc
from sidespand.model import Position

Value = str | bool | int | float | bytes | list["Value"] | dict[str, "Value"] | None


class Stamp(NamedTuple):
    """What the journal says of one item.

    Args:
        position: Its own, not its record's.
        boot_generation: Of the daemon that recorded it.
        hlc: Its own.
    """

    position: Position
    boot_generation: int
    hlc: Hlc


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened at one moment of a span."""

    time_ns: int
    name: str
    attributes: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Link:
    """A span's reference to another one, in any trace."""

    trace_id: bytes
    span_id: bytes
    trace_state: str
    attributes: Mapping[str, Value]


class State(StrEnum):
    """How far the life of a span is known."""

    ENDED = "ended"
    OPEN = "open"
    ABANDONED = "abandoned"
    ABANDONED_THEN_ENDED = "abandoned, then ended"
    UNENDED = "no end recorded"


class Abandonment(NamedTuple):
    """The recorder gave a span's client up.

    Args:
        position: Of the ABANDONED record.
        at_ns: When, by the recorder's wall clock.
        reason: Why.
        pid: Of the client; None when no door could know.
        uid: The same.
    """

    position: Position
    at_ns: int
    reason: str
    pid: int | None
    uid: int | None


@dataclass(frozen=True, slots=True)
class Span:
    """One span, whole.

    Args:
        trace_id: 16 bytes.
        span_id: 8 bytes.
        parent_span_id: 8 bytes; empty for a root.
        name: As received, any characters.
        kind: ``internal``, ``server``, ``client``, ``producer``, ``consumer`` or ``unspecified``.
        service: ``service.name`` of its resource; empty when there is none.
        start_ns: Nanoseconds since the Unix epoch, by the sender's clock.
        end_ns: The same; 0 when there is none, or not yet.
        status: ``unset``, ``ok`` or ``error``.
        status_message: The sender's words.
        attributes: Of several values under one key the last.
        events: In the order in which they were sent.
        links: The same.
        trace_state: W3C ``tracestate`` as received.
        resource: Attributes of the resource.
        scope: Name of the instrumentation scope.
        stamp: What the journal says of it; without an end, of the mark that opened it.
        state: How far its life is known.
        abandonment: Whether its client was given up; None when not.
    """

    trace_id: bytes
    span_id: bytes
    parent_span_id: bytes
    name: str
    kind: str
    service: str
    start_ns: int
    end_ns: int
    status: str
    status_message: str
    attributes: Mapping[str, Value]
    events: tuple[Event, ...]
    links: tuple[Link, ...]
    trace_state: str
    resource: Mapping[str, Value]
    scope: str
    stamp: Stamp
    state: State = State.ENDED
    abandonment: Abandonment | None = None
