"""Ours and rotel on the same load in one run: ``make bench``.

Rates on a shared machine are noise; ratios within one run are not. So the servers take turns,
several rounds, and the table shows medians. rotel keeps everything in memory and acknowledges
before anything is durable; it neither stamps nor syncs. Read the table with the disk's own flush
latency beside it.
"""

import argparse
import os
import platform
import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from tests.bench.load import Load
from tests.bench.machine import cpu_s, flush_latency, processes, rss_anon_mib
from tests.bench.servers import NO_INDEX, Ours, Rotel, Server


class Row(NamedTuple):
    """One round of one server under one load."""

    spans_per_s: float
    cpu_us_per_span: float
    p50_ms: float
    p99_ms: float
    rss_anon_mib: float


def measure(server: Server, load: Load, requests: int) -> Row:
    """Run one round.

    Raises:
        AssertionError: A request failed, or the server counts fewer spans than were acknowledged.
    """
    pids = server.pids()
    accepted_before = server.accepted_spans()
    cpu_before = cpu_s(pids)
    result = server.send(load, requests)
    cpu = cpu_s(pids) - cpu_before
    assert result.failed == 0, f"{result.failed} requests failed"
    spans = result.requests * load.spans
    accepted_after = server.accepted_spans()
    if accepted_before is not None and accepted_after is not None:
        assert accepted_after - accepted_before == spans, "not every answered span was accepted"
    memory = sum(rss_anon_mib(pid) for pid in pids)
    return Row(spans / result.seconds, cpu / spans * 1e6, result.p50_ms, result.p99_ms, memory)


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--spans", type=int, default=100, help="a request (default 100)")
    parser.add_argument("--attributes", type=int, default=10, help="a span (default 10)")
    parser.add_argument("--requests", type=int, default=4000, help="a round (default 4000)")
    parser.add_argument("--rounds", type=int, default=5, help="of each server (default 5)")
    parser.add_argument("--directory", type=Path, help="where the stores lie for the run")
    args = parser.parse_args()
    if shutil.which("h2load") is None:
        print("error: h2load is missing\nhint: apt install nghttp2-client", file=sys.stderr)
        return 2
    loads = [
        Load("grpc", 1, 16, args.spans, args.attributes),
        Load("grpc", 16, 1, args.spans, args.attributes),
        Load("http", 16, 1, args.spans, args.attributes),
        Load("frames", 16, 1, args.spans, args.attributes),
    ]
    with tempfile.TemporaryDirectory(dir=args.directory, prefix="sidespan-bench-") as directory:
        root = Path(directory)
        describe(root)
        servers: list[Server] = [
            Ours(root / "f", "fsync", NO_INDEX),
            Ours(root / "n", "none", NO_INDEX),
            Rotel(),
        ]
        try:
            memory_idle(servers)
            for load in loads:
                able = [server for server in servers if server.has(load.door)]
                table(load, able, args.requests, args.rounds)
        finally:
            for server in servers:
                server.stop()
    return 0


def describe(root: Path) -> None:
    """Print what the numbers depend on."""
    flush = flush_latency(root)
    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"disk flush of 4 KiB: p50 {flush.p50_us:.0f} us, p99 {flush.p99_us:.0f} us\n")


def memory_idle(servers: list[Server]) -> None:
    """Print start-up time and idle memory."""
    for server in servers:
        each = ", ".join(f"{rss_anon_mib(pid):.1f}" for pid in processes(server.pid))
        started = f", start to healthy {server.start_s:.2f} s" if isinstance(server, Ours) else ""
        print(f"{server.name}: RssAnon idle {each} MiB{started}")


def table(load: Load, servers: list[Server], requests: int, rounds: int) -> None:
    """Print one load's medians, and the ratios of their rates to the last server's."""
    print(f"\n{load}; medians of {rounds} rounds of {requests} requests")
    print(
        f"{'server':<18}{'spans/s':>10}{'CPU us/span':>13}{'p50 ms':>8}"
        f"{'p99 ms':>8}{'RssAnon MiB':>13}{'ratio':>7}"
    )
    for server in servers:
        measure(server, load, max(load.connections * load.streams, requests // 10))
    found: dict[str, list[Row]] = {server.name: [] for server in servers}
    for _ in range(rounds):
        for server in servers:
            found[server.name].append(measure(server, load, requests))
    base = [row.spans_per_s for row in found[servers[-1].name]]
    for name, rows in found.items():
        median = Row(*(statistics.median(column) for column in zip(*rows, strict=True)))
        ratio = statistics.median(row.spans_per_s / b for row, b in zip(rows, base, strict=True))
        print(
            f"{name:<18}{median.spans_per_s:>10,.0f}{median.cpu_us_per_span:>13.2f}"
            f"{median.p50_ms:>8.1f}{median.p99_ms:>8.1f}{median.rss_anon_mib:>13.1f}{ratio:>7.2f}"
        )


if __name__ == "__main__":
    sys.exit(main())
