"""What of the log a sink is meant to have, and how each part follows on the one before. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from sidespand.filters import Field, Filter, Item, Value
from sidespand.model import Kind, Record
from sidespand.sinks import otlp_walk
from sidespand.sinks.span_json import KINDS, STATUS_CODES, word

_SIGNALS: Final = {
    Kind.SPANS: "traces",
    Kind.MARKS: "marks",
    Kind.LOGS: "logs",
    Kind.METRICS: "metrics",
}


def select(record: Record, wanted: Filter | None) -> Sequence[Record]:
    """Return what of a record a filter wants, each unbroken run of items as one record.

    Args:
        record: With its payload.
        wanted: None for all of it.
    """
    if wanted is None:
        return (record,)
    assert record.payload is not None
    kind = record.header.kind
    request = otlp_walk.parse(kind, record.payload)
    kept = [wanted.holds(_item(kind, *one)) for one in otlp_walk.each(kind, request)]
    if kind is Kind.METRICS:
        # One LSN stands for the whole request: it goes when some of it is wanted.
        kept = [any(kept)]
    return otlp_walk.runs(record, kept)


def lane(record: Record, *, per_kind: bool) -> str:
    """Return which stream of a sink a record belongs to: its kind's, or the one there is."""
    return record.header.kind.name.lower() if per_kind else "all"


def linked(records: Sequence[Record], before: Mapping[str, int], *, per_kind: bool) -> list[Record]:
    """Return records of one lineage with ``prev_lsn`` wherever something is left out.

    Args:
        records: In log order, as a sink will get them.
        before: By lane, the LSN of the item that its stream has before; 0 for none.
        per_kind: Whether each kind is a stream of its own.
    """
    found = []
    last = dict(before)
    for record in records:
        header = record.header
        stream = lane(record, per_kind=per_kind)
        prev_lsn = last.get(stream, 0)
        follows = header.first_lsn == prev_lsn + 1
        found.append(record if follows else replace(record, prev_lsn=prev_lsn))
        last[stream] = header.last_lsn
    return found


def grouped(records: Sequence[Record], *, per_kind: bool) -> list[Sequence[Record]]:
    """Return the deliveries that records make, each in log order."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(lane(record, per_kind=per_kind), []).append(record)
    return list(groups.values())


def _item(kind: Kind, resource: Any, item: Any) -> Item:
    reads = _READS if kind in (Kind.SPANS, Kind.MARKS) else _NO_SPAN_READS

    def read(field: Field) -> Value | None:
        match field.name:
            case "signal":
                return _SIGNALS[kind]
            case "service":
                return _attribute(resource.attributes, "service.name")
            case "resource":
                return _attribute(resource.attributes, field.key)
            case "attributes":
                return None if kind is Kind.METRICS else _attribute(item.attributes, field.key)
            case "trace_id":
                return None if kind is Kind.METRICS else item.trace_id.hex() or None
        reader = reads.get(field.name)
        return reader(item) if reader is not None else None

    return read


_NO_SPAN_READS: Final[dict[str, Callable[[Any], Value | None]]] = {}
_READS: Final[dict[str, Callable[[Any], Value | None]]] = {
    "name": lambda span: span.name,
    "kind": lambda span: word(KINDS, span.kind),
    "status": lambda span: word(STATUS_CODES, span.status.code),
}


def _attribute(pairs: Any, key: str) -> Value | None:
    for pair in pairs:
        if pair.key == key:
            return _scalar(pair.value)
    return None


def _scalar(value: AnyValue) -> Value | None:
    which = value.WhichOneof("value")
    if which in ("string_value", "bool_value", "int_value", "double_value"):
        return getattr(value, which)  # type: ignore[no-any-return]
    return None
