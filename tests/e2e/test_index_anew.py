"""An index that was lost, damaged or made anew gives the answers that it gave before."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.agent_trace import WORD, AgentRun
from tests.api_server import ask
from tests.daemon import Daemon, running, wait_until
from tests.e2e.test_api import indexed, record
from tests.otlp import encoded

pytestmark = pytest.mark.slow

WAIT_S = 30.0
QUESTIONS = (
    "/v1/traces", f"/v1/traces?q={WORD}&sort=start", "/v1/spans?q=kind:llm",
    "/v1/spans?q=has:logs", "/v1/stats?by=model", "/v1/stats?by=tool&q=text:weather",
    "/v1/complete?field=model", "/v1/traces/{trace}", "/v1/traces/{trace}/skeleton",
    "/v1/spans/{span}", "/v1/spans/{span}/diff?of=messages",
)  # fmt: skip
STATEMENTS = (
    "SELECT trace_id, span_count, tokens_in FROM traces ORDER BY trace_id",
    "SELECT span_id, name, kind, model, tokens_in FROM spans ORDER BY span_id",
)


class Node(NamedTuple):
    """A daemon that nothing is sent to any more, and a run that it has recorded."""

    daemon: Daemon
    agent_run: AgentRun

    def answers(self) -> list[Any]:
        """Return what it says to each question, or the refusal; not how far the index is."""
        path = self.daemon.run / "api.sock"
        trace, span = self.agent_run.trace_id.hex(), self.agent_run.second.hex()
        found = [ask(path, "GET", one.format(trace=trace, span=span)).json for one in QUESTIONS]
        for text in STATEMENTS:
            body = json.dumps({"sql": text}).encode()
            headers = {"Content-Type": "application/json"}
            found.append(ask(path, "POST", "/v1/sql", body, headers).json)
        # The log goes on with a checkpoint a second after the last span.
        return [{key: one[key] for key in one.keys() - {"index", "position"}} for one in found]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """Yield it when all is indexed."""
    with running(tmp_path_factory.mktemp("anew")) as daemon:
        path = daemon.run / "api.sock"
        wait_until(path.exists, WAIT_S, "the API")
        runs = [AgentRun() for _ in range(3)]
        for one in runs:
            record(daemon, one.spans(), logs=one.logs())
        record(daemon, encoded(40))
        for one in runs:
            wait_until(lambda one=one: indexed(path, one.trace_id, 4), WAIT_S, "the index")  # type: ignore[misc]
        yield Node(daemon, runs[0])


def _lose(directory: Path) -> None:
    for file in directory.iterdir():
        file.unlink()


def _damage(directory: Path) -> None:
    for file in directory.iterdir():
        file.write_bytes(b"no database " * 1000)


@pytest.mark.parametrize("spoil", [_lose, _damage], ids=["lost", "damaged"])
def test_a_daemon_that_is_idle_makes_it_again(node: Node, spoil: Any) -> None:
    """Without a span that would wake it; the recorder goes on meanwhile."""
    before, pid = node.answers(), node.daemon.pid
    assert all("error" not in one for one in before)

    spoil(node.daemon.data / "index")
    wait_until(lambda: node.answers() == before, WAIT_S, "the same answers")

    assert node.daemon.pid == pid


def test_the_command_makes_it_again(node: Node) -> None:
    """Beside a daemon that is idle, which begins and ends it by itself."""
    before = node.answers()
    file = node.daemon.data / "index/index.sqlite"
    inode = file.stat().st_ino
    subprocess.run(
        [sys.executable, "-m", "sidespand", "reindex", "--data", str(node.daemon.data),
         "--run", str(node.daemon.run)],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip

    wait_until(lambda: file.exists() and file.stat().st_ino != inode, WAIT_S, "another index")
    wait_until(lambda: node.answers() == before, WAIT_S, "the same answers")


def test_one_that_is_made_without_a_daemon_says_the_same(node: Node) -> None:
    """By the command, from a copy of the store."""
    root = node.daemon.data.parent
    copy = root / "copy"

    def sidespan(*arguments: object) -> Any:
        done = subprocess.run(
            [sys.executable, "-m", "sidespand", *map(str, arguments), "--json"],
            check=True, capture_output=True, timeout=60,
        )  # fmt: skip
        return json.loads(done.stdout)

    sidespan("backup", root / "saved", "--data", node.daemon.data)
    sidespan("restore", root / "saved", copy)
    sidespan("reindex", "--data", copy)
    for question in (["query", "kind:llm"], ["stats"], ["sql", STATEMENTS[0]]):
        alone = sidespan(*question, "--data", copy)
        asked = sidespan(*question, "--run", node.daemon.run)
        assert alone == {key: asked[key] for key in alone}, question
