"""Load from h2load, which is no bottleneck: one prepared request over and over."""

import re
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

from tests.bench.machine import percentile
from tests.otlp import START_NS, export_request

GRPC_PATH = "opentelemetry.proto.collector.trace.v1.TraceService/Export"


class Load(NamedTuple):
    """What is sent.

    Args:
        door: ``grpc``, ``http`` or ``frames``.
        connections: At once.
        streams: Requests under way on each.
        spans: A request.
        attributes: A span, beside one event.
    """

    door: str
    connections: int
    streams: int
    spans: int
    attributes: int

    def __str__(self) -> str:
        way = f"{self.connections} x {self.streams}" if self.streams > 1 else str(self.connections)
        door = self.door if self.door == "frames" else f"OTLP/{self.door}"
        return f"{door} {self.spans}x{self.attributes}, {way} in flight"


class Result(NamedTuple):
    """What came of it.

    Args:
        requests: That succeeded.
        failed: That did not.
        seconds: It took.
        p50_ms: Of the answers.
        p99_ms: The same.
    """

    requests: int
    failed: int
    seconds: float
    p50_ms: float
    p99_ms: float


def body(load: Load) -> bytes:
    """Return the request: spans of about 470 bytes with 10 attributes and one event."""
    request = export_request(load.spans, attributes=load.attributes)
    for index, span in enumerate(request.resource_spans[0].scope_spans[0].spans):
        for number, attribute in enumerate(span.attributes):
            attribute.key = f"bench.attribute.{number:02d}"
            attribute.value.string_value = f"value {index:04d}/{number:02d}"
        span.events.add(name="bench.event", time_unix_nano=START_NS)
    encoded = request.SerializeToString()
    if load.door == "grpc":
        return b"\0" + len(encoded).to_bytes(4, "big") + encoded
    return encoded


def run(load: Load, port: int, requests: int, per_s: float | None = None) -> Result:
    """Send requests to a port of this machine and say how it went.

    Args:
        load: What is sent.
        port: Of 127.0.0.1.
        requests: In all.
        per_s: So many requests a second in all, evenly spread over time and connections; without,
            each is sent as soon as one of those under way is answered.
    """
    with tempfile.TemporaryDirectory() as directory:
        payload = Path(directory) / "body"
        payload.write_bytes(body(load))
        log = Path(directory) / "log"
        command = [
            "h2load", "-n", str(requests), "-c", str(load.connections), "-m", str(load.streams),
            "-d", str(payload), f"--log-file={log}",
        ]  # fmt: skip
        if per_s is not None:
            # Connections begin one after the other, or all of them would send at the same moment.
            command += [f"--rps={per_s / load.connections}", "--rate=1"]
            command.append(f"--rate-period={1000 / per_s:.0f}ms")
        if load.door == "grpc":
            command += ["-H", "content-type: application/grpc", "-H", "te: trailers"]
            command.append(f"http://127.0.0.1:{port}/{GRPC_PATH}")
        else:
            command += ["--h1", "-H", "content-type: application/x-protobuf"]
            command.append(f"http://127.0.0.1:{port}/v1/traces")
        output = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
        times_ms = [
            int(line.split()[2]) / 1000 for line in log.read_text(encoding="ascii").splitlines()
        ]
    finished = re.search(r"finished in ([\d.]+)(us|ms|s)", output.stdout)
    counts = re.search(r"(\d+) succeeded, (\d+) failed", output.stdout)
    assert finished is not None, output.stdout
    assert counts is not None, output.stdout
    seconds = float(finished[1]) * {"us": 1e-6, "ms": 1e-3, "s": 1.0}[finished[2]]
    return Result(
        int(counts[1]), int(counts[2]), seconds, percentile(times_ms, 50), percentile(times_ms, 99)
    )
