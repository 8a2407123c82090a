"""What each collector takes for 10,000 spans a second that it passes on."""

import statistics
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from tests.bench import load as generator
from tests.bench.counting import Counting
from tests.bench.load import Load
from tests.bench.machine import cpu_s, rss_anon_mib
from tests.bench.servers import Otelcol, Ours, Rotel, Server

SPANS_PER_S = 10_000
_ARRIVED_S_MAX = 60.0
_SINK = """[index]
enabled = {}
[sinks.far]
type = "otlp"
endpoint = "http://127.0.0.1:{}"
capture = "full"
"""


class Steady(NamedTuple):
    """One round of one server.

    Args:
        spans_per_s: That it acknowledged.
        cpu_percent: Of one core, all of its processes, until all spans had arrived.
        p50_ms: Of the acknowledgements.
        p99_ms: The same.
        rss_anon_mib: Of all of its processes, once all had arrived.
    """

    spans_per_s: float
    cpu_percent: float
    p50_ms: float
    p99_ms: float
    rss_anon_mib: float


class Line(NamedTuple):
    """A server and the receiver that it exports to over OTLP/gRPC."""

    server: Server
    receiver: Counting


def lines(root: Path, stack: ExitStack) -> list[Line]:
    """Return running servers, each with a receiver of its own; ``stack`` ends them."""
    receivers = []
    for _ in range(6):
        receivers.append(Counting())
        stack.callback(receivers[-1].stop)
    ports = [receiver.port for receiver in receivers]
    servers: list[Server] = []

    def begun(server: Server) -> None:
        stack.callback(server.stop)
        servers.append(server)

    for storage in ("memory", "file_storage", "file_storage + fsync"):
        begun(Otelcol(root / storage, storage, ports[len(servers)]))
    far = ["--otlp-exporter-endpoint", f"http://127.0.0.1:{ports[3]}"]
    plain = ["--otlp-exporter-protocol", "grpc", "--otlp-exporter-compression", "none"]
    begun(Rotel(["--exporter", "otlp", *far, *plain]))
    for name, index in (("sidespan, fsync", "false"), ("sidespan, fsync, with index", "true")):
        begun(Ours(root / name, "fsync", _SINK.format(index, ports[len(servers)]), name))
    return [Line(*pair) for pair in zip(servers, receivers, strict=True)]


def measure(line: Line, load: Load, seconds: float) -> Steady:
    """Run one round.

    Raises:
        AssertionError: A request failed, or not every span arrived, once.
    """
    pids = line.server.pids()
    arrived = line.receiver.spans
    before = cpu_s(pids)
    per_s = SPANS_PER_S / load.spans
    port = line.server.ports[load.door]
    result = generator.run(load, port, int(seconds * per_s), per_s)
    assert result.failed == 0, f"{result.failed} requests failed"
    spans = result.requests * load.spans
    line.receiver.wait(arrived + spans, _ARRIVED_S_MAX)
    used = cpu_s(pids) - before
    memory = sum(rss_anon_mib(pid) for pid in pids)
    return Steady(
        spans / result.seconds, 100 * used / result.seconds, result.p50_ms, result.p99_ms, memory
    )


def compare(found: list[Line], load: Load, seconds: float, rounds: int) -> dict[str, Steady]:
    """Return each server's medians; in each round all take their turn."""
    rows: dict[str, list[Steady]] = {line.server.name: [] for line in found}
    for line in found:
        measure(line, load, 1)
    for _ in range(rounds):
        for line in found:
            rows[line.server.name].append(measure(line, load, seconds))
    return {
        name: Steady(*(statistics.median(column) for column in zip(*each, strict=True)))
        for name, each in rows.items()
    }
