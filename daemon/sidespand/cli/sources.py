"""Reads what a question of order is asked of: one or several stores, or bundles made from them."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from sidespand.cli import store
from sidespand.cli.output import print_note
from sidespand.errors import NotFound

if TYPE_CHECKING:
    from sidespand.query.evidence import Gathered, Gathering

_GAPS_NAMED_MAX = 5


def add_sources(parser: argparse.ArgumentParser) -> None:
    """Add what every question of order takes."""
    parser.add_argument(
        "--store",
        metavar="PATH",
        action="append",
        default=[],
        help="a node's data directory or a proof bundle, several times for several nodes",
    )
    parser.add_argument(
        "--channels-declared",
        action="store_true",
        help="every channel between the programs carries tokens: say so where nothing joins two",
    )
    parser.add_argument("--all", action="store_true", help="read every record, however many")


def gather(args: argparse.Namespace) -> "Gathered":
    """Return what the named stores and bundles hold, and say on stderr what could not be read.

    Raises:
        ConfigError: The configuration cannot be used.
        NotFound: A path names nothing.
        StoreUnreadable: There is no store, or it is damaged.
        StoreTooNew: A later version wrote it.
        NotVerified: A file is no sound proof bundle.
    """
    from sidespand.query.evidence import Gathering

    gathering = Gathering(channels_declared=args.channels_declared)
    paths = [Path(one).expanduser() for one in args.store]
    if not paths or args.data is not None:
        paths.insert(0, store.data_dir(args))
    for path in paths:
        if path.is_file():
            _add_bundle(gathering, path)
        elif path.is_dir():
            _add_store(gathering, path, everything=args.all)
        else:
            raise NotFound(
                f"there is neither a store nor a file at {path}",
                hint="--store takes a data directory or a proof bundle",
            )
    gathered = gathering.gathered()
    for gap in gathered.gaps[:_GAPS_NAMED_MAX]:
        print_note(f"{gap.lineage.hex()}: LSN {gap.first} to {gap.last} {_why(gap.reason)}")
    if len(gathered.gaps) > _GAPS_NAMED_MAX:
        print_note(f"and {len(gathered.gaps) - _GAPS_NAMED_MAX} more gaps")
    if gathered.unreadable:
        print_note(
            f"{len(gathered.unreadable)} records do not parse, the first at"
            f" {gathered.unreadable[0]}: their order is known, their spans are not"
        )
    return gathered


def _why(reason: str) -> str:
    return "were not read; --all reads everything" if reason == "unread" else f"are {reason}"


def _add_store(gathering: "Gathering", path: Path, *, everything: bool) -> None:
    from sidespand.journal.reader import JournalReader
    from sidespand.query.evidence import entries

    reader = JournalReader(path)
    try:
        gathering.add(entries(reader, () if everything else reader.ends()))
    finally:
        reader.close()


def _add_bundle(gathering: "Gathering", path: Path) -> None:
    from sidespand.audit import bundle
    from sidespand.evidence.failures import NotVerified
    from sidespand.limits import BUNDLE_BYTES_MAX

    with path.open("rb") as file:
        data = file.read(BUNDLE_BYTES_MAX + 1)
    report = bundle.verify(data, None)
    if report.findings:
        raise NotVerified(
            f"{path} is no sound proof bundle: {report.findings[0].message}",
            hint=f"`sidespan verify {path}` says all that is wrong with it",
        )
    gathering.add([bundle.parse(data).record()])
