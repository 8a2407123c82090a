"""``sidespan receipt``: what the journal can say of one item, of its record, or of a trace."""

import argparse
from collections.abc import Iterator
from typing import Any

from sidespand.cli import arguments, exits, pinned, store
from sidespand.cli.output import print_fields, print_json
from sidespand.errors import NotFound


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
    from sidespand.answers import receipts

    with store.opened(args) as opened:
        reader, key = opened.reader, pinned.key(args)
        try:
            place = receipts.find_place(reader, args.item, everything=args.all)
        except NotFound:
            of_trace = receipts.trace_receipt(reader, args.item, key, everything=args.all)
            if of_trace is None:
                raise
            document, fields = of_trace, _trace_fields(of_trace)
        else:
            document = receipts.item_receipt(reader, place, key)
            if args.record:
                document = {**document, "items": receipts.record_items(place.record)}
            fields = _fields(document)
    if args.json:
        print_json(document)
    else:
        print_fields(fields)
    return exits.OK


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
