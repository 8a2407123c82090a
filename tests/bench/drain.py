"""How fast a sink catches up with a backlog, and whether that depends on how large it is.

    python -m tests.bench.drain [--spans N] [--small N]

A store is filled while no sink is configured; then the daemon starts with an ``otlp`` sink over
gRPC, policy full and no index, and a receiver in a process of its own counts. The same with a small
backlog first, in a store of its own: that is what an empty start costs.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from tests.bench import compiled
from tests.bench.counting import Counting
from tests.bench.load import Load
from tests.bench.machine import cpu_s, processes, rss_anon_mib
from tests.bench.peers import describe
from tests.daemon import Daemon, running

LOAD = Load("frames", 4, 16, 100, 10)
# Nothing is trimmed before the sink has come.
FILLING = """[receivers]
repeat_window = "0s"
[journal]
retention_bytes = "1000GiB"
[index]
enabled = false
"""
_SINK = """[sinks.count]
type = "otlp"
endpoint = "http://127.0.0.1:{}"
capture = "full"
"""
_SAMPLE_S = 0.1
_DRAIN_S_MAX = 1200.0


class Drain(NamedTuple):
    """What it took to catch up.

    Args:
        spans: In the backlog.
        seconds: From the first one that arrived to the last.
        cpu_us: Of the worker, a span.
        rss_anon_mib: Of the worker, while it drained: at each tenth of the way the most till then.
    """

    spans: int
    seconds: float
    cpu_us: float
    rss_anon_mib: tuple[float, ...]

    @property
    def rate(self) -> float:
        """Spans a second."""
        return self.spans / self.seconds

    @property
    def growth_mib(self) -> float:
        """How much more memory the rest of the way took than its first fifth."""
        return self.rss_anon_mib[-1] - self.rss_anon_mib[1]


def drain(root: Path, spans: int) -> Drain:
    """Fill a new store below ``root`` with ``spans``, and measure how a sink catches up.

    Raises:
        AssertionError: A request failed, or not every span arrived, once.
    """
    with running(root, config=FILLING) as daemon:
        result = compiled.run(LOAD, str(daemon.ingest), spans // LOAD.spans)
        assert result.failed == 0, f"{result.failed} requests failed"
    return catch_up(root, spans)


def catch_up(root: Path, spans: int) -> Drain:
    """Start the daemon of a store that has ``spans`` with a sink, and measure until it has all.

    Raises:
        AssertionError: Not every span arrived, once.
    """
    counting = Counting()
    try:
        with running(root, config=FILLING + _SINK.format(counting.port)) as daemon:
            return _watch(daemon, counting, spans)
    finally:
        counting.stop()


def _watch(daemon: Daemon, counting: Counting, spans: int) -> Drain:
    _, worker = processes(daemon.pid)
    counting.wait_some(_DRAIN_S_MAX)
    began, before, at_first = time.monotonic(), cpu_s([worker]), counting.spans
    deadline = began + _DRAIN_S_MAX
    most: list[float] = []
    highest = 0.0
    while (arrived := counting.spans) < spans:
        assert time.monotonic() < deadline, f"{arrived} of {spans} spans arrived"
        highest = max(highest, rss_anon_mib(worker))
        most += [highest] * (arrived * 10 // spans + 1 - len(most))
        time.sleep(_SAMPLE_S)
    assert arrived == spans, f"{arrived} spans arrived of {spans}"
    drained = spans - at_first
    seconds, used = time.monotonic() - began, cpu_s([worker]) - before
    most += [highest] * (10 - len(most))
    return Drain(drained, seconds, used / drained * 1e6, tuple(most))


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spans", type=int, default=5_000_000, help="(default 5000000)")
    parser.add_argument("--small", type=int, default=500_000, help="(default 500000)")
    parser.add_argument("--directory", type=Path, help="where the stores lie for the run")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.directory, prefix="sidespan-bench-") as directory:
        root = Path(directory)
        describe(root)
        print(f"{'backlog':>12}{'spans/s':>12}{'worker CPU us/span':>20}{'RssAnon MiB':>13}")
        for spans in (args.small, args.spans):
            found = drain(root / str(spans), spans)
            memory = f"{found.rss_anon_mib[1]:.0f}..{found.rss_anon_mib[-1]:.0f}"
            print(f"{spans:>12,}{found.rate:>12,.0f}{found.cpu_us:>20.2f}{memory:>13}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
