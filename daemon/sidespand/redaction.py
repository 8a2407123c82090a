"""What a REDACT record says: which records lost their content, who did it, and why. Pure codec.

    {"actor": text, "reason": text, "records": [
        [ordinal, lineage, first LSN, last LSN, [trace id, ...]], ...]}

Trace ids are named so that a reader of a trace learns that something of it is gone; of a record of
very many traces, not all are.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgpack

from sidespand.limits import (
    REDACT_RECORDS_MAX,
    REDACT_TEXT_CHARACTERS_MAX,
    REDACT_TRACES_MAX,
    TRACE_ID_BYTES,
)
from sidespand.model import ControlBody, Gap, Kind, Position, Record

REASON: Final = "redacted"
_LINEAGE_BYTES = 8
_LSN_MAX = 2**64 - 1


@dataclass(frozen=True, slots=True)
class Target:
    """One record whose content goes, or went.

    Args:
        ordinal: Of its lineage within the store.
        lineage: 8 bytes.
        first: LSN of its first item.
        last: LSN of its last item, inclusive.
        trace_ids: Of its items, each once; of many, REDACT_TRACES_MAX.
    """

    ordinal: int
    lineage: bytes
    first: int
    last: int
    trace_ids: tuple[bytes, ...] = ()

    @property
    def gap(self) -> Gap:
        """The hole that it leaves."""
        return Gap(self.ordinal, self.lineage, self.first, self.last, REASON)


@dataclass(frozen=True, slots=True)
class Redaction:
    """One act of redaction, as the log tells it.

    Args:
        position: Of the REDACT record.
        wall_ns: The node's clock at that record.
        actor: Who did it, in the actor's own words.
        reason: Why, the same.
        targets: The records.
    """

    position: Position
    wall_ns: int
    actor: str
    reason: str
    targets: tuple[Target, ...]


def bodies(actor: str, reason: str, targets: Sequence[Target]) -> Iterator[ControlBody]:
    """Yield the bodies of as many REDACT records as it takes to name ``targets``.

    Args:
        actor: At most REDACT_TEXT_CHARACTERS_MAX characters.
        reason: The same.
        targets: In log order.
    """
    for part in parts(targets, REDACT_RECORDS_MAX, REDACT_TRACES_MAX):
        yield body(actor, reason, part)


def body(actor: str, reason: str, targets: Sequence[Target]) -> ControlBody:
    """Return one body that names ``targets``, however many they are."""
    records = [
        [one.ordinal, one.lineage, one.first, one.last, list(one.trace_ids)] for one in targets
    ]
    return {"actor": actor, "reason": reason, "records": records}


def parts(
    targets: Sequence[Target], records_max: int, traces_max: int
) -> Iterator[Sequence[Target]]:
    """Yield ``targets`` in parts of bounded size.

    Args:
        targets: In log order.
        records_max: Of one part.
        traces_max: The same; at least REDACT_TRACES_MAX, which one record names at most.
    """
    part: list[Target] = []
    traces = 0
    for target in targets:
        named = len(target.trace_ids)
        if part and (len(part) == records_max or traces + named > traces_max):
            yield part
            part, traces = [], 0
        part.append(target)
        traces += named
    if part:
        yield part


def parse(record: Record) -> Redaction | None:
    """Return what a REDACT record says; None for another record, or one that says nothing."""
    if record.header.kind is not Kind.REDACT or record.payload is None:
        return None
    try:
        actor, reason, targets = parse_body(msgpack.unpackb(record.payload))
    except (ValueError, msgpack.UnpackException):
        return None
    return Redaction(record.position, record.header.wall_ns, actor, reason, targets)


def parse_body(body: Any) -> tuple[str, str, tuple[Target, ...]]:
    """Return actor, reason and targets of a body.

    Raises:
        ValueError: It is not one that ``bodies`` made.
    """
    try:
        actor, reason = str(body["actor"]), str(body["reason"])
        targets = tuple(_target(*one) for one in body["records"])
    except (KeyError, TypeError) as error:
        raise ValueError("not the body of a redaction") from error
    if max(len(actor), len(reason)) > REDACT_TEXT_CHARACTERS_MAX or not reason:
        raise ValueError("actor and reason are text of limited length")
    return actor, reason, targets


def _target(ordinal: Any, lineage: Any, first: Any, last: Any, trace_ids: Any) -> Target:
    if not isinstance(lineage, bytes) or len(lineage) != _LINEAGE_BYTES:
        raise ValueError("a lineage is 8 bytes")
    ordinal, first, last = int(ordinal), int(first), int(last)
    if ordinal < 1 or not 1 <= first <= last <= _LSN_MAX:
        raise ValueError("no such records")
    found = tuple(trace_ids)
    if len(found) > REDACT_TRACES_MAX:
        raise ValueError("too many trace ids")
    if not all(isinstance(one, bytes) and len(one) == TRACE_ID_BYTES for one in found):
        raise ValueError("a trace id is 16 bytes")
    return Target(ordinal, lineage, first, last, found)
