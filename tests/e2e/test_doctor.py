"""`sidespan doctor` names what is wrong, and the command that mends it."""

import contextlib
import io
import json
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sidespand.cli import doctor_daemon, main
from sidespand.cli.findings import Patient
from sidespand.config import load
from tests.agent_trace import AgentRun
from tests.daemon import Daemon, running, wait_until
from tests.e2e.test_api import indexed, record

pytestmark = pytest.mark.slow

WAIT_S = 30.0


def asked(daemon: Daemon, *arguments: object, config: Path | None = None) -> dict[str, Any]:
    """Return the doctor's checks by name; of those of one name the worst."""
    path = config or daemon.data.parent / "sidespan.toml"
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        status = main(
            ["doctor", "--json", "--config", str(path), "--data", str(daemon.data),
             "--run", str(daemon.run), *map(str, arguments)]
        )  # fmt: skip
    document = json.loads(printed.getvalue())
    rank = ("ok", "note", "wrong")
    checks = sorted(document["checks"], key=lambda one: rank.index(one["state"]))
    assert document["ok"] == all(one["state"] != "wrong" for one in checks)
    assert status == (not document["ok"])
    assert [one for one in checks if one["state"] != "ok" and not one["next"]] == []
    return {one["name"]: one for one in checks}


def said(checks: dict[str, Any], name: str) -> tuple[str, str]:
    """Return the state and the next command of one check."""
    return checks[name]["state"], checks[name]["next"] or ""


@pytest.fixture(scope="module")
def well(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Yield a daemon that has recorded something; who breaks it mends it."""
    with running(tmp_path_factory.mktemp("well"), ["--web", "127.0.0.1:0"]) as daemon:
        api_sock = daemon.run / "api.sock"
        wait_until(api_sock.exists, WAIT_S, "the API")
        agent_run = AgentRun()
        record(daemon, agent_run.spans())
        wait_until(lambda: indexed(api_sock, agent_run.trace_id, 4), WAIT_S, "the index")
        yield daemon


@pytest.fixture(scope="module")
def gone(tmp_path_factory: pytest.TempPathFactory) -> Daemon:
    """Return a daemon that was killed: its store and its sockets are there."""
    with running(tmp_path_factory.mktemp("gone")) as daemon:
        api_sock = daemon.run / "api.sock"
        wait_until(api_sock.exists, WAIT_S, "the API")
        agent_run = AgentRun()
        record(daemon, agent_run.spans())
        wait_until(lambda: indexed(api_sock, agent_run.trace_id, 4), WAIT_S, "the index")
        daemon.kill()
    return daemon


def test_one_that_is_well(well: Daemon) -> None:
    """Nothing is wrong, without a configuration file, too."""
    bare = asked(well, config=well.data.parent / "sidespan.toml")

    assert {one["name"] for one in bare.values() if one["state"] == "wrong"} == set()
    assert {"daemon", "ingest.sock", "api.sock", "ready", "store", "disk", "index"} <= bare.keys()


def test_no_daemon_and_its_sockets_left_behind(gone: Daemon) -> None:
    """The command that starts it, with the places that were meant."""
    checks = asked(gone)

    for name, state in (("daemon", "wrong"), ("ingest.sock", "note")):
        found, command = said(checks, name)
        assert found == state
        assert command.startswith("sidespan serve")
        assert f"--data {gone.data} --run {gone.run}" in command
    assert said(checks, "index") == ("ok", "")


@pytest.mark.parametrize("how", ["missing", "damaged", "old"])
def test_an_index_that_cannot_be_read(gone: Daemon, tmp_path: Path, how: str) -> None:
    """It is made again by a command, or by the daemon's next start."""
    shutil.copytree(gone.data, tmp_path / "data")
    file = tmp_path / "data/index/index.sqlite"
    for one in file.parent.iterdir():
        one.unlink()
    if how == "damaged":
        file.write_bytes(b"no database " * 1000)
    elif how == "old":
        import sqlite3

        with sqlite3.connect(file) as db:
            db.execute("CREATE TABLE meta (key TEXT, value)")
            db.execute("INSERT INTO meta VALUES ('schema', 0)")
        db.close()
    checks = asked(gone, "--data", tmp_path / "data")

    assert said(checks, "index") == ("note", f"sidespan reindex --data {tmp_path / 'data'}")


def test_no_store(gone: Daemon, tmp_path: Path) -> None:
    """Where there is none, the next start makes it."""
    checks = asked(gone, "--data", tmp_path / "none")

    assert said(checks, "store")[0] == "note"
    assert said(checks, "store")[1].startswith("sidespan serve")


def test_a_configuration_that_cannot_be_used(gone: Daemon, tmp_path: Path) -> None:
    """The key is named, and the command that tells every mistake."""
    path = tmp_path / "bad.toml"
    path.write_text("[journal]\nretentoin_age = 1\n")
    checks = asked(gone, config=path)

    assert said(checks, "config") == ("wrong", f"sidespan check {path}")
    assert "journal.retentoin_age" in checks["config"]["text"]


def test_no_configuration_where_one_is_named(gone: Daemon, tmp_path: Path) -> None:
    """A path that leads nowhere is no default."""
    assert said(asked(gone, config=tmp_path / "none.toml"), "config")[0] == "wrong"


def test_a_disk_with_less_room_than_is_to_stay_free(well: Daemon, tmp_path: Path) -> None:
    """What goes first, and the key."""
    path = tmp_path / "sidespan.toml"
    path.write_text('[journal]\ndisk_free_min = "99.9%"\n')
    checks = asked(well, config=path)

    assert said(checks, "disk")[0] == "wrong"
    assert "journal.disk_free_min" in said(checks, "disk")[1]


def test_a_token_that_others_may_read(well: Daemon) -> None:
    """Whoever has it sees everything."""
    token = well.data / "api.token"
    token.chmod(0o644)
    try:
        assert said(asked(well), "token") == ("wrong", f"chmod 600 {token}")
    finally:
        token.chmod(0o600)
    assert said(asked(well), "token")[0] == "ok"


def test_a_store_whose_owner_is_found_nowhere(well: Daemon, tmp_path: Path) -> None:
    """Another daemon has it: its sockets are in another directory."""
    checks = asked(well, "--run", tmp_path)

    assert said(checks, "daemon")[0] == "ok"
    assert said(checks, "ingest.sock") == (
        "wrong", "name its directory: sidespan doctor --run DIR"
    )  # fmt: skip


def test_programs_of_this_shell_that_send_elsewhere(
    well: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable that says so, and the command that sets it."""
    monkeypatch.setenv("SIDESPAN_SOCKET", "/nonexistent/ingest.sock")

    assert said(asked(well), "client") == ("note", f'eval "$(sidespan env --run {well.run})"')


def test_a_sink_that_fails(tmp_path: Path) -> None:
    """As soon as it does, not only when it is far behind."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        config = (
            f'[sinks.far]\ntype = "otlp"\nendpoint = "http://127.0.0.1:{closed.getsockname()[1]}"\n'
        )
        with running(tmp_path, config=config) as daemon:
            record(daemon, AgentRun().spans())

            def told() -> bool:
                return "in a row" in asked(daemon).get("sink far", {"text": ""})["text"]

            wait_until(told, WAIT_S, "the sink's failure")
            assert said(asked(daemon), "sink far")[0] == "wrong"


@pytest.mark.parametrize(
    ("error_us", "state", "command"),
    [(None, "note", "timedatectl set-ntp true"), (9_000_000, "note", "timesync-status"),
     (900, "ok", "")],
)  # fmt: skip
def test_a_clock_that_nothing_disciplines(
    monkeypatch: pytest.MonkeyPatch,
    well: Daemon,
    error_us: int | None,
    state: str,
    command: str,
) -> None:
    """Whatever the kernel of the machine of this test says of its own."""
    monkeypatch.setattr(doctor_daemon, "clock_error_us", lambda: error_us)
    flags = {"data_dir": str(well.data), "runtime_dir": str(well.run)}
    patient = Patient(load(well.data.parent / "sidespan.toml", flags))
    (clock,) = (one for one in doctor_daemon.findings(patient) if one.name == "clock")

    assert clock.state.value == state
    assert command in clock.next
