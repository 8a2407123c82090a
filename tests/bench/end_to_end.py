"""What a span costs from client to collector, ours and rotel in one run.

    python -m tests.bench.end_to_end [--requests N] [--rounds N]

Each server takes requests and exports every span over OTLP/gRPC, uncompressed, to a receiver that
counts; a round ends when it has counted them all. CPU is that of all of a server's processes:
recorder and worker of ours, whose index is off. Ours writes every request to the disk before it
answers, and stamps every span; rotel does neither. rotel has no door for frames: those are compared
with its HTTP.
"""

import argparse
import shutil
import statistics
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from tests.bench.counting import Counting
from tests.bench.load import Load
from tests.bench.machine import cpu_s, processes
from tests.bench.peers import describe
from tests.bench.servers import Ours, Rotel, Server

_ARRIVED_S_MAX = 300.0
_SINK = """[index]
enabled = false
[sinks.count]
type = "otlp"
endpoint = "http://127.0.0.1:{}"
capture = "{}"
"""


class Cost(NamedTuple):
    """One round of one server: CPU microseconds a span."""

    recorder: float
    worker: float

    @property
    def total(self) -> float:
        """Of all processes."""
        return self.recorder + self.worker


class Pipeline(NamedTuple):
    """A server and the receiver that it exports to."""

    name: str
    server: Server
    receiver: Counting

    def cost(self, load: Load, requests: int) -> Cost:
        """Run one round.

        Raises:
            AssertionError: A request failed, or not every span arrived, once.
        """
        pids = processes(self.server.pid)
        arrived = self.receiver.spans
        before = [cpu_s([pid]) for pid in pids]
        result = self.server.send(load, requests)
        assert result.failed == 0, f"{result.failed} requests failed"
        spans = result.requests * load.spans
        self.receiver.wait(arrived + spans, _ARRIVED_S_MAX)
        used = [cpu_s([pid]) - was for pid, was in zip(pids, before, strict=True)]
        return Cost(used[0] / spans * 1e6, sum(used[1:]) / spans * 1e6)


def pipelines(root: Path, stack: ExitStack) -> list[Pipeline]:
    """Return running pipelines, rotel's first; ``stack`` ends them."""

    def receiver() -> Counting:
        counting = Counting()
        stack.callback(counting.stop)
        return counting

    counts = receiver()
    far = f"http://127.0.0.1:{counts.port}"
    rotel = Rotel(
        ("--exporter", "otlp", "--otlp-exporter-protocol", "grpc",
         "--otlp-exporter-endpoint", far, "--otlp-exporter-compression", "none")
    )  # fmt: skip
    stack.callback(rotel.stop)
    found = [Pipeline("rotel", rotel, counts)]
    for capture in ("full", "redacted"):
        counts = receiver()
        ours = Ours(root / capture, "fsync", _SINK.format(counts.port, capture))
        stack.callback(ours.stop)
        found.append(Pipeline(f"sidespan, {capture}", ours, counts))
    return found


def table(load: Load, found: list[Pipeline], requests: int, rounds: int, peer: Load) -> None:
    """Print one load's medians, and their ratios to rotel's at ``peer``."""
    costs: dict[str, list[Cost]] = {pipeline.name: [] for pipeline in found}
    for pipeline in found:
        pipeline.cost(peer if pipeline is found[0] else load, max(64, requests // 10))
    for _ in range(rounds):
        for pipeline in found:
            sent = peer if pipeline is found[0] else load
            costs[pipeline.name].append(pipeline.cost(sent, requests))
    print(f"\n{load}; CPU us a span, medians of {rounds} rounds of {requests} requests")
    print(f"{'pipeline':<20}{'recorder':>10}{'worker':>10}{'together':>10}{'ratio':>8}")
    base = [cost.total for cost in costs[found[0].name]]
    for name, rounds_of in costs.items():
        recorder = statistics.median(cost.recorder for cost in rounds_of)
        worker = statistics.median(cost.worker for cost in rounds_of)
        total = statistics.median(cost.total for cost in rounds_of)
        ratios = [cost.total / least for cost, least in zip(rounds_of, base, strict=True)]
        print(
            f"{name:<20}{recorder:>10.2f}{worker:>10.2f}{total:>10.2f}"
            f"{statistics.median(ratios):>8.2f}"
        )


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spans", type=int, default=100, help="a request (default 100)")
    parser.add_argument("--attributes", type=int, default=10, help="a span (default 10)")
    parser.add_argument("--requests", type=int, default=4000, help="a round (default 4000)")
    parser.add_argument("--rounds", type=int, default=5, help="of each pipeline (default 5)")
    parser.add_argument("--directory", type=Path, help="where the stores lie for the run")
    args = parser.parse_args()
    if shutil.which("h2load") is None:
        print("error: h2load is missing\nhint: apt install nghttp2-client", file=sys.stderr)
        return 2
    shape = (args.spans, args.attributes)
    http = Load("http", 16, 1, *shape)
    loads = [
        (one := Load("grpc", 1, 16, *shape), one),
        (http, http),
        (Load("frames", 16, 1, *shape), http),
    ]
    with (
        tempfile.TemporaryDirectory(dir=args.directory, prefix="sidespan-bench-") as directory,
        ExitStack() as stack,
    ):
        root = Path(directory)
        describe(root)
        found = pipelines(root, stack)
        for load, peer in loads:
            table(load, found, args.requests, args.rounds, peer)
    return 0


if __name__ == "__main__":
    sys.exit(main())
