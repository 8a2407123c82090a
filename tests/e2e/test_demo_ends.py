"""A demonstration that stays takes its daemon with it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.daemon import wait_until

STAYS_S_MAX = 60
ENDS_S_MAX = 30


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_demonstration_and_its_daemon(
    number: signal.Signals, tmp_path: Path
) -> None:
    """SIGTERM does what Ctrl-C does: the daemon stops in order, and the status names the signal."""
    root, printed = tmp_path / "s", tmp_path / "printed"
    bare = tmp_path / "bin"
    bare.mkdir()
    with printed.open("wb") as out:
        # Without Elixir and Node on its path it runs what Python alone can.
        demo = subprocess.Popen(
            [sys.executable, "-m", "sidespand", "demo", "--stay", "--data", str(root)],
            env={**os.environ, "PATH": str(bare)}, cwd=tmp_path,
            stdin=subprocess.DEVNULL, stdout=out, stderr=out,
        )  # fmt: skip

    def stays() -> bool:
        assert demo.poll() is None, printed.read_text(encoding="utf-8")
        return "the daemon runs until" in printed.read_text(encoding="utf-8")

    try:
        wait_until(stays, STAYS_S_MAX, "the demonstration to stay")
        demo.send_signal(number)
        assert demo.wait(ENDS_S_MAX) == 128 + number
    finally:
        if demo.poll() is None:
            demo.send_signal(signal.SIGINT)
            demo.wait(ENDS_S_MAX)

    # A store has one daemon: that another command gets it says that the demonstration's has gone.
    taken = subprocess.run(
        [sys.executable, "-m", "sidespand", "reindex", "--data", str(root / "data"),
         "--config", str(root / "sidespan.toml"), "--run", str(root / "run")],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=ENDS_S_MAX, check=False,
    )  # fmt: skip
    assert taken.returncode == 0, taken.stderr
    assert "Traceback" not in printed.read_text(encoding="utf-8")
