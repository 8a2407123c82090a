"""The OpenTelemetry Collector, rotel and ours on the same loads in one run: ``make bench-peers``.

Every server lives through the whole run and they take turns, load by load and round by round;
tables show medians, and ratios to ours within each round. A server's turn ends when its queue is
empty and it is at rest, and all CPU until then counts as its own: what is left to be done after an
acknowledgement is paid for by who left it. How many requests a turn has follows from the server's
own rate, so that a slow one does not make the run long. ``--write`` puts tables and picture into
docs/benchmarks.md.
"""

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path

from tests import otelcol
from tests.bench import steady
from tests.bench.chart import Panel, drawn
from tests.bench.load import Load
from tests.bench.machine import cpu_s, flush_latency, rss_anon_mib
from tests.bench.page import ROOT, publish, table
from tests.bench.peers import Row
from tests.bench.servers import Otelcol, Ours, Rotel, Server
from tests.bench.steady import Steady
from tests.daemon import wait_until

OURS = "sidespan, fsync"
_PICTURE = ROOT / "docs/images/peers.svg"
_SHAPES = ((10, 10), (100, 10), (512, 10))
_WAYS = (("grpc", 1, 16), ("grpc", 16, 1), ("http", 1, 1), ("http", 16, 1))
# Stores stay small on the disk; trimming is what a daemon does all its life.
_CONFIG = 'retention_bytes = "2GiB"\n[index]\nenabled = false\n'
_REQUESTS = range(32, 20_001)
_REST_S_MAX = 120.0
_REST_EVERY_S = 0.1
# How many times as long as another turn one of the steady load is.
_STEADY_TURNS = 5


def servers(root: Path, stack: ExitStack) -> list[Server]:
    """Return running servers whose exporters drop everything; ``stack`` ends them."""
    found: list[Server] = []
    for make in (
        lambda: Otelcol(root / "memory", "memory"),
        lambda: Otelcol(root / "file", "file_storage"),
        lambda: Otelcol(root / "fsync", "file_storage + fsync"),
        Rotel,
        lambda: Ours(root / "ours-none", "none", _CONFIG),
        lambda: Ours(root / "ours-fsync", "fsync", _CONFIG),
    ):
        found.append(make())
        stack.callback(found[-1].stop)
    return found


def rest(server: Server) -> None:
    """Return once nothing waits in a server and it uses no CPU."""
    wait_until(server.drained, _REST_S_MAX, f"the queue of {server.name}")
    pids = server.pids()
    used = [cpu_s(pids)]

    def quiet() -> bool:
        time.sleep(_REST_EVERY_S)
        used.append(cpu_s(pids))
        return used[-1] - used[-2] <= 0.01

    wait_until(quiet, _REST_S_MAX, f"{server.name} to be at rest")


def measure(server: Server, load: Load, requests: int) -> Row:
    """Run one turn.

    Raises:
        AssertionError: A request failed, or the server did not count every acknowledged span.
    """
    pids = server.pids()
    counted, used = server.accepted_spans(), cpu_s(pids)
    result = server.send(load, requests)
    assert result.failed == 0, f"{server.name}: {result.failed} requests failed"
    memory = sum(rss_anon_mib(pid) for pid in pids)
    rest(server)
    spans = result.requests * load.spans
    cpu_us = (cpu_s(pids) - used) / spans * 1e6
    if counted is not None:
        assert server.accepted_spans() == counted + spans, f"{server.name} counted other spans"
    return Row(spans / result.seconds, cpu_us, result.p50_ms, result.p99_ms, memory)


def compare(
    found: Sequence[Server], load: Load, rounds: int, turn_s: float
) -> dict[str, list[Row]]:
    """Return each server's turns; all begin with one that finds how many requests theirs has."""
    under_way = load.connections * load.streams
    requests = {}
    for server in found:
        first = max(_REQUESTS.start, under_way)
        per_s = measure(server, load, first).spans_per_s / load.spans
        again = min(max(int(per_s * turn_s / 4), first), _REQUESTS.stop)
        per_s = measure(server, load, again).spans_per_s / load.spans
        requests[server.name] = min(max(int(per_s * turn_s), first), _REQUESTS.stop - 1)
    rows: dict[str, list[Row]] = {server.name: [] for server in found}
    for _ in range(rounds):
        for server in found:
            rows[server.name].append(measure(server, load, requests[server.name]))
    return rows


def medians(rows: dict[str, list[Row]]) -> list[list[str]]:
    """Return the cells of each server: medians, and how its rate compares with ours."""
    base = [row.spans_per_s for row in rows[OURS]]
    lines = []
    for name, each in rows.items():
        middle = Row(*(statistics.median(column) for column in zip(*each, strict=True)))
        ratio = statistics.median(
            mine / row.spans_per_s for mine, row in zip(base, each, strict=True)
        )
        lines.append([
            name, f"{middle.spans_per_s:,.0f}", f"{middle.cpu_us_per_span:.2f}",
            f"{middle.p50_ms:.1f}", f"{middle.p99_ms:.1f}", f"{middle.rss_anon_mib:.0f}",
            "1" if name == OURS else f"**{ratio:.2f}**",
        ])  # fmt: skip
    return lines


def facts(root: Path, began: float) -> str:
    """Return what the numbers depend on."""
    flush = flush_latency(root)
    asked = subprocess.run([str(otelcol.binary()), "--version"], capture_output=True, text=True,
                           check=True).stdout.split()[-1]  # fmt: skip
    h2load = subprocess.run(["h2load", "--version"], capture_output=True, text=True, check=True)
    return (
        f"{time.strftime('%Y-%m-%d')}, {platform.system()} {platform.release()},"
        f" {platform.machine()}, {os.cpu_count()} cores that also run the load, store on a disk"
        f" whose flush of 4 KiB takes {flush.p50_us:.0f} µs (p50), {flush.p99_us:.0f} µs (p99)."
        f" Python {platform.python_version()}, sidespan {version('sidespan')}, otelcol {asked},"
        f" rotel {version('rotel')}, {h2load.stdout.split()[1]}."
        f" The run took {(time.monotonic() - began) / 60:.0f} minutes; load average before it"
        f" {_LOAD_BEFORE:.1f}."
    )


_LOAD_BEFORE = os.getloadavg()[0]


def _throughput(root: Path, rounds: int, turn_s: float) -> tuple[str, list[Panel]]:
    head = ["load", "server", "spans/s", "CPU µs/span", "p50 ms", "p99 ms", "RssAnon MiB",
            "ours : it"]  # fmt: skip
    rows: list[list[str]] = []
    panels = []
    with ExitStack() as stack:
        found = servers(root, stack)
        for door, connections, streams in _WAYS:
            groups = {}
            for shape in _SHAPES:
                load = Load(door, connections, streams, *shape)
                turns = compare(found, load, rounds, turn_s)
                for number, cells in enumerate(medians(turns)):
                    rows.append([str(load) if number == 0 else "", *cells])
                    print("  ".join(f"{cell:<12}" for cell in rows[-1]), flush=True)
                groups[f"{shape[0]}x{shape[1]}"] = {
                    name: statistics.median(row.spans_per_s for row in each)
                    for name, each in turns.items()
                }
            way = f"{connections} x {streams} in flight" if streams > 1 else str(connections)
            title = f"OTLP/{'gRPC' if door == 'grpc' else 'HTTP'}, connections: {way}"
            panels.append(Panel(title, groups))
    return table(head, rows), panels


def _steadily(root: Path, rounds: int, seconds: float) -> str:
    head = ["load", "server", "spans/s", "CPU, % of a core", "p50 ms", "p99 ms", "RssAnon MiB"]
    rows = []
    with ExitStack() as stack:
        found = steady.lines(root, stack)
        for door in ("grpc", "http"):
            load = Load(door, 16, 1, 100, 10)
            taken: dict[str, Steady] = steady.compare(found, load, seconds, rounds)
            for number, (name, one) in enumerate(taken.items()):
                rows.append([
                    str(load) if number == 0 else "", name, f"{one.spans_per_s:,.0f}",
                    f"{one.cpu_percent:.1f}", f"{one.p50_ms:.2f}", f"{one.p99_ms:.2f}",
                    f"{one.rss_anon_mib:.0f}",
                ])  # fmt: skip
                print("  ".join(f"{cell:<12}" for cell in rows[-1]), flush=True)
    return table(head, rows)


def main() -> int:
    """Measure, print, and write where that is asked for."""
    parser = argparse.ArgumentParser(prog="make bench-peers", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="2 minutes, to see that it works")
    parser.add_argument("--rounds", type=int, help="of each load (default 3; quick 1)")
    parser.add_argument("--seconds", type=float, help="of a turn (default 1.2; quick 0.2)")
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md")
    parser.add_argument("--directory", type=Path, help="where the stores lie for the run")
    args = parser.parse_args()
    if shutil.which("h2load") is None:
        print("error: h2load is missing\nhint: apt install nghttp2-client", file=sys.stderr)
        return 2
    otelcol.binary()
    rounds = args.rounds or (1 if args.quick else 3)
    seconds = args.seconds or (0.2 if args.quick else 1.2)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(dir=args.directory, prefix="sidespan-bench-") as directory:
        root = Path(directory)
        rates, panels = _throughput(root / "rates", rounds, seconds)
        flow = _steadily(root / "steady", rounds, seconds * _STEADY_TURNS)
        said = facts(root, began)
    print(f"\n{said}")
    if args.write:
        text = f"{said} Each cell is the median of {rounds} turns of {seconds:g} s.\n\n{rates}"
        steady_head = f"{steady.SPANS_PER_S:,} spans a second, passed on over OTLP/gRPC:"
        publish("bench-peers", "Ours and its peers", f"{text}\n\n{steady_head}\n\n{flow}")
        _PICTURE.parent.mkdir(exist_ok=True)
        _PICTURE.write_text(drawn("Acknowledged spans a second, medians", panels), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
