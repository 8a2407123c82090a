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
