"""Load from a compiled program of our own: requests that all differ, in frames or over HTTP."""

import functools
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.bench.load import Load, Result, body
from tests.toolchain import require

_SOURCE = Path(__file__).with_name("generator")


@functools.cache
def _program() -> Path:
    require(shutil.which("go"), "go", "https://go.dev/dl")
    built = Path(tempfile.gettempdir()) / "sidespan-bench-generator"
    subprocess.run(["go", "build", "-o", str(built), "."], cwd=_SOURCE, timeout=300, check=True)
    return built


def run(load: Load, address: str, requests: int) -> Result:
    """Send ``requests`` requests, each of another trace, to a socket's path or ``host:port``.

    Args:
        load: Its ``streams`` are how many requests go ahead of their answers on a connection.
        address: Of the door that ``load.door`` names: ``frames`` or ``http``.
        requests: In all.
    """
    encoded = body(load)
    with tempfile.NamedTemporaryFile() as file:
        file.write(encoded)
        file.flush()
        finished = subprocess.run(
            [
                str(_program()), "-door", load.door, "-address", address, "-body", file.name,
                "-trace", _trace_id(encoded).hex(), "-connections", str(load.connections),
                "-window", str(load.streams), "-requests", str(requests),
            ],
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
    assert finished.returncode == 0, finished.stderr
    return Result(**json.loads(finished.stdout))


def _trace_id(encoded: bytes) -> bytes:
    spans = ExportTraceServiceRequest.FromString(encoded).resource_spans[0].scope_spans[0].spans
    return spans[0].trace_id
