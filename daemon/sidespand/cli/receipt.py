"""``sidespan receipt``: what the journal can say of one span."""

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sidespand.cli import arguments, exits, store
from sidespand.cli.output import print_fields, print_json
from sidespand.limits import FIND_QUIET_BYTES

if TYPE_CHECKING:
    from sidespand.journal.reader import JournalReader
    from sidespand.model import ControlBody, Record

_LAST = "last"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    arguments.add_store(parser)
    parser.add_argument(
        "span", metavar="SPAN|last", help="a span id, or a unique prefix of 6 digits or more"
    )
    arguments.add_all(parser)


def run(args: argparse.Namespace) -> int:
    """Print the receipt of the span that the id names."""
    from sidespand.query.find import newest_span, resolve_span
    from sidespand.query.receipts import receipt_document
    from sidespand.query.walk import Walk

    with store.opened(args) as opened:
        reader = opened.reader
        if args.span == _LAST:
            hit = newest_span(reader.newest_first())
        else:
            walk = Walk(reader.newest_first(), quiet_bytes=None if args.all else FIND_QUIET_BYTES)
            hit = resolve_span(walk, args.span)
        header = hit.record.header
        document = receipt_document(
            hit,
            reader.generation(header.lineage, header.boot_generation),
            _producer(reader, hit.record),
        )
    if args.json:
        print_json(document)
    else:
        print_fields(_fields(document))
    return exits.OK


def _producer(reader: "JournalReader", record: "Record") -> "ControlBody | None":
    from sidespand.query.receipts import session_before, session_body

    before = session_before(record)
    if before is None:
        return None
    return session_body(reader.read(before, before._replace(lsn=before.lsn + 1)))


def _fields(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    identity, record, producer = document["identity"], document["record"], document["producer"]
    yield "span", document["span_id"]
    yield "trace", document["trace_id"]
    yield "name", document["name"]
    yield "service", document["service"] or "-"
    yield "node", identity["source_node_ref"] or "unknown"
    yield "lineage", identity["lineage"]
    yield "generation", str(identity["boot_generation"])
    yield "lsn", document["lsn"]
    yield "hlc", document["hlc"]
    yield "durability", document["durability"]
    yield "token", document["token"]
    yield (
        "record",
        f"{record['record_index']}, item {record['item_index'] + 1} of {record['item_count']}",
    )
    yield "commit", record["commit_seq"]
    yield "leaf", record["leaf"]
    yield "payload commitment", record["payload_commitment"]
    if producer is None:
        yield "producer", "unknown"
    else:
        facts = ("door", "uid", "pid", "address", "instance_id", "seq")
        known = [f"{fact} {producer[fact]}" for fact in facts if producer[fact] is not None]
        yield "producer", ", ".join(known)
    for edge in document["edges"]:
        yield f"token {edge['type']}", f"{edge['position']}  hlc {edge['hlc']}"
