"""Python plans, Elixir acts, Node is the tool: one trace over three clients and a real daemon."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sidespand.cli.demo_runs import Programs, missing_for_three_languages
from tests.daemon import Daemon, running
from tests.toolchain import require

# Child and parent, each by service and name.
PARENTS = {
    ("planner", "plan"): ("planner", "invoke_agent relay-planner"),
    ("planner", "POST /pack"): ("planner", "invoke_agent relay-planner"),
    ("worker", "POST /pack"): ("planner", "POST /pack"),
    ("worker", "choose tool"): ("worker", "POST /pack"),
    ("worker", "POST /forecast"): ("worker", "POST /pack"),
    ("tool", "POST /forecast"): ("worker", "POST /forecast"),
    ("tool", "execute_tool forecast"): ("tool", "POST /forecast"),
}
HOPS = [
    (("planner", "plan"), ("worker", "POST /pack")),
    (("worker", "choose tool"), ("tool", "POST /forecast")),
    (("planner", "plan"), ("tool", "execute_tool forecast")),
]


@pytest.fixture(scope="module")
def daemon(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Run the programs once against a daemon."""
    assert built.exists()
    missing = missing_for_three_languages()
    require(not missing, "a tool of the three-language run", missing)
    root = tmp_path_factory.mktemp("relay")
    with running(root) as daemon:
        Programs(root, daemon.run, to_stderr=True).three_languages()
        yield daemon


def said(daemon: Daemon, *arguments: str) -> Any:
    """Return the document that a command prints about the daemon's store."""
    command = [sys.executable, "-m", "sidespand", *arguments, "--json", "--data", str(daemon.data)]
    return json.loads(subprocess.run(command, capture_output=True, timeout=60, check=True).stdout)


def spans(daemon: Daemon) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the trace's spans by service and name."""
    found = said(daemon, "show", "last")["spans"]
    return {(span["service"], span["name"]): span for span in found}


@pytest.mark.slow
def test_parents(daemon: Daemon) -> None:
    """The spans of all three programs are one trace, each under the one that caused it."""
    found = spans(daemon)
    names = {span["span_id"]: key for key, span in found.items()}

    assert {
        key: names[span["parent_span_id"]] for key, span in found.items() if span["parent_span_id"]
    } == PARENTS


@pytest.mark.slow
def test_tokens_are_cited_hop_by_hop(daemon: Daemon) -> None:
    """Each server span brings the token of a record that its caller had on disk before the call."""
    found = spans(daemon)

    for earlier, later in HOPS[:2]:
        cited = found[later]["trace_state"].removeprefix("sidespan=")
        assert cited.startswith("1-")
        lsn = int(cited.split("-")[2], 16)
        assert int(found[earlier]["stamp"]["lsn"]) <= lsn < int(found[later]["stamp"]["lsn"])


@pytest.mark.slow
@pytest.mark.parametrize(("earlier", "later"), HOPS, ids=" ".join)
def test_compare_proves_the_order(
    daemon: Daemon, earlier: tuple[str, str], later: tuple[str, str]
) -> None:
    """`sidespan compare` says before, by evidence stronger than any clock."""
    found = spans(daemon)

    verdict = said(daemon, "compare", found[earlier]["span_id"], found[later]["span_id"])

    assert verdict["verdict"] == "before"
    assert verdict["strength"] in {"sdk-attested", "node-attested", "cryptographic"}
