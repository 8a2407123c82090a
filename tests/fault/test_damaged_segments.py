"""Damage of a segment that lies in the past costs what it hit, and stops nothing else."""

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.daemon import Daemon, running, wait_until
from tests.fault.load import Load, stop, wait_for_acks
from tests.fault.power import ATTRIBUTES, CONFIG, end
from tests.line_files import whole_lines
from tests.unit.journal.lives import read_all, segment_files

pytestmark = pytest.mark.slow

SEGMENTS = 4
SINK_S_MAX = 30.0
PAGE_BYTES = 4096


def flip_bits(path: Path) -> None:
    """Flip one bit in each of some pages behind the first ones."""
    choice = random.Random(7)
    with path.open("r+b") as file:
        for page in range(40, 200, 20):
            place = page * PAGE_BYTES + choice.randrange(PAGE_BYTES)
            file.seek(place)
            byte = file.read(1)[0]
            file.seek(place)
            file.write(bytes([byte ^ 1 << choice.randrange(8)]))


def cut_short(path: Path) -> None:
    """Cut the file in its middle."""
    os.truncate(path, path.stat().st_size // 2 // PAGE_BYTES * PAGE_BYTES)


def empty(path: Path) -> None:
    """Leave a file of no bytes."""
    os.truncate(path, 0)


def overwrite_first_page(path: Path) -> None:
    """Write something else over the first page."""
    with path.open("r+b") as file:
        file.write(b"\xa5" * PAGE_BYTES)


def recorded(root: Path) -> tuple[Daemon, dict[bytes, int]]:
    """Record some segments; return the daemon, which has ended, and what was acked."""
    daemon = Daemon(root, config=CONFIG)
    loads = [Load(daemon.ingest, attributes=ATTRIBUTES)]
    for load in loads:
        load.start()
    try:
        daemon.start()
        while len(segment_files(daemon.data)) < SEGMENTS:
            wait_for_acks(loads)
    finally:
        acked = stop(loads)
        if daemon.process is not None:
            daemon.terminate()
        end(daemon)
    return daemon, acked


@pytest.mark.parametrize(
    "harm",
    [
        pytest.param(flip_bits, marks=pytest.mark.fault(17)),
        pytest.param(cut_short, marks=pytest.mark.fault(10, 18)),
        pytest.param(empty, marks=pytest.mark.fault(19)),
        pytest.param(overwrite_first_page, marks=pytest.mark.fault(20)),
    ],
)
def test_damage_in_the_past_costs_what_it_hit(tmp_path: Path, harm: Callable[[Path], None]) -> None:
    """The daemon starts, records, and delivers all that can be read; the rest is a stated range.

    The damaged file is kept as it is.
    """
    daemon, acked = recorded(tmp_path)
    harmed = segment_files(daemon.data)[1]
    first_lsn, next_lsn = int(harmed.stem), int(segment_files(daemon.data)[2].stem)
    harm(harmed)
    as_it_was = harmed.read_bytes()

    archive = tmp_path / "spans.jsonl"
    sink = f'[sinks.archive]\ntype = "jsonl"\npath = "{archive}"\ncapture = "full"\n'
    outside = {key for key, lsn in acked.items() if not first_lsn <= lsn < next_lsn}
    inside = acked.keys() - outside
    assert inside
    with running(tmp_path, config=CONFIG + sink) as later:

        def delivered() -> set[bytes]:
            return {bytes.fromhex(line["span_id"]) for line in whole_lines(archive)}

        wait_until(lambda: delivered() >= outside, SINK_S_MAX, "all that can be read")
        assert later.terminate() == 0
    missing = inside - delivered()
    assert missing
    if harm is flip_bits:
        assert len(missing) < len(inside)
    told = [one for one in read_all(daemon.data) if getattr(one, "reason", "") == "damaged"]
    for one in missing:
        assert any(gap.first <= acked[one] <= gap.last for gap in told), acked[one]
    assert all(first_lsn <= gap.first <= gap.last < next_lsn for gap in told)
    kept = [path for path in daemon.data.rglob(harmed.name) if path.read_bytes() == as_it_was]
    assert kept, "the damaged file is gone"
