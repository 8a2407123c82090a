"""The service unit: well-formed, sandboxed, and told the truth about readiness."""

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from sidespand.errors import ConfigError
from sidespand.files import read_secret
from tests.daemon import Daemon, wait_until
from tests.toolchain import require

UNIT = Path(__file__).parents[2] / "systemd/sidespan.service"
# systemd-analyze counts in tenths, and takes reading the clock's state for setting it.
EXPOSURE_TENTHS_MAX = 15
DROP_INS = ("remote-sinks.conf", "custom-user.conf", "dynamic-user.conf", "credentials.conf")


@pytest.mark.slow
@pytest.mark.parametrize("manager", ["system", "user"])
@pytest.mark.parametrize("drop_in", ["", *DROP_INS])
def test_the_unit_is_well_formed(tmp_path: Path, manager: str, drop_in: str) -> None:
    """`systemd-analyze verify` finds nothing to say about it, nor with a drop-in of ours."""
    require(shutil.which("systemd-analyze"), "systemd-analyze", "apt install systemd")
    source = UNIT if manager == "system" else UNIT.parent / "user" / UNIT.name
    # The program need not be installed on the machine that checks the unit.
    copy = tmp_path / UNIT.name
    copy.write_text(source.read_text(encoding="utf-8").replace("/usr/bin/sidespan", "/bin/true"))
    if drop_in:
        beside = tmp_path / f"{UNIT.name}.d"
        beside.mkdir()
        shutil.copy(UNIT.parent / drop_in, beside)
    verified = subprocess.run(
        ["systemd-analyze", f"--{manager}", "verify", str(copy)],
        capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
    )  # fmt: skip

    assert (verified.returncode, verified.stderr) == (0, "")


@pytest.mark.slow
@pytest.mark.parametrize("drop_in", ["", *DROP_INS])
def test_the_sandbox_is_tight(tmp_path: Path, drop_in: str) -> None:
    """The offline exposure level is at most 1.5, and nothing in it may set the clock."""
    require(shutil.which("systemd-analyze"), "systemd-analyze", "apt install systemd")
    # Offline, drop-ins are read from below a root.
    units = tmp_path / "etc/systemd/system"
    (units / f"{UNIT.name}.d").mkdir(parents=True)
    shutil.copy(UNIT, units)
    if drop_in:
        shutil.copy(UNIT.parent / drop_in, units / f"{UNIT.name}.d")
    # A sink on another machine is what the operator opens it for.
    most = EXPOSURE_TENTHS_MAX + (1 if drop_in == "remote-sinks.conf" else 0)
    rated = subprocess.run(
        [
            "systemd-analyze", "security", "--offline=true", f"--root={tmp_path}",
            f"--threshold={most}", UNIT.name,
        ],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert rated.returncode == 0, rated.stdout[-200:]
    assert "CapabilityBoundingSet=\n" in UNIT.read_text(encoding="utf-8")


def test_a_credential_is_read_as_systemd_hands_it_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The group bits of a credential are the mask of its ACL; those of others still count."""
    token = tmp_path / "team-a.token"
    token.write_text("t" * 40)
    token.chmod(0o440)
    with pytest.raises(ConfigError, match="mode 0440"):
        read_secret("receivers.tenants.team-a", token, 0o077)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert read_secret("receivers.tenants.team-a", token, 0o077) == b"t" * 40
    token.chmod(0o444)
    with pytest.raises(ConfigError, match="mode 0444"):
        read_secret("receivers.tenants.team-a", token, 0o077)


@pytest.mark.slow
def test_the_manager_hears_of_readiness_and_of_the_stop(tmp_path: Path) -> None:
    """READY=1 is sent when every door is open, STOPPING=1 when the stop begins (sd_notify(3))."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        daemon = Daemon(tmp_path, environment={"NOTIFY_SOCKET": str(tmp_path / "notify")})
        daemon.spawn()
        try:
            ready = manager.recv(4096).decode()
            doors = [path.exists() for path in (daemon.ingest, daemon.grpc, daemon.http)]
        finally:
            status = daemon.terminate()
        stopping = manager.recv(4096).decode()

    assert ready.startswith("READY=1\nSTATUS=")
    assert all(doors)
    assert stopping == "STOPPING=1"
    assert status == 0


@pytest.mark.slow
def test_as_a_service_only_sockets_are_open(tmp_path: Path) -> None:
    """Under systemd's directories no TCP door is open unless the configuration asks for it."""
    environment = {
        "STATE_DIRECTORY": str(tmp_path / "data"),
        "RUNTIME_DIRECTORY": str(tmp_path / "run"),
    }
    daemon = Daemon(tmp_path, environment=environment)
    # Nothing but the directories, which systemd chooses.
    daemon.command = daemon.command[: daemon.command.index("--data")]
    daemon.start()
    try:
        # The sockets answer a moment before the log lists them.
        wait_until(lambda: "listening on" in daemon.log(), 20, "the list of doors")
        log = daemon.log()
    finally:
        daemon.terminate()

    assert "127.0.0.1" not in log
    assert f"unix:{tmp_path}/run/ingest.sock" in log
