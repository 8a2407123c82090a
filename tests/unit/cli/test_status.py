import json
import os
from pathlib import Path

from sidespand import __version__, hlc
from sidespand.lock import FileLock
from tests.unit.cli import stores
from tests.unit.cli.conftest import Run
from tests.unit.query import samples


def test_status_keeps_its_promised_fields(run: Run, data_dir: Path) -> None:
    """Other programs rely on the first four."""
    document = run("status", "--json", "--data", data_dir).document

    assert len(bytes.fromhex(document["lineage"])) == 8
    assert document["boot_generation"] == 2
    assert document["source_node_ref"] == stores.NODE_REF
    assert document["last_lsn"] == "10"
    # Lineage, two generations, two producers and three requests.
    assert document["record_count"] == "8"
    assert hlc.text(hlc.parse(document["hlc"])) == document["hlc"]
    assert document["segments"] == 1
    assert document["store_bytes"] > 0
    assert document["version"] == __version__
    assert document["running"] is False
    assert document["sinks"] == {}


def test_status_for_people(run: Run, data_dir: Path) -> None:
    """One fact a line, aligned."""
    outcome = run("status", "--data", data_dir)

    facts = dict(line.split("  ", 1) for line in outcome.out.splitlines())
    assert outcome.status == 0
    assert facts["daemon"].strip() == "not running"
    assert facts["last lsn"].strip() == "10"


def test_sinks_show_their_cursor_and_lag(run: Run, tmp_path: Path) -> None:
    """From the worker's own files; one that cannot be read, or is elsewhere, is no error."""
    stores.write(tmp_path, samples.request(samples.span(1), samples.span(2)))
    lineage = run("status", "--json", "--data", tmp_path).document["lineage"]
    cursors = {
        "archive": json.dumps({"ordinal": 1, "lineage": lineage, "lsn": "3"}),
        "broken": "{",
        "elsewhere": json.dumps({"ordinal": 1, "lineage": "ab" * 8, "lsn": "3"}),
    }
    for name, text in cursors.items():
        path = tmp_path / "sinks" / name / "cursor.json"
        path.parent.mkdir(parents=True)
        path.write_text(text, encoding="utf-8")
    (tmp_path / "sinks/archive/dead-letters.jsonl").write_bytes(b"letters")
    (tmp_path / "sinks/archive/capture").write_text("redacted", encoding="ascii")
    (tmp_path / "sinks/elsewhere/capture").write_text("junk", encoding="ascii")

    document = run("status", "--json", "--data", tmp_path).document
    lines = run("status", "--data", tmp_path).out.splitlines()

    assert document["last_lsn"] == "5"
    ages = {name: sink.pop("oldest_age_s") for name, sink in document["sinks"].items()}
    assert ages["archive"] >= 0.0
    assert ages["broken"] is None
    assert document["sinks"] == {
        "archive": {
            "position": f"{lineage}:3",
            "lag_items": 2,
            "capture": "redacted",
            "dead_letter_bytes": 7,
        },
        "broken": {"position": None, "lag_items": None, "capture": None, "dead_letter_bytes": 0},
        "elsewhere": {
            "position": f"{'ab' * 8}:3",
            "lag_items": None,
            "capture": None,
            "dead_letter_bytes": 0,
        },
    }
    (line,) = (line for line in lines if line.startswith("sink archive"))
    assert f"at {lineage}:3, 2 behind, the oldest for " in line
    assert line.endswith(", 7 B of dead letters")


def test_asking_whether_it_runs_does_not_disturb(run: Run, tmp_path: Path) -> None:
    """The owner of the lock keeps it, and the lock is free for the next owner afterwards."""
    stores.write(tmp_path, samples.request(samples.span(1)))
    owner = FileLock(tmp_path / "LOCK", "the store", "data_dir")
    try:
        assert run("status", "--json", "--data", tmp_path).document["running"] is True
        assert (tmp_path / "LOCK").read_text(encoding="ascii") == f"{os.getpid()}\n"
    finally:
        owner.release()

    assert run("status", "--json", "--data", tmp_path).document["running"] is False
    FileLock(tmp_path / "LOCK", "the store", "data_dir").release()
    (tmp_path / "LOCK").unlink()
    assert run("status", "--json", "--data", tmp_path).document["running"] is False
    assert not (tmp_path / "LOCK").exists()
