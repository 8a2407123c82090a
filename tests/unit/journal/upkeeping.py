"""Stores of small segments, and upkeep of them, for tests of trimming and redaction."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgpack
import pytest

from sidespand.journal.retention import Retention
from sidespand.journal.upkeep import Upkeep
from sidespand.limits import GIB
from sidespand.model import Kind, Record
from sidespand.redaction import Target
from tests.clocks import ManualClock
from tests.unit.journal.lives import Life, living, read_all
from tests.unit.journal.making import content

# Three of these fill a segment.
PAYLOAD_BYTES = 400_000
WEEK_S = 7 * 86400


class Kept:
    """A life and the upkeep of its store.

    Args:
        life: Open.
        upkeep: Of its store.
        clock: Of both.
    """

    def __init__(self, life: Life, upkeep: Upkeep, clock: ManualClock) -> None:
        self.life = life
        self.upkeep = upkeep
        self.clock = clock

    def fill(self, count: int, first: int = 0) -> list[int]:
        """Append requests that name their number; return their LSNs."""
        return [
            self.life.append(content(payload(number))).first_lsn
            for number in range(first, first + count)
        ]

    def trim(self, **cursors: Any) -> int:
        """Trim once; return how many segments went."""
        return self.life.run(self.upkeep.trim(cursors))

    def target(self, lsn: int, *trace_ids: bytes) -> Target:
        """Return the record of one item at ``lsn``."""
        where = self.life.store.position
        return Target(where.ordinal, where.lineage, lsn, lsn, trace_ids)


@contextmanager
def kept(
    data_dir: Path,
    *,
    clock: ManualClock | None = None,
    retention: Retention | None = None,
    resumed: bool = True,
) -> Iterator[Kept]:
    """Yield a life of segments of 1 MiB, with its upkeep."""
    clock = clock or ManualClock()
    with living(data_dir, clock) as life:
        upkeep = Upkeep(life.store, retention or keeping(), clock)
        try:
            if resumed:
                life.run(upkeep.resume())
            yield Kept(life, upkeep, clock)
        finally:
            upkeep.close()


def keeping(
    *, bytes_max: int = GIB, drop_oldest: bool = False, required: tuple[str, ...] = ()
) -> Retention:
    """Return a policy of a week that does not look at the disk."""
    return Retention(WEEK_S, bytes_max, 0.0, drop_oldest, frozenset(required))


def payload(number: int) -> bytes:
    """Return a payload that no other contains, and that fills its pages."""
    return (b"secret-%04d." % number) * (PAYLOAD_BYTES // 12)


def controls(data_dir: Path, kind: Kind) -> list[dict[str, Any]]:
    """Return the bodies of the control records of one kind, the oldest first."""
    return [
        msgpack.unpackb(one.payload)
        for one in read_all(data_dir)
        if isinstance(one, Record) and one.header.kind is kind and one.payload
    ]


def holding(data_dir: Path, needle: bytes) -> list[str]:
    """Return the files of a store whose bytes hold ``needle``."""
    return [
        str(path.relative_to(data_dir))
        for path in sorted(data_dir.rglob("*"))
        if path.is_file() and needle in path.read_bytes()
    ]


def stored_here(directory: Path, monkeypatch: pytest.MonkeyPatch, requests: int) -> Path:
    """Make ``directory`` the working directory; return a store in it that holds ``requests``."""
    monkeypatch.chdir(directory)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(directory / "run"))
    with kept(directory / "store") as made:
        made.fill(requests)
    return directory / "store"
