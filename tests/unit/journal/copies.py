"""Copies of stores, and what a store that went through them says of itself."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgpack

from sidespand.clock import SystemClock
from sidespand.model import Kind, Position, Record
from tests.unit.journal.lives import living, records
from tests.unit.journal.making import content


def live(
    store: Path, anchors: tuple[Path, ...], *written: bytes, accept_move: bool = False
) -> Position:
    """Record contents in a life of their own, each in a request; return where it ended."""
    with living(store, SystemClock(), anchor_dirs=anchors, accept_move=accept_move) as life:
        for payload in written:
            life.append(content(payload))
        head = life.store.head
    return Position(head.ordinal, head.lineage, head.last_lsn)


def backup(store: Path) -> Path:
    """Copy a store; if somebody writes it, at a moment when nothing waits."""
    # The spare may be in the making, and is made anew in any case.
    spare = shutil.ignore_patterns("spare.mdb*")
    return Path(shutil.copytree(store, store.with_name("backup"), ignore=spare))


def put_back(copy: Path, data_dir: Path) -> None:
    """Make a store what its copy is, within the directories that it has: they are not made anew.

    So it looks after a crash in whose image the copy was taken, and after a restored backup.
    """
    segments = data_dir / "seg"
    for directory in (segments, data_dir):
        for path in directory.iterdir():
            if path == segments:
                continue
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
    shutil.copytree(copy, data_dir, dirs_exist_ok=True)


def origins(store: Path) -> list[Mapping[str, Any]]:
    """Return why the lineages of a store began, in order."""
    found = [one for one in records(store) if one.header.kind is Kind.LINEAGE]
    return [msgpack.unpackb(one.payload or b"") for one in found]


def reasons(store: Path) -> list[str]:
    """Return the same in a word each."""
    return [origin["reason"] for origin in origins(store)]


def places(found: list[Record]) -> dict[tuple[bytes, int], bytes]:
    """Return the leaf at each lineage and LSN; two at one place fail the test."""
    leaves: dict[tuple[bytes, int], bytes] = {}
    for one in found:
        leaf = leaves.setdefault((one.header.lineage, one.header.first_lsn), one.leaf)
        assert leaf == one.leaf, "a position names two records"
    return leaves
