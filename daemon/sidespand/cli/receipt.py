"""``sidespan receipt``: what the journal can say of one item, of its record, or of a trace."""

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sidespand.cli import arguments, exits, pinned, places, store
from sidespand.cli.output import print_fields, print_json
from sidespand.errors import NotFound
from sidespand.limits import FIND_QUIET_BYTES

if TYPE_CHECKING:
    from sidespand.evidence.note import Verifier
    from sidespand.journal.reader import JournalReader
    from sidespand.model import ControlBody, Record
    from sidespand.query.receipts import Place


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    arguments.add_store(parser)
    parser.add_argument(
        "item",
        metavar="SPAN|POSITION|TRACE|last",
        help="a span or trace id or a unique prefix of 6 digits or more, lineage:lsn, or a token",
    )
    parser.add_argument("--record", action="store_true", help="of the whole record that holds it")
    pinned.add_key(parser)
    arguments.add_all(parser)


def run(args: argparse.Namespace) -> int:
    """Print the receipt of what the argument names."""
    with store.opened(args) as opened:
        key = pinned.key(args)
        try:
            place = places.find_place(opened.reader, args.item, everything=args.all)
        except NotFound:
            document = _of_trace(args, opened.reader, key)
            if document is None:
                raise
            fields = _trace_fields(document)
        else:
            document = _of_item(opened.reader, place, key)
            if args.record:
                document = {**document, "items": _items(place.record)}
            fields = _fields(document)
    if args.json:
        print_json(document)
    else:
        print_fields(fields)
    return exits.OK


def _of_item(reader: "JournalReader", place: "Place", key: "Verifier | None") -> dict[str, Any]:
    from sidespand.query.coverage import cover
    from sidespand.query.receipts import receipt_document

    header = place.record.header
    return {
        **receipt_document(
            place,
            reader.generation(header.lineage, header.boot_generation),
            _producer(reader, place.record),
            cover(reader, place.record, key),
        ),
        "redaction": _redaction(reader, place.record),
        "key_pinned": key is not None,
    }


def _redaction(reader: "JournalReader", record: "Record") -> dict[str, Any] | None:
    from sidespand.query.redactions import Redactions, act_document

    if record.payload is not None:
        return None
    redactions = Redactions()
    for one in redactions.noting(reader.newest_first()):
        if redactions.of_item(record.position) is not None or one.position <= record.position:
            break
    told = redactions.of_item(record.position)
    return None if told is None else act_document(told)


def _of_trace(
    args: argparse.Namespace, reader: "JournalReader", key: "Verifier | None"
) -> dict[str, Any] | None:
    from sidespand.query.find import resolve_trace, trace_hits
    from sidespand.query.names import parse_position
    from sidespand.query.trace_receipts import trace_receipt_document
    from sidespand.query.walk import Walk

    if args.item == places.LAST or parse_position(args.item) is not None:
        return None

    def walk() -> Walk:
        return Walk(reader.newest_first(), quiet_bytes=None if args.all else FIND_QUIET_BYTES)

    trace_id = resolve_trace(walk(), args.item)
    hits = list(trace_hits(walk(), trace_id))
    if not hits:
        return None
    document = trace_receipt_document(reader, trace_id, hits, key)
    return {**document, "key_pinned": key is not None}


def _items(record: "Record") -> list[dict[str, Any]]:
    from sidespand import hlc
    from sidespand.query.spans import begun_items

    header = record.header
    spans = {item.stamp.position.lsn: item.span for item in begun_items(record)}
    found = []
    for index in range(header.item_count):
        span = spans.get(header.first_lsn + index)
        found.append(
            {
                "lsn": str(header.first_lsn + index),
                "hlc": hlc.text(hlc.nth(header.stamp, index)),
                "trace_id": None if span is None else span.trace_id.hex(),
                "span_id": None if span is None else span.span_id.hex(),
            }
        )
    return found


def _producer(reader: "JournalReader", record: "Record") -> "ControlBody | None":
    from sidespand.query.receipts import session_before, session_body

    before = session_before(record)
    if before is None:
        return None
    return session_body(reader.read(before, before._replace(lsn=before.lsn + 1)))


def _fields(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    from sidespand.model import Kind

    identity, record, producer = document["identity"], document["record"], document["producer"]
    if document["span_id"] is not None:
        yield "span", document["span_id"]
        yield "trace", document["trace_id"]
        yield "name", document["name"]
        yield "service", document["service"] or "-"
    else:
        yield "kind", document["kind"]
    yield "node", identity["source_node_ref"] or "unknown"
    yield "lineage", identity["lineage"]
    yield "generation", str(identity["boot_generation"])
    yield "lsn", document["lsn"]
    yield "hlc", document["hlc"]
    yield "clock", _clock(document["clock"])
    yield "durability", document["durability"]
    yield "token", document["token"]
    yield (
        "record",
        f"{record['record_index']}, item {record['item_index'] + 1} of {record['item_count']}",
    )
    yield "commit", record["commit_seq"]
    yield "leaf", record["leaf"]
    yield "payload commitment", record["payload_commitment"]
    yield "payload", document["payload"]
    if told := document["redaction"]:
        yield "redacted by", f"{told['actor']} at {told['time_ns']} ns: {told['reason']}"
    yield "covered", _covered(document)
    if producer is None:
        by_itself = Kind[document["kind"].upper()].is_control
        yield "producer", "the recorder itself" if by_itself else "unknown"
    else:
        facts = ("door", "uid", "pid", "address", "tenant", "instance_id", "seq")
        known = [f"{fact} {producer[fact]}" for fact in facts if producer[fact] is not None]
        yield "producer", ", ".join(known)
    for edge in document["edges"]:
        yield f"token {edge['type']}", f"{edge['position']}  hlc {edge['hlc']}"
    for item in document.get("items", ()):
        yield "item", f"{item['lsn']}  {item['span_id'] or '-'}"


def _trace_fields(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "trace", document["trace_id"]
    for one in document["recorders"]:
        node = one.get("source_node_ref", "unknown")
        generation = f"lineage {one['lineage']}, generation {one['boot_generation']}"
        yield "node", f"{node}, {generation}, durability {one['durability']}"
    yield "first", document["first_position"]
    yield "last", document["last_position"]
    for span in document["spans"]:
        covered = "covered" if span["covered"] else "not covered"
        yield "span", f"{span['span_id']}  {span['position']}  {span['hlc']}  {covered}"
    missing = sum(not span["covered"] for span in document["spans"])
    yield "covered", "yes" if document["covered"] else f"{missing} are not, as marked"


def _clock(clock: dict[str, Any]) -> str:
    claim = f"within {clock['error_us']} µs, by its claim" if clock["synced"] else "not vouched for"
    return f"{clock['wall_ns']} ns, {claim}; the HLC leads it by {clock['hlc_lead_ns']} ns"


def _covered(document: dict[str, Any]) -> str:
    found = document["checkpoint"]
    if found is None:
        return f"no: {document['uncovered_reason']}"
    if found["certified_by"] is None:
        by = "on the log's own word"
    elif document["key_pinned"]:
        by = "certified by the given node key"
    else:
        by = "certified by a node key that the log itself names"
    return f"by the checkpoint of {found['size']} records at LSN {found['lsn']}, {by}"
