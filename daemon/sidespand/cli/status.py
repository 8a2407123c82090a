"""``sidespan status``: what the store holds, who writes it, and how far its sinks are."""

import argparse
import fcntl
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sidespand import __version__
from sidespand.cli import arguments, exits, store, units
from sidespand.cli.output import print_fields, print_json

if TYPE_CHECKING:
    from sidespand.journal.state import Head

# stat(2): the unit of st_blocks, whatever the file system's own.
_BLOCK_BYTES = 512


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    arguments.add_store(parser)


def run(args: argparse.Namespace) -> int:
    """Print the state of the store."""
    document = _document(args)
    if args.json:
        print_json(document)
    else:
        print_fields(_fields(document))
    return exits.OK


def _document(args: argparse.Namespace) -> dict[str, Any]:
    from sidespand import hlc
    from sidespand.journal.layout import Layout

    with store.opened(args) as opened:
        layout = Layout(opened.data_dir)
        head = opened.reader.head()
        document: dict[str, Any] = {
            "version": __version__,
            "running": _is_held(layout.lock_path),
            "data_dir": str(layout.root),
            "store_id": opened.reader.store_id,
            "source_node_ref": None,
            "lineage": None,
            "boot_generation": None,
            "last_lsn": "0",
            "hlc": None,
            "record_count": "0",
            "segments": len(layout.segments()),
            "store_bytes": _used_bytes(layout.segments_dir),
            "sinks": {},
        }
        if head is not None:
            document |= {
                "source_node_ref": opened.node_ref(head.lineage, head.boot_generation),
                "lineage": head.lineage.hex(),
                "boot_generation": head.boot_generation,
                "last_lsn": str(head.last_lsn),
                "hlc": hlc.text(head.stamp),
                "record_count": str(head.record_count),
            }
            # After the head was read: a sink that caught up meanwhile has no lag.
            document["sinks"] = _sinks(layout.sinks_dir, head)
    return document


def _fields(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    running = document["running"]
    yield "daemon", "unknown" if running is None else "running" if running else "not running"
    yield "version", document["version"]
    yield "store", document["data_dir"]
    yield "store id", document["store_id"]
    yield "node", document["source_node_ref"] or "unknown"
    yield "lineage", document["lineage"] or "-"
    yield "generation", str(document["boot_generation"] or "-")
    yield "last lsn", document["last_lsn"]
    yield "hlc", document["hlc"] or "-"
    yield "records", document["record_count"]
    yield "segments", f"{document['segments']}, {units.size(document['store_bytes'])} on disk"
    for name, sink in document["sinks"].items():
        if sink["position"] is None:
            yield f"sink {name}", "its cursor cannot be read"
            continue
        lag = "in an older lineage" if sink["lag_items"] is None else f"{sink['lag_items']} behind"
        yield f"sink {name}", f"at {sink['position']}, {lag}"


def _is_held(lock_path: Path) -> bool | None:
    # Shared, and let go at once: a recorder that starts in this very moment is the only one to
    # notice. None when this user may not ask.
    try:
        descriptor = os.open(lock_path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except PermissionError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


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


def _sinks(directory: Path, head: "Head") -> dict[str, dict[str, Any]]:
    files = sorted(directory.glob("*/cursor.json"))
    return {file.parent.name: _sink(file, head) for file in files}


def _sink(file: Path, head: "Head") -> dict[str, Any]:
    from sidespand.sinks.cursor import CursorFile

    try:
        cursor = CursorFile(file).load()
    except OSError:
        cursor = None
    if cursor is None:
        return {"position": None, "lag_items": None}
    # How many items an older lineage still holds is for its reader to count.
    lag = max(0, head.last_lsn - cursor.lsn) if cursor.lineage == head.lineage else None
    return {"position": str(cursor), "lag_items": lag}
