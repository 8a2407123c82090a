"""A stock OpenTelemetry Collector, built with its official builder out of Go modules.

Building takes about 100 s where nothing of it is in Go's caches; what was built for a manifest
stays in ``.cache`` beside the tests.
"""

import functools
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.daemon import wait_until
from tests.toolchain import require

MANIFEST = Path(__file__).with_name("manifest.yaml")
_CACHE = Path(__file__).parents[2] / ".cache"
_BUILDER = "go.opentelemetry.io/collector/cmd/builder"
_BUILD_S_MAX = 900.0
_START_S_MAX = 20.0


@functools.cache
def binary() -> Path:
    """Return the collector's program; it is built where it is not.

    Raises:
        pytest.skip.Exception, pytest.fail.Exception: There is no Go; see ``require``.
        AssertionError: It cannot be built.
    """
    text = MANIFEST.read_bytes()
    built = _CACHE / f"otelcol-{hashlib.sha256(text).hexdigest()[:16]}"
    if not built.exists():
        require(shutil.which("go"), "go", "https://go.dev/dl, 1.26 or later")
        _CACHE.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=_CACHE, prefix="building-") as directory:
            _build(text.decode(), Path(directory)).replace(built)
    return built


@contextmanager
def collecting(config: str, directory: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Yield a running collector; it is killed afterwards.

    Args:
        config: In YAML; it is ready once its receivers listen.
        directory: Where its configuration and its log go.
    """
    path = directory / "otelcol.yaml"
    path.write_text(config, encoding="utf-8")
    log_path = directory / "otelcol.log"
    with log_path.open("ab") as log:
        process = subprocess.Popen(
            [str(binary()), "--config", str(path)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip

    def ready() -> bool:
        log = log_path.read_text(encoding="utf-8")
        assert process.poll() is None, log
        return "Everything is ready" in log

    try:
        wait_until(ready, _START_S_MAX, "otelcol to start")
        yield process
    finally:
        process.kill()
        process.wait()


def _build(manifest: str, directory: Path) -> Path:
    version = re.search(r"version: (\S+)", manifest)
    assert version is not None
    environment = {**os.environ, "GOBIN": str(directory)}
    for command in (
        ("go", "install", f"{_BUILDER}@v{version[1]}"),
        (str(directory / "builder"), "--config", str(MANIFEST)),
    ):
        finished = subprocess.run(
            command, cwd=directory, env=environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=_BUILD_S_MAX,
            check=False,
        )  # fmt: skip
        assert finished.returncode == 0, finished.stdout
    return directory / "otelcol"
