"""Commands that ask a daemon to do something, where none runs or its worker is not up yet."""

import socket
import time
from pathlib import Path

import pytest

from sidespand.cli import unix_http
from tests.unit.cli.conftest import Run


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return how long was waited, each time; nobody waits."""
    found: list[float] = []
    monkeypatch.setattr(time, "sleep", found.append)
    return found


def left_behind(path: Path) -> None:
    """Make a socket whose process is gone."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()


@pytest.mark.parametrize("sockets", [(), ("api.sock",), ("api.sock", "ingest.sock")])
def test_without_a_daemon_nothing_is_waited_for(
    run: Run, tmp_path: Path, pauses: list[float], sockets: tuple[str, ...]
) -> None:
    """Whatever sockets a killed daemon left, the error names the next command at once."""
    for name in sockets:
        left_behind(tmp_path / name)

    outcome = run("reload", "--run", tmp_path)

    assert outcome.status == 2
    assert "api.sock" in outcome.err
    assert "hint: start it with `sidespan serve`" in outcome.err
    assert pauses == []


def test_a_worker_that_is_being_started_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as the daemon takes spans beside it."""
    api_sock = tmp_path / "api.sock"
    with (
        socket.socket(socket.AF_UNIX) as ingest,
        socket.socket(socket.AF_UNIX) as worker,
    ):
        ingest.bind(str(tmp_path / "ingest.sock"))
        ingest.listen()

        def start(_: float) -> None:
            worker.bind(str(api_sock))
            worker.listen()

        monkeypatch.setattr(time, "sleep", start)
        connection = unix_http.UnixConnection(api_sock, 60.0, 1.0)
        connection.connect()
        connection.close()


@pytest.mark.parametrize("command", [["ls"], ["show", "last"], ["stats"], ["export"]])
def test_a_question_waits_for_no_daemon_that_is_gone(
    run: Run, tmp_path: Path, pauses: list[float], command: list[str]
) -> None:
    """The socket for spans that it left behind is no sign of a worker that is about to answer."""
    left_behind(tmp_path / "ingest.sock")

    outcome = run(*command, "--run", tmp_path)

    assert outcome.status == 2
    assert f"no daemon has its sockets in {tmp_path}" in outcome.err
    assert pauses == []


def test_a_question_waits_for_a_worker_that_is_being_started(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A daemon that takes spans is about to answer; when its socket is there, it is asked."""
    waited: list[float] = []

    def start(pause_s: float) -> None:
        waited.append(pause_s)
        (tmp_path / "api.sock").touch()

    monkeypatch.setattr(time, "sleep", start)
    with socket.socket(socket.AF_UNIX) as ingest:
        ingest.bind(str(tmp_path / "ingest.sock"))
        ingest.listen()
        outcome = run("stats", "--run", tmp_path)

    # It was asked: what stands there is no socket.
    assert (outcome.status, len(waited)) == (2, 1)
    assert "no daemon answers on" in outcome.err
