"""``sidespan lineage``: where a store's log comes from, and who wrote it when."""

import shutil
from pathlib import Path

from sidespand import platform
from sidespand.lock import FileLock
from tests.unit.cli import stores
from tests.unit.cli.conftest import Run
from tests.unit.journal.copies import backup, live, put_back
from tests.unit.journal.lives import Life, segment_files
from tests.unit.journal.making import content
from tests.unit.query import samples


def rolled_back(tmp_path: Path) -> Path:
    """Return a store of two lineages: two generations were kept of the first one."""
    store, anchors = tmp_path / "store", (tmp_path / "anchors",)
    live(store, anchors, b"one")
    live(store, anchors, b"two")
    copy = backup(store)
    live(store, anchors, b"three")
    put_back(copy, store)
    live(store, anchors, b"four")
    return store


def test_lineages_and_generations(run: Run, tmp_path: Path) -> None:
    """Each with its parent, reason and actor; each generation with start, boot, range and end."""
    document = run("lineage", "--json", "--data", rolled_back(tmp_path)).document

    first, second = document["lineages"]
    assert document["running"] is False
    assert (first["reason"], first["parent"], first["ordinal"]) == ("created", None, 1)
    assert (second["reason"], second["actor"], second["ordinal"]) == ("rolled_back", "sidespand", 2)
    assert second["parent"] == {"lineage": first["lineage"], "lsn": "7"}
    # The generation that was taken back had opened the log, and written what is gone.
    assert second["anchored"] == {"lineage": first["lineage"], "lsn": "10"}
    assert [
        (one["boot_generation"], one["first_lsn"], one["last_lsn"], one["clean"])
        for lineage in (first, second)
        for one in lineage["generations"]
    ] == [(1, "1", "4", True), (2, "5", "7", True), (4, "1", "4", True)]
    for one in (*first["generations"], *second["generations"]):
        assert one["boot_id"] == platform.boot_id().hex()
        assert int(one["started_at_ns"]) > 0
        assert len(one["incarnation"]) == 32


def test_for_people(run: Run, tmp_path: Path) -> None:
    """A line for each lineage, and one below it for each generation."""
    lines = run("lineage", "--utc", "--data", rolled_back(tmp_path)).out.splitlines()

    assert len(lines) == 5
    assert lines[0].endswith("  created, by sidespand")
    assert lines[3].endswith(f"  rolled_back, after {lines[0].split()[0]}:7, by sidespand")
    assert lines[4].startswith("  generation 4  ")
    assert lines[4].endswith("  LSN 1 to 4  clean")


def test_while_the_daemon_runs(run: Run, tmp_path: Path) -> None:
    """The newest generation has not ended; one before it that was killed did not end in order."""
    store = tmp_path / "store"
    life = Life(store)
    life.append(content(b"one"))
    copy = backup(store)
    life.close()
    put_back(copy, store)
    live(store, ())
    owner = FileLock(store / "LOCK", "the store", "data_dir")
    try:
        outcome = run("lineage", "--json", "--data", store)
    finally:
        owner.release()

    (lineage,) = outcome.document["lineages"]
    assert outcome.document["running"] is True
    assert [one["clean"] for one in lineage["generations"]] == [False, None]


def test_what_cannot_be_read_is_left_out(run: Run, tmp_path: Path) -> None:
    """Of a damaged segment nothing is known; the lineage after it is told all the same."""
    store = rolled_back(tmp_path)
    path = segment_files(store)[0]
    path.write_bytes(b"\xa5" * path.stat().st_size)

    (lineage,) = run("lineage", "--json", "--data", store).document["lineages"]

    assert lineage["reason"] == "rolled_back"
    shutil.rmtree(store)
    assert run("lineage", "--data", store).status == 2


def test_status_says_which_lineage_it_is(run: Run, tmp_path: Path) -> None:
    """In short: its number, and why it began; identity only as far as it was configured."""
    store = rolled_back(tmp_path)
    document = run("status", "--json", "--data", store).document
    assert (document["lineage_ordinal"], document["lineage_reason"]) == (2, "rolled_back")
    assert document["node_role"] is None
    assert "rolled_back (number 2 of this store)" in run("status", "--data", store).out


def test_reading_goes_over_both_lineages(run: Run, tmp_path: Path) -> None:
    """Traces of either are listed, shown and found by their position."""
    store = tmp_path / "store"
    stores.write(store, samples.request(samples.span(1, name="before")))
    moved = backup(store)
    live(moved, (), accept_move=True)
    stores.write(moved, samples.request(samples.span(2, trace=2, name="after")))

    traces = run("ls", "--json", "--data", moved).document["traces"]

    assert [one["root_name"] for one in traces] == [
        "after", "before",
    ]  # fmt: skip
    for name in ("before", "after"):
        assert name in run("tail", "--data", moved).out
    places = [
        run("show", one["trace_id"], "--json", "--data", moved).document["spans"][0]["stamp"]
        for one in traces
    ]
    assert places[0]["lineage"] != places[1]["lineage"]
    for place in places:
        position = f"{place['lineage']}:{place['lsn']}"
        assert run("receipt", position, "--data", moved).status == 0
