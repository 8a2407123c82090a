"""``sidespan lineage``: the log series of a store, why each began, and who wrote it when."""

import argparse
from typing import TYPE_CHECKING, Any

from sidespand import lock
from sidespand.cli import arguments, exits, store, units
from sidespand.cli.output import print_json
from sidespand.cli.text import safe

if TYPE_CHECKING:
    from sidespand.journal.history import PastGeneration, PastLineage


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    arguments.add_store(parser)
    arguments.add_utc(parser)


def run(args: argparse.Namespace) -> int:
    """Print the lineages, oldest first."""
    from sidespand.journal import history
    from sidespand.journal.layout import Layout

    with store.opened(args) as opened:
        layout = Layout(opened.data_dir)
        running = lock.is_held(layout.lock_path)
        lineages = history.read(layout, running=running is True)
        store_id = opened.reader.store_id
    if args.json:
        documents = [_document(one) for one in lineages]
        print_json({"store_id": store_id, "running": running, "lineages": documents})
    else:
        for lineage in lineages:
            print(f"{lineage.lineage.hex()}  {_origin(lineage)}")
            for generation in lineage.generations:
                print(f"  {_line(generation, utc=args.utc)}")
    return exits.OK


def _document(lineage: "PastLineage") -> dict[str, Any]:
    origin = lineage.origin
    return {
        "lineage": lineage.lineage.hex(),
        "ordinal": lineage.ordinal,
        "reason": origin.get("reason"),
        "actor": origin.get("actor"),
        "parent": _position(origin.get("parent_lineage"), origin.get("parent_lsn", 0)),
        "anchored": _position(origin.get("anchored_lineage"), origin.get("anchored_lsn", 0)),
        "generations": [_generation_document(one) for one in lineage.generations],
    }


def _position(lineage: bytes | None, lsn: int) -> dict[str, str] | None:
    return None if lineage is None else {"lineage": lineage.hex(), "lsn": str(lsn)}


def _generation_document(generation: "PastGeneration") -> dict[str, Any]:
    body, last_lsn = generation.body, generation.last_lsn
    started_at_ns = body.get("started_at_ns")
    return {
        "boot_generation": body["boot_generation"],
        "incarnation": body["incarnation"].hex(),
        "boot_id": body["boot_id"].hex(),
        "source_node_ref": body["source_node_ref"],
        "node_instance_id": body["node_instance_id"],
        "started_at_ns": None if started_at_ns is None else str(started_at_ns),
        "first_lsn": str(generation.first_lsn),
        "last_lsn": None if last_lsn is None else str(last_lsn),
        "clean": generation.clean,
        "durability": body["durability"],
        "software": body["software"],
    }


def _origin(lineage: "PastLineage") -> str:
    origin = lineage.origin
    if not origin:
        return "nobody said why it began"
    parent = origin["parent_lineage"]
    after = f", after {parent.hex()}:{origin['parent_lsn']}" if parent is not None else ""
    return f"{safe(origin['reason'])}{after}, by {safe(origin['actor'])}"


def _line(generation: "PastGeneration", *, utc: bool) -> str:
    body = generation.body
    started_at_ns = body.get("started_at_ns")
    started = "-" if started_at_ns is None else units.moment(started_at_ns, utc=utc)
    last_lsn = "?" if generation.last_lsn is None else str(generation.last_lsn)
    ended = {True: "clean", False: "not clean", None: "not ended"}[generation.clean]
    return (
        f"generation {body['boot_generation']}  {started}  boot {body['boot_id'].hex()}"
        f"  LSN {generation.first_lsn} to {last_lsn}  {ended}"
    )
