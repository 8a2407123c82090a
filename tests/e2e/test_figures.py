"""What the figures say is so: of commits, disk, sinks and index, as the alerts take them."""

import json
import shutil
import time
from pathlib import Path

import pytest

from tests import doors
from tests.daemon import Daemon, running, wait_until
from tests.e2e.test_redaction import redact, send
from tests.e2e.test_retention import SMALL
from tests.e2e.test_retention import send as fill
from tests.otlp import encoded

pytestmark = pytest.mark.slow
WAIT_S = 30.0
REQUESTS = 5
SPANS = 3


def figure(daemon: Daemon, name: str, **labels: str) -> float:
    """Return one of the daemon's figures."""
    return doors.figure(daemon, f"sidespan_{name}", **labels)


def tells(daemon: Daemon, name: str, value: float, **labels: str) -> None:
    """Wait until a figure has a value; it is looked at every other second."""
    wait_until(
        lambda: figure(daemon, name, **labels) == value, WAIT_S, f"{name} of {value} {labels}"
    )


def test_commits_and_the_disk_are_told_as_they_are(tmp_path: Path) -> None:
    """How many and how long, what the segments take, what is left, and what was redacted."""
    began_s = time.monotonic()
    with running(tmp_path) as daemon:
        positions = send(daemon, *[encoded(SPANS)] * REQUESTS)
        wait_until(
            lambda: figure(daemon, "journal_commits_total") >= REQUESTS, WAIT_S, "the commits"
        )
        took_s = figure(daemon, "journal_commit_seconds_total")
        assert 0 < took_s < time.monotonic() - began_s
        assert figure(daemon, "journal_lineage_ordinal") == 1
        assert figure(daemon, "journal_oldest_lsn") == 1

        def taken() -> int:
            files = (daemon.data / "seg").rglob("*")
            return sum(file.stat().st_blocks * 512 for file in files if file.is_file())

        wait_until(
            lambda: figure(daemon, "journal_store_bytes") == pytest.approx(taken(), rel=0.1),
            WAIT_S,
            "the store's size",
        )
        # Others write to the same disk meanwhile.
        left = shutil.disk_usage(daemon.data).free
        assert figure(daemon, "journal_disk_free_bytes") == pytest.approx(left, rel=0.2)

        tells(daemon, "index_indexed_items_total", REQUESTS * SPANS)
        tells(daemon, "index_lag_items", 0)
        assert figure(daemon, "index_file_bytes") > 0
        redact(daemon, positions[0])
        tells(daemon, "journal_redacted_records_total", 1)


def test_what_a_sink_never_got_is_counted(tmp_path: Path) -> None:
    """One that was taken away, and comes back when its next records are gone, missed those."""
    config = SMALL + '[sinks.late]\ntype = "jsonl"\n'
    with running(tmp_path, config=config) as daemon:
        send(daemon, encoded(SPANS))
        tells(daemon, "sink_delivered_items_total", SPANS, sink="late")
    cursor = json.loads((daemon.data / "sinks/late/cursor.json").read_text(encoding="utf-8"))
    with running(tmp_path, config=SMALL) as daemon:
        assert fill(daemon, 40) == 40
        wait_until(lambda: figure(daemon, "journal_trimmed_items_total") > 0, WAIT_S, "a trim")
    with running(tmp_path, config=config) as daemon:
        wait_until(
            lambda: (
                figure(daemon, "sink_lag_items", sink="late")
                == 0
                < figure(daemon, "sink_delivered_items_total", sink="late")
            ),
            WAIT_S,
            "the sink to catch up",
        )
        missed = figure(daemon, "journal_oldest_lsn") - 1 - int(cursor["lsn"])
        assert missed > 0
        assert figure(daemon, "sink_missed_items_total", sink="late") == missed
