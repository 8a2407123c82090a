"""Which records hold what is to go, what goes along with it, and what is gone already.

One record is one request, and is redacted as a whole: the other spans in it go, too.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from google.protobuf.message import DecodeError
from opentelemetry.proto.logs.v1.logs_pb2 import LogsData

from sidespand import redaction
from sidespand.errors import InvalidRequest, NotFound, StoreUnreadable
from sidespand.limits import ID_CANDIDATES_MAX, REDACT_TRACES_MAX, TRACE_ID_BYTES
from sidespand.model import Gap, Kind, Position, Record
from sidespand.ports import Log
from sidespand.query.documents import Document
from sidespand.query.find import UnusableId, parse_id
from sidespand.query.spans import begun_items
from sidespand.redaction import Redaction, Target

# Control records tell what the log itself did; one of them repeats what a client sent.
_REPEATED = (Kind.ABANDONED,)


class Named(NamedTuple):
    """A span or log record, by its ids and what people call it.

    Args:
        trace_id: 16 bytes; empty for a log record without one.
        span_id: 8 bytes; the same.
        name: Of a span; empty otherwise.
        service: Of its resource.
    """

    trace_id: bytes
    span_id: bytes
    name: str = ""
    service: str = ""


@dataclass(frozen=True, slots=True)
class Doomed:
    """A record that may be redacted.

    Args:
        record: As it is.
        items: Its spans or log records, in item order; none where they have no ids.
    """

    record: Record
    items: tuple[Named, ...]

    @property
    def target(self) -> Target:
        """What the recorder needs to know of it."""
        header = self.record.header
        traces = dict.fromkeys(item.trace_id for item in self.items if item.trace_id)
        return Target(
            self.record.ordinal,
            header.lineage,
            header.first_lsn,
            header.last_lsn,
            tuple(islice(traces, REDACT_TRACES_MAX)),
        )


class Wanted(NamedTuple):
    """What ids name: a trace, or one span of it.

    Args:
        trace_id: 16 bytes.
        span_id: 8 bytes; empty for all of the trace.
    """

    trace_id: bytes
    span_id: bytes

    def fits(self, item: Named) -> bool:
        """Tell whether it names this item."""
        return item.trace_id == self.trace_id and self.span_id in (b"", item.span_id)

    def __str__(self) -> str:
        trace = f"trace {self.trace_id.hex()}"
        return f"span {self.span_id.hex()} in {trace}" if self.span_id else trace


def record_at(log: Log, position: Position) -> Record:
    """Return the record that holds the item at ``position``.

    Raises:
        NotFound: There is none, or it cannot be read. Not retryable.
    """
    for entry in log.read(position._replace(lsn=position.lsn - 1), position):
        if isinstance(entry, Gap):
            if entry.first <= position.lsn <= entry.last:
                raise NotFound(f"{position} cannot be read: it is {entry.reason}")
        elif entry.header.first_lsn <= position.lsn <= entry.header.last_lsn:
            return entry
    raise NotFound(f"nothing is recorded at {position}")


def doom(record: Record) -> Doomed:
    """Return a record with what would go with it.

    Raises:
        InvalidRequest: The recorder wrote it on its own account. Not retryable.
    """
    kind = record.header.kind
    if kind.is_control and kind not in _REPEATED:
        raise InvalidRequest(
            f"{record.position} is a {kind.name} record: it holds nothing of a client",
            hint="name the position of a span, a mark or a log record",
        )
    return Doomed(record, tuple(_named(record)))


def resolve(records: Iterable[Record], text: str) -> Wanted:
    """Return the trace or span that an id or a unique prefix names.

    Args:
        records: All that are to be searched.
        text: 6 hex digits or more.

    Raises:
        NotFound: Nothing that can be read answers to it. Not retryable.
        UnusableId: It is no id, or names more than one thing. Not retryable.
    """
    digits = parse_id(text)
    if len(digits) == 2 * TRACE_ID_BYTES:
        return Wanted(bytes.fromhex(digits), b"")
    needle = bytes.fromhex(digits[: len(digits) // 2 * 2])
    found: dict[Wanted, None] = {}
    for record in records:
        if record.payload is None or needle not in record.payload:
            continue
        for item in _named(record):
            if item.trace_id.hex().startswith(digits):
                found[Wanted(item.trace_id, b"")] = None
            if item.span_id.hex().startswith(digits):
                found[Wanted(item.trace_id, item.span_id)] = None
    exact = [one for one in found if one.span_id.hex() == digits]
    candidates = exact or list(found)
    if not candidates:
        raise NotFound(
            f"nothing that can be read has the id {text}",
            hint="`sidespan show` of its trace tells what was redacted already",
        )
    if len(candidates) > 1:
        shown = [f"  {one}" for one in candidates[:ID_CANDIDATES_MAX]]
        raise UnusableId(
            "\n".join([f"{text} is ambiguous:", *shown]), hint="give more digits of the one"
        )
    return candidates[0]


def holding(records: Iterable[Record], wanted: Sequence[Wanted]) -> Iterator[Doomed]:
    """Yield the readable records that hold something of what is wanted, in their order.

    Spans, marks and logs are found by their ids; what tells of abandoned spans, by the bytes of
    theirs.
    """
    for record in records:
        payload = record.payload
        if payload is None or not any(one.trace_id in payload for one in wanted):
            continue
        kind = record.header.kind
        if kind in _REPEATED:
            if any(one.trace_id in payload and one.span_id in payload for one in wanted):
                yield doom(record)
        elif not kind.is_control:
            doomed = doom(record)
            if any(one.fits(item) for item in doomed.items for one in wanted):
                yield doomed


class Redactions:
    """What was redacted, as far as a walk from the newest record has come.

    A REDACT record is younger than what it names: whoever walks backwards meets it first.
    """

    def __init__(self) -> None:
        self.found: list[Redaction] = []

    def noting(self, records: Iterable[Record]) -> Iterator[Record]:
        """Yield ``records``, newest first, and remember what they tell of redactions."""
        for record in records:
            self.note(record)
            yield record

    def note(self, record: Record) -> None:
        """Remember what a record tells of redactions."""
        told = redaction.parse(record)
        if told is not None and all(told.position != one.position for one in self.found):
            self.found.append(told)

    def of_trace(self, trace_id: bytes) -> list[tuple[Redaction, Target]]:
        """Return what is known to be gone of a trace, each record once, in log order."""
        return self._matching(lambda target: trace_id in target.trace_ids)

    def of_item(self, position: Position) -> Redaction | None:
        """Return the redaction that took an item; None when none that was met did."""
        found = self._matching(
            lambda target: (
                target.lineage == position.lineage and target.first <= position.lsn <= target.last
            )
        )
        return found[0][0] if found else None

    def all(self) -> list[tuple[Redaction, Target]]:
        """Return all that is known to be gone, each record once, in log order."""
        return self._matching(lambda _: True)

    def traces(self, digits: str) -> list[bytes]:
        """Return the traces that begin with hex digits and of which something is known to go."""
        named = (trace_id for _, target in self.all() for trace_id in target.trace_ids)
        return sorted({one for one in named if one.hex().startswith(digits)})

    def _matching(self, is_meant: Callable[[Target], bool]) -> list[tuple[Redaction, Target]]:
        # The same record may be named again, by one that completed what was cut short.
        first = {
            (target.ordinal, target.lineage, target.first): (told, target)
            for told in self.found
            for target in told.targets
            if is_meant(target)
        }
        return [first[place] for place in sorted(first)]


def redaction_document(told: Redaction, target: Target) -> Document:
    """Return what became of one record, and why."""
    return {
        "first": str(target.gap.position._replace(lsn=target.first)),
        "last": str(target.gap.position),
        "item_count": target.last - target.first + 1,
        **act_document(told),
    }


def act_document(told: Redaction) -> Document:
    """Return who redacted something, when and why."""
    return {
        "actor": told.actor,
        "reason": told.reason,
        "time_ns": str(told.wall_ns),
        "position": str(told.position),
    }


def _named(record: Record) -> Iterator[Named]:
    if record.header.kind is Kind.LOGS and record.payload is not None:
        yield from _logs(record, record.payload)
        return
    for item in begun_items(record):
        span = item.span
        yield Named(span.trace_id, span.span_id, span.name, item.service)


def _logs(record: Record, payload: bytes) -> Iterator[Named]:
    try:
        logs = LogsData.FromString(payload)
    except DecodeError as error:
        raise StoreUnreadable(f"the record at {record.position} does not parse: {error}") from error
    for resource_logs in logs.resource_logs:
        for scope_logs in resource_logs.scope_logs:
            for one in scope_logs.log_records:
                yield Named(one.trace_id, one.span_id)
