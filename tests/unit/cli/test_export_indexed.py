"""`sidespan export QUERY` of a store that no daemon serves."""

import json
from pathlib import Path

import pytest

from sidespand.journal.reader import JournalReader
from tests.unit.cli import indexed, stores
from tests.unit.cli.conftest import Run
from tests.unit.query import samples


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Return an indexed store of five traces, whose records hold spans of several."""
    path = tmp_path / "store"
    spans = [
        samples.span(10 * trace + number, trace=trace, parent=10 * trace if number else 0)
        for number in range(3)
        for trace in range(1, 6)
    ]
    stores.write(path, samples.request(*spans[:8]), samples.request(*spans[8:], service="worker"))
    indexed.make(path)
    return path


def exported(run: Run, path: Path, store: Path, *arguments: object) -> list[str]:
    """Return the lines of an export."""
    outcome = run("export", "-f", "jsonl", "-o", path, "--data", store, *arguments)
    assert outcome.status == 0, outcome.err
    return path.read_text(encoding="utf-8").splitlines()


def test_traces_are_read_from_where_the_index_says(
    run: Run, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal is not walked for each, and what is written is what a walk finds."""
    walked = exported(run, tmp_path / "walked.jsonl", store, "--all")
    monkeypatch.delattr(JournalReader, "newest_first")

    found = exported(run, tmp_path / "found.jsonl", store)

    assert len(found) == 15
    assert found == walked


def test_what_the_index_does_not_have_yet_is_exported(
    run: Run, store: Path, tmp_path: Path
) -> None:
    """A daemon may have ended before it came to its last spans."""
    late = samples.span(99, trace=1, parent=10, name="late")
    stores.write(store, samples.request(late))

    lines = exported(run, tmp_path / "all.jsonl", store)

    assert "late" in [json.loads(line)["name"] for line in lines]
    assert len(lines) == 16
