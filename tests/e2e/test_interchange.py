"""Traces leave a node as files and come to another one; files of other recorders come once."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.daemon import Daemon, running, wait_until
from tests.unit.exchange import files

pytestmark = pytest.mark.slow
WAIT_S = 30.0
# What names the node that recorded, and not the span.
_OWN = ("stamp",)


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Daemon, Daemon]]:
    """Run two daemons; the first has the lines of an AgentTrace run."""
    root = tmp_path_factory.mktemp("nodes")
    (root / "run.jsonl").write_bytes(files.lines(files.agenttrace()))
    with running(root / "a") as first, running(root / "b") as second:
        said("import", root / "run.jsonl", "--socket", first.ingest)
        wait_until(lambda: listed(first), WAIT_S, "the index")
        yield first, second


def said(*arguments: object) -> Any:
    """Return the document that a command prints."""
    finished = subprocess.run(
        [sys.executable, "-m", "sidespand", *map(str, arguments), "--json"],
        capture_output=True, text=True, timeout=WAIT_S, check=False,
    )  # fmt: skip
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout)


def listed(node: Daemon) -> list[dict[str, Any]]:
    """Return the traces that the index of a node has."""
    found: list[dict[str, Any]] = said("ls", "--run", node.run)["traces"]
    return found


def spans(node: Daemon, *where: object) -> list[dict[str, Any]]:
    """Return the spans of the newest trace, without what is the node's own."""
    found = said("show", files.RUN.replace("-", ""), *(where or ("--data", node.data)))["spans"]
    return [
        {key: value for key, value in span.items() if key not in (*_OWN, "ai")} for span in found
    ]


@pytest.mark.parametrize("form", ["otlp", "otlp-protobuf", "jsonl"])
def test_what_one_node_exports_another_imports(
    nodes: tuple[Daemon, Daemon], form: str, tmp_path: Path
) -> None:
    """The other gives the same answers, also when it is imported twice."""
    first, second = nodes
    path = tmp_path / "traces"
    subprocess.run(
        [sys.executable, "-m", "sidespand", "export", "agent:research", "-f", form,
         "-o", str(path), "--run", str(first.run), "--data", str(first.data)],
        check=True, stderr=subprocess.DEVNULL, timeout=WAIT_S,
    )  # fmt: skip
    done = said("import", path, "--socket", second.ingest)
    before = said("status", "--data", second.data)["last_lsn"]
    again = said("import", path, "--socket", second.ingest)

    assert (done["format"], done["ended_spans"]) == (form, again["ended_spans"])
    assert done["unreadable_lines"] == done["refused_lines"] == []
    assert spans(second) == spans(first)
    # What came again left no record of spans.
    after = said("status", "--data", second.data)["last_lsn"]
    assert int(after) - int(before) <= 1


def test_daemon_and_journal_tell_the_same(nodes: tuple[Daemon, Daemon]) -> None:
    """`show` gives one answer, wherever it comes from."""
    first, _ = nodes

    assert spans(first, "--run", first.run) == spans(first)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.json", json.dumps(files.aitrace(), indent=2).encode(), (1, 1)),
        ("b.jsonl", files.lines(files.agenttrace()), (3, 1)),
        (
            "c_20261121_100000.jsonl",
            files.lines([{"name": "x", "outcome": "ok", "started_at": 1e9, "finished_at": 1e9}]),
            (1, 0),
        ),
    ],
)
def test_files_of_other_recorders_come_once(
    nodes: tuple[Daemon, Daemon],
    tmp_path: Path,
    name: str,
    content: bytes,
    expected: tuple[int, int],
) -> None:
    """However often they are imported, from wherever they lie."""
    _, second = nodes
    positions = []
    for directory in ("one", "two"):
        path = tmp_path / directory / name
        path.parent.mkdir()
        path.write_bytes(content)
        done = said("import", path, "--socket", second.ingest)
        assert (done["ended_spans"], done["open_spans"]) == expected
        positions.append(_spans_recorded(second))

    assert positions[0] == positions[1]


def _spans_recorded(node: Daemon) -> int:
    from sidespand.model import Kind
    from tests.journals import records_of

    kinds = (Kind.SPANS, Kind.MARKS)
    return sum(one.header.item_count for one in records_of(node.data) if one.header.kind in kinds)


def test_doctor_finds_what_is_wrong(nodes: tuple[Daemon, Daemon], tmp_path: Path) -> None:
    """A daemon that runs is well; one that does not is named, with the command that starts it."""
    first, _ = nodes
    well = said("doctor", "--data", first.data, "--run", first.run)
    ill = subprocess.run(
        [sys.executable, "-m", "sidespand", "doctor", "--data", str(first.data / "none"),
         "--run", str(tmp_path / "run")],
        capture_output=True, text=True, timeout=WAIT_S, check=False,
    )  # fmt: skip

    assert well["ok"]
    assert {"config", "daemon", "api.sock", "store", "disk", "losses"} <= {
        one["name"] for one in well["checks"]
    }
    assert ill.returncode == 1
    assert "does not run" in ill.stdout
    assert "sidespan serve" in ill.stdout
