"""Promise 1 and 2: what was acked survives kill -9 at its position, and none is used twice.

All the while somebody keeps setting the wall clock.
"""

import itertools
import os
import random
import time
from pathlib import Path

import msgpack
import pytest

from sidespand.app import node_key
from sidespand.limits import CLOCK_STEP_NS_MIN
from sidespand.model import Kind, Record
from sidespand.query.receipts import token_of
from tests.checkpoints import checked
from tests.daemon import Daemon
from tests.fault.load import SPANS_PER_REQUEST, Load, spans_of, stop, wait_for_acks
from tests.journals import records_of
from tests.results import counted

ROOT = Path(__file__).parents[2]
CLIENTS = 3


def stepped_daemon(root: Path) -> Daemon:
    """Return a daemon, not started, whose wall clock is set again and again."""
    daemon = Daemon(root)
    daemon.command[daemon.command.index("sidespand")] = "tests.fault.stepped"
    path = os.environ.get("PYTHONPATH")
    daemon.environment["PYTHONPATH"] = f"{ROOT}:{path}" if path else str(ROOT)
    return daemon


@pytest.mark.slow
@pytest.mark.fault(1, 41)
@pytest.mark.parametrize("lives", [50, pytest.param(1000, marks=pytest.mark.long)])
def test_kill_9_under_load_loses_nothing_that_was_acked(tmp_path: Path, lives: int) -> None:
    """Over so many lives ended by kill -9 every acked span is stored once, where its ack said.

    Its record has the very leaf of which the ack gave the token (N2). LSNs are dense, no
    incarnation comes twice (N8), and stamps rise although the clock steps by -1 h to +3 s within
    lives and between them; each step is said; and a clean end is covered by a checkpoint that the
    node's key vouches for.
    """
    rng = random.Random(20261121)
    daemon = stepped_daemon(tmp_path)
    key = node_key.create(daemon.data / "node.key", "node-1")
    loads = [Load(daemon.ingest) for _ in range(CLIENTS)]
    for load in loads:
        load.start()
    try:
        for life in range(lives):
            daemon.environment["STEPPED_SEED"] = str(life)
            daemon.start()
            wait_for_acks(loads)
            time.sleep(rng.uniform(0, 0.08))
            daemon.kill()
    finally:
        acked = stop(loads)

    daemon.environment["STEPPED_SEED"] = str(lives)
    daemon.start()
    assert daemon.terminate() == 0
    records = records_of(daemon.data)
    assert_sequence(records, lives)
    assert_steps(records, lives)
    last = checked(records, key.verifier)[-1]
    assert records[-1].header.kind is Kind.CHECKPOINT
    assert last.checkpoint.size == len(records) - 1
    found = spans_of(records)
    assert len(acked) > lives * SPANS_PER_REQUEST
    assert {span_id: found.get(span_id) for span_id in acked} == acked
    given = {one for load in loads for one in load.tokens}
    assert given <= {token_of(record) for record in records}
    counted("lives ended by kill -9", lives=lives, acked_spans=len(acked), lost=0)


def assert_sequence(records: list[Record], lives: int) -> None:
    """Fail unless LSNs are dense, stamps rise, and every life is one generation of its own."""
    next_lsn = 1
    for index, record in enumerate(records):
        assert record.header.first_lsn == next_lsn
        assert record.header.record_index == index
        next_lsn = record.header.last_lsn + 1
    for earlier, later in itertools.pairwise(records):
        assert earlier.header.stamp < later.header.stamp
    generations = [r.header.boot_generation for r in records if r.header.kind is Kind.GEN]
    assert generations == list(range(1, lives + 2))
    bodies = (msgpack.unpackb(r.payload or b"") for r in records if r.header.kind is Kind.GEN)
    assert len({body["incarnation"] for body in bodies}) == lives + 1


def assert_steps(records: list[Record], lives: int) -> None:
    """Fail unless a CLOCK record stands wherever the wall clock was set, and says by how much."""
    within = between = 0
    for earlier, later in itertools.pairwise(record.header for record in records):
        step_ns = (later.wall_ns - later.boottime_ns) - (earlier.wall_ns - earlier.boottime_ns)
        if later.kind is not Kind.CLOCK:
            assert abs(step_ns) < CLOCK_STEP_NS_MIN
            continue
        body = msgpack.unpackb(records[later.record_index].payload or b"")
        assert body["step_ns"] == step_ns
        assert abs(step_ns) >= CLOCK_STEP_NS_MIN
        within += earlier.boot_generation == later.boot_generation
        between += earlier.boot_generation != later.boot_generation
    assert within > 0
    assert between > lives // 2
