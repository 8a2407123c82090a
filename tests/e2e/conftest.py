"""What several end-to-end tests need, made once."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.toolchain import require

ROOT = Path(__file__).parents[2]
BUILD_S_MAX = 300.0


@pytest.fixture(scope="session")
def built() -> Path:
    """Return the TypeScript binding, installed and built as ``make demo`` does it."""
    for tool in ("node", "npm"):
        require(shutil.which(tool), tool, "install Node 20 or later with npm")
    target = "bindings/typescript/dist"
    finished = subprocess.run(
        ["make", target], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, timeout=BUILD_S_MAX, check=False,
    )  # fmt: skip
    assert (ROOT / target / "cjs/package.json").exists(), finished.stdout
    return ROOT / "bindings/typescript"
