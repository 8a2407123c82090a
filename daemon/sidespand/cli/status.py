"""``sidespan status``: what the store holds, who writes it, and how far its sinks are."""

import argparse
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sidespand import __version__, lock
from sidespand.cli import arguments, exits, store, units
from sidespand.cli.output import print_fields, print_json

if TYPE_CHECKING:
    from sidespand.journal.reader import JournalReader
    from sidespand.journal.state import Head
    from sidespand.model import Position

# stat(2): the unit of st_blocks, whatever the file system's own.
_BLOCK_BYTES = 512
_IDENTITY = (
    "source_node_ref", "node_instance_id", "node_role", "deployment_ref", "cluster_ref"
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    arguments.add_store(parser)


def run(args: argparse.Namespace) -> int:
    """Print the state of the store."""
    found = document(args)
    if args.json:
        print_json(found)
    else:
        print_fields(_fields(found))
    return exits.OK


def document(args: argparse.Namespace) -> dict[str, Any]:
    """Return the state of the store that the arguments name.

    Raises:
        ConfigError: The configuration cannot be used.
        StoreUnreadable: There is no store, or it is damaged.
        StoreTooNew: A later version wrote it.
    """
    from sidespand import hlc
    from sidespand.journal.layout import Layout

    with store.opened(args) as opened:
        layout = Layout(opened.data_dir)
        head = opened.reader.head()
        found: dict[str, Any] = {
            "version": __version__,
            "running": lock.is_held(layout.lock_path),
            "data_dir": str(layout.root),
            "store_id": opened.reader.store_id,
            "source_node_ref": None,
            "node_instance_id": None,
            "node_role": None,
            "deployment_ref": None,
            "cluster_ref": None,
            "lineage": None,
            "lineage_ordinal": None,
            "lineage_reason": None,
            "boot_generation": None,
            "last_lsn": "0",
            "hlc": None,
            "record_count": "0",
            "insecure_listen": [],
            "capture": None,
            "web": _web(layout.root),
            "open_spans": len(opened.reader.open_spans()),
            "checkpoint_key": None,
            "segments": len(layout.segments()),
            "store_bytes": _used_bytes(layout.segments_dir),
            "sinks": {},
        }
        if head is not None:
            generation = opened.reader.generation(head.lineage, head.boot_generation)
            found |= {
                # An empty one was not configured.
                **{name: generation.get(name) or None for name in _IDENTITY},
                "lineage": head.lineage.hex(),
                "lineage_ordinal": head.ordinal,
                "lineage_reason": generation.get("origin", {}).get("reason"),
                "boot_generation": head.boot_generation,
                "last_lsn": str(head.last_lsn),
                "hlc": hlc.text(head.stamp),
                "record_count": str(head.record_count),
                "insecure_listen": generation.get("insecure_listen", []),
                "capture": generation.get("capture") or None,
                "checkpoint_key": _checkpoint_key(opened.reader, head, generation),
            }
            # After the head was read: a sink that caught up meanwhile has no lag.
            found["sinks"] = _sinks(layout.sinks_dir, head, opened.reader)
    return found


def _web(data_dir: Path) -> str | None:
    # The worker's word; what a worker left that was killed is no address any more.
    if lock.is_held(data_dir / "WORKER.lock") is False:
        return None
    try:
        return (data_dir / "web.address").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None


def _fields(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    running = document["running"]
    yield "daemon", "unknown" if running is None else "running" if running else "not running"
    yield "version", document["version"]
    for address in document["insecure_listen"]:
        yield "INSECURE", f"anybody who reaches {address} may write here"
    if document["capture"] is not None:
        yield "doors keep", document["capture"]
    yield "web page", document["web"] or "off"
    yield "store", document["data_dir"]
    yield "store id", document["store_id"]
    yield "node", document["source_node_ref"] or "unknown"
    for name in _IDENTITY[1:]:
        if document[name] is not None:
            yield name.replace("_", " "), document[name]
    yield "lineage", _lineage(document)
    yield "generation", str(document["boot_generation"] or "-")
    yield "last lsn", document["last_lsn"]
    yield "hlc", document["hlc"] or "-"
    yield "records", document["record_count"]
    yield "open spans", str(document["open_spans"])
    yield "signed by", _signed_by(document["checkpoint_key"])
    yield "segments", f"{document['segments']}, {units.size(document['store_bytes'])} on disk"
    for name, sink in document["sinks"].items():
        if sink["position"] is None:
            yield f"sink {name}", "its cursor cannot be read"
            continue
        gets = f"gets {sink['capture']}, " if sink["capture"] is not None else ""
        lag = "in an older lineage" if sink["lag_items"] is None else f"{sink['lag_items']} behind"
        if sink["oldest_age_s"] is not None:
            # A duration that began at 1, for 0 would be no end.
            age_ns = int(sink["oldest_age_s"] * 1e9)
            lag += f", the oldest for {units.duration(1, age_ns + 1)}"
        if sink["dead_letter_bytes"]:
            lag += f", {units.size(sink['dead_letter_bytes'])} of dead letters"
        yield f"sink {name}", f"{gets}at {sink['position']}, {lag}"


def _lineage(document: Mapping[str, Any]) -> str:
    if document["lineage"] is None:
        return "-"
    return (
        f"{document['lineage']}, {document['lineage_reason'] or 'of unknown origin'}"
        f" (number {document['lineage_ordinal']} of this store)"
    )


def _checkpoint_key(
    reader: "JournalReader", head: "Head", generation: Mapping[str, Any]
) -> dict[str, str | None] | None:
    # The KEY record stands at its generation's beginning. What is wrong with it is for `verify`.
    from sidespand.evidence.authority import unpack
    from sidespand.evidence.failures import Malformed, NotVerified
    from sidespand.evidence.keys import verify_on_its_word
    from sidespand.model import Kind, Position, Record

    before = Position(head.ordinal, head.lineage, generation.get("previous_last_lsn", 0))
    for one in reader.read(before):
        if not isinstance(one, Record) or one.header.boot_generation != head.boot_generation:
            continue
        if one.header.kind is Kind.KEY and one.payload is not None:
            try:
                certified = verify_on_its_word(
                    unpack(one.payload), head.lineage, head.boot_generation
                )
            except (Malformed, NotVerified):
                return None
            by = certified.by
            return {
                "verifier_key": str(certified.statement.verifier),
                "certified_by": str(by) if by is not None else None,
            }
    return None


def _signed_by(key: Mapping[str, str | None] | None) -> str:
    if key is None:
        return "-"
    by = f"certified by {key['certified_by']}" if key["certified_by"] else "not certified"
    return f"{key['verifier_key']}, {by}"


def _used_bytes(directory: Path) -> int:
    # Blocks rather than lengths: the open segment is allocated ahead.
    used = 0
    for parent, _, names in os.walk(directory):
        for name in names:
            try:
                used += (Path(parent) / name).lstat().st_blocks * _BLOCK_BYTES
            except FileNotFoundError:
                continue
    return used


def _sinks(directory: Path, head: "Head", reader: "JournalReader") -> dict[str, dict[str, Any]]:
    files = sorted(directory.glob("*/cursor.json"))
    return {file.parent.name: _sink(file, head, reader) for file in files}


def _sink(file: Path, head: "Head", reader: "JournalReader") -> dict[str, Any]:
    from sidespand.sinks.cursor import CursorFile
    from sidespand.sinks.dead_letters import DeadLetters

    shared = {
        "capture": _capture(file.parent),
        "dead_letter_bytes": DeadLetters(file.parent).size_bytes,
    }
    try:
        cursor = CursorFile(file).load()
    except OSError:
        cursor = None
    if cursor is None:
        return {
            "position": None,
            "lag_items": None,
            "oldest_age_s": None,
            **shared,
        }
    # How many items an older lineage still holds is for its reader to count.
    lag = max(0, head.last_lsn - cursor.lsn) if cursor.lineage == head.lineage else None
    return {
        "position": str(cursor),
        "lag_items": lag,
        "oldest_age_s": _waiting_s(reader, cursor) if lag != 0 else None,
        **shared,
    }


def _capture(place: Path) -> str | None:
    # What the sink was given when a worker last began it.
    from sidespand.config import Capture

    try:
        return Capture((place / "capture").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _waiting_s(reader: "JournalReader", cursor: "Position") -> float | None:
    # How old the oldest record is that a client sent and the sink has not passed.
    from sidespand.model import Record

    for entry in reader.read(cursor):
        if isinstance(entry, Record) and not entry.header.kind.is_control:
            return max(0.0, (time.time_ns() - entry.header.wall_ns) / 1e9)
    return None
