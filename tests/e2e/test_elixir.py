"""The Elixir binding: its own tests, which bring up the daemon of this environment."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.toolchain import require

BINDING = Path(__file__).parents[2] / "bindings/elixir"
APT_LINE = "apt-get install --no-install-recommends elixir"
WAIT_S = 300.0


def mix(build: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run mix in the binding, with everything that it builds under ``build``."""
    return subprocess.run(
        ["mix", *arguments],
        cwd=BINDING,
        env={
            **os.environ,
            "MIX_ENV": "test",
            "MIX_BUILD_PATH": str(build),
            "SIDESPAN_TEST_PYTHON": sys.executable,
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=WAIT_S,
        check=False,
    )


@pytest.mark.slow
def test_mix_test(tmp_path: Path) -> None:
    """It compiles without a warning, is formatted, and its tests pass against this daemon."""
    require(shutil.which("mix"), "mix", APT_LINE)

    for arguments in (
        ("compile", "--warnings-as-errors"),
        ("format", "--check-formatted"),
        ("test",),
    ):
        finished = mix(tmp_path / "build", *arguments)
        assert finished.returncode == 0, finished.stdout
    assert "0 failures" in finished.stdout
    # Without it most would be left out.
    assert "No daemon" not in finished.stdout
