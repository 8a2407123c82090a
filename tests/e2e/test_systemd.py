"""The service unit: well-formed, sandboxed, and told the truth about readiness."""

import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from tests.daemon import Daemon
from tests.toolchain import require

UNIT = Path(__file__).parents[2] / "systemd/sidespan.service"
# systemd-analyze counts in tenths, and takes reading the clock's state for setting it.
EXPOSURE_TENTHS_MAX = 15


@pytest.mark.slow
def test_the_unit_is_well_formed(tmp_path: Path) -> None:
    """`systemd-analyze verify` finds nothing to say about it."""
    require(shutil.which("systemd-analyze"), "systemd-analyze", "apt install systemd")
    # The program need not be installed on the machine that checks the unit.
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text(encoding="utf-8").replace("/usr/bin/sidespan", "/bin/true"))
    verified = subprocess.run(
        ["systemd-analyze", "verify", str(copy)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert (verified.returncode, verified.stderr) == (0, "")


@pytest.mark.slow
def test_the_sandbox_is_tight() -> None:
    """The offline exposure level is at most 1.5, and nothing in it may set the clock."""
    require(shutil.which("systemd-analyze"), "systemd-analyze", "apt install systemd")
    rated = subprocess.run(
        [
            "systemd-analyze", "security", "--offline=true",
            f"--threshold={EXPOSURE_TENTHS_MAX}", str(UNIT),
        ],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert rated.returncode == 0, rated.stdout[-200:]
    assert "CapabilityBoundingSet=\n" in UNIT.read_text(encoding="utf-8")


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
        log = daemon.log()
    finally:
        daemon.terminate()

    assert "127.0.0.1" not in log
    assert f"unix:{tmp_path}/run/ingest.sock" in log
