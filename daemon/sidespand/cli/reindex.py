"""``sidespan reindex``: makes the index anew from the journal, by the daemon while one runs."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sidespand.cli import api, exits, store
from sidespand.cli.output import print_json
from sidespand.errors import InUse, NotFound

if TYPE_CHECKING:
    from sidespand.config import Config


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--data", metavar="DIR", help="the store; default: data_dir of the config")
    parser.add_argument("--run", metavar="DIR", help="the daemon's sockets; default: runtime_dir")
    parser.add_argument("--config", metavar="FILE", type=Path, help="the configuration file")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Make the index anew; a daemon goes on recording meanwhile.

    Raises:
        ConfigError: The configuration cannot be used.
        StoreUnreadable: There is no store, or it is damaged.
    """
    from sidespand.app.indexing import reindex
    from sidespand.config import load

    flags = {"data_dir": str(store.data_dir(args))}
    if args.run is not None:
        flags["runtime_dir"] = args.run
    config = load(args.config, flags)
    drawing = sys.stderr.isatty() and not args.json

    def progress(done_lsn: int, upto_lsn: int) -> None:
        if drawing:
            print(f"\r{done_lsn} of {upto_lsn}", end="", file=sys.stderr, flush=True)

    try:
        count = reindex(config, progress)
    except InUse:
        return _told(args, _ask(config))
    finally:
        if drawing:
            print(file=sys.stderr)
    return _told(args, {"indexed_items": count, "by": "command"})


def _ask(config: "Config") -> dict[str, Any]:
    """Have the daemon do it."""
    from sidespand.index import files
    from sidespand.journal.reader import JournalReader

    reader = JournalReader(config.data_dir)
    store_id = reader.store_id
    reader.close()
    try:
        api.post(config.runtime_dir / "api.sock", "/v1/reindex", {"store_id": store_id})
    except NotFound:
        # A worker whose index is gone begins another.
        files.remove(files.index_path(config.data_dir))
    return {"indexed_items": None, "by": "daemon"}


def _told(args: argparse.Namespace, document: dict[str, Any]) -> int:
    if args.json:
        print_json(document)
    elif document["by"] == "daemon":
        print("the daemon makes the index anew; `sidespan doctor` says how far it is")
    else:
        print(f"{document['indexed_items']} items are indexed")
    return exits.OK
