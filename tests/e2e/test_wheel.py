"""What people install: the wheel, bare for programs that trace, with the daemon for nodes."""

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests.unit.sinks.test_plugins import SOURCE, SUITE

ROOT = Path(__file__).parents[2]
INSTALL_S_MAX = 300
FORBIDDEN = ("lmdb", "uvloop", "grpc", "google", "msgpack", "sidespand")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from the source archive, as a release does."""
    out = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)],
        check=True, capture_output=True, timeout=INSTALL_S_MAX,
    )  # fmt: skip
    (found,) = out.glob("*.whl")
    return found


def environment(directory: Path, *installs: tuple[str, ...]) -> Path:
    """Return the ``bin`` of a new environment after ``pip install`` with each of ``installs``."""
    venv.create(directory, with_pip=True, symlinks=True)
    for arguments in installs:
        subprocess.run(
            [str(directory / "bin/python"), "-m", "pip", "install", "--quiet", *arguments],
            check=True, capture_output=True, timeout=INSTALL_S_MAX,
        )  # fmt: skip
    return directory / "bin"


@pytest.fixture(scope="module")
def node(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the ``bin`` of an environment with the daemon, as docs/compatibility.md installs it.

    With hashes pip refuses whatever the lock does not pin. Beside it, pytest.
    """
    locked = ("--require-hashes", "-r", str(ROOT / "requirements/daemon.txt"))
    return environment(
        tmp_path_factory.mktemp("node"), locked, ("--no-deps", str(wheel)), ("pytest",)
    )


@pytest.mark.slow
def test_the_bare_client_needs_nothing_else(wheel: Path, tmp_path: Path) -> None:
    """Without an extra nothing third-party is loaded, and the command says what to install."""
    commands = environment(tmp_path / "bare", (str(wheel),))
    code = (
        "import json, sys, sidespan\n"
        "sidespan.init(service='x')\n"
        "with sidespan.span('y'): pass\n"
        f"print(json.dumps([m for m in {FORBIDDEN!r} if m in sys.modules]))"
    )
    loaded = subprocess.run(
        [str(commands / "python"), "-c", code],
        capture_output=True, text=True, timeout=30, check=True, cwd=tmp_path,
        env={**os.environ, "SIDESPAN_SOCKET": str(tmp_path / "nowhere.sock")},
    )  # fmt: skip
    asked = subprocess.run(
        [str(commands / "sidespan"), "ls"],
        capture_output=True, text=True, timeout=30, check=False, cwd=tmp_path,
    )  # fmt: skip

    assert json.loads(loaded.stdout) == []
    assert asked.returncode == 2
    assert 'pip install "sidespan[daemon]"' in asked.stderr


@pytest.mark.slow
def test_the_demo_works_twice_from_the_wheel(node: Path, tmp_path: Path) -> None:
    """`sidespan demo` shows one trace over two SDKs; a second run is the next generation."""
    generations = []
    for _ in range(2):
        shown = subprocess.run(
            [str(node / "sidespan"), "demo", "--json"],
            capture_output=True, text=True, timeout=90, check=False, cwd=tmp_path,
        )  # fmt: skip
        assert shown.returncode == 0, shown.stderr
        trace = json.loads(shown.stdout)
        spans = {span["span_id"]: span for span in trace["spans"]}
        assert len({span["service"] for span in spans.values()}) == 2
        roots = [span for span in spans.values() if span["parent_span_id"] not in spans]
        assert len(roots) == 1
        remote = [span for span in spans.values() if "sidespan=1-" in span["trace_state"]]
        assert remote, "the worker's spans carry the planner's token"
        generations.append({span["stamp"]["boot_generation"] for span in spans.values()})

    assert generations == [{1}, {2}]


@pytest.mark.slow
def test_authors_of_sinks_run_the_contract_from_the_wheel(node: Path, tmp_path: Path) -> None:
    """What docs/sinks.md shows passes where nothing of this repository is but the wheel."""
    information = tmp_path / "site/acme_sink-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-sink\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[sidespan.sinks]\nnotes = acme_sink:NOTES\n")
    (tmp_path / "site/acme_sink.py").write_text(SOURCE)
    (tmp_path / "test_notes.py").write_text(SUITE)
    done = subprocess.run(
        [str(node / "python"), "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_notes.py"],
        capture_output=True, text=True, timeout=90, check=False, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "7 passed" in done.stdout
