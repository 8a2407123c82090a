"""What each client costs its program: ``make bench-clients``.

    python -m tests.bench.clients [--rounds N]

Python: the caller's thread, the import, and the CPU of the whole process beside that of the
OpenTelemetry SDK with its OTLP/gRPC exporter, both against this daemon, in turns. Elixir and Node
print what their own benches measure; a toolchain that is missing is named.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.daemon import running

ROOT = Path(__file__).parents[2]
SPANS = 20_000
IMPORTS = 15

# Each ends with the CPU of its process for a span, in microseconds, the import left out.
SIDESPAN = f"""
import time, sidespan
sidespan.init(service="bench")
sidespan.flush()
began = time.process_time()
for number in range({SPANS}):
    with sidespan.span("chat", model="gpt-4o", tokens=number, temperature=0.2) as s:
        s.add_event("first token", {{"ms": 41}})
    if number % 5000 == 4999:
        assert sidespan.flush()
assert sidespan.status().acked == {SPANS}, sidespan.status()
print((time.process_time() - began) / {SPANS} * 1e6)
"""
OPENTELEMETRY = f"""
import time
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(), max_queue_size={SPANS}))
tracer = provider.get_tracer("bench")
provider.force_flush()
began = time.process_time()
for number in range({SPANS}):
    given = {{"model": "gpt-4o", "tokens": number, "temperature": 0.2}}
    with tracer.start_as_current_span("chat", attributes=given) as span:
        span.add_event("first token", {{"ms": 41}})
    if number % 5000 == 4999:
        assert provider.force_flush()
print((time.process_time() - began) / {SPANS} * 1e6)
"""
IMPORT = """
import time
began = time.process_time()
import sidespan
print((time.process_time() - began) * 1e3)
"""


def measured(program: str, **environment: str) -> float:
    """Return the number that a Python program prints."""
    finished = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, **environment}, stdout=subprocess.PIPE,
        text=True, timeout=120, check=True,
    )  # fmt: skip
    return float(finished.stdout)


def whole_process(rounds: int) -> None:
    """Print the CPU of whole programs for a span, ours and OpenTelemetry's."""
    with (
        tempfile.TemporaryDirectory(prefix="sidespan-bench-") as directory,
        running(Path(directory)) as daemon,
    ):
        ours, theirs = [], []
        for _ in range(rounds):
            ours.append(measured(SIDESPAN, SIDESPAN_SOCKET=str(daemon.ingest)))
            theirs.append(
                measured(
                    OPENTELEMETRY,
                    OTEL_EXPORTER_OTLP_ENDPOINT=f"unix://{daemon.grpc}",
                    OTEL_EXPORTER_OTLP_INSECURE="true",
                )
            )
    ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
    print(f"whole process, sidespan        {statistics.median(ours):8.2f} us a span")
    print(f"whole process, OTel SDK + OTLP {statistics.median(theirs):8.2f} us a span")
    print(f"ratio                          {ratio:8.2f}")


def run(title: str, command: list[str], cwd: Path) -> None:
    """Print what another bench prints."""
    print(f"\n{title}", flush=True)
    if shutil.which(command[0]) is None:
        print(f"left out: {command[0]} is not installed")
        return
    subprocess.run(command, cwd=cwd, timeout=300, check=True)


def main() -> int:
    """Print all of it."""
    parser = argparse.ArgumentParser(prog="make bench-clients", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="of each program (default 5)")
    rounds = parser.parse_args().rounds
    print("Python", flush=True)
    subprocess.run(
        [sys.executable, "tests/bench/client_span.py"], cwd=ROOT, timeout=300, check=True
    )
    imports = [measured(IMPORT) for _ in range(IMPORTS)]
    print(f"import                         {statistics.median(imports):8.2f} ms of CPU")
    whole_process(rounds)
    run("Elixir", ["mix", "run", "samples/bench.exs"], ROOT / "bindings/elixir")
    run("Node", ["node", "samples/bench.mjs"], ROOT / "bindings/typescript")
    return 0


if __name__ == "__main__":
    sys.exit(main())
