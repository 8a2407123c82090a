"""What a span costs a journal that holds 50 million of them, and one that is empty.

    python -m tests.bench.scale [--spans N] [--write]

Two stores take turns: one is filled with ``--spans`` first, the other is new. First their daemons,
without sinks and index, take the same load in rounds. Then each is started with an ``otlp`` sink
over OTLP/gRPC, policy full, that begins at the first span; the full store has all of its spans to
deliver, the other the million of the rounds. A span has 2 attributes and an event; a million take
some 170 MB of disk.
"""

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from tests.bench import compiled
from tests.bench.drain import FILLING, Drain, catch_up
from tests.bench.load import Load
from tests.bench.machine import cpu_s, flush_latency, rss_anon_mib
from tests.bench.page import publish, table
from tests.daemon import Daemon, running

LOAD = Load("frames", 4, 8, 500, 2)
_STEP_SPANS = 5_000_000
_PROBE_SPANS = 1_000_000
_STORED_BYTES_PER_SPAN = 220
_SPARE_BYTES = 1 << 30


class Ingest(NamedTuple):
    """One round.

    Args:
        spans_per_s: That were acknowledged.
        cpu_us: Of the recorder, a span.
        p99_ms: Of the acknowledgements.
        rss_anon_mib: Of the recorder, at the end.
    """

    spans_per_s: float
    cpu_us: float
    p99_ms: float
    rss_anon_mib: float


class Cost(NamedTuple):
    """What one store costs.

    Args:
        start_s: From exec to ready.
        ingest: Medians of its rounds.
        drain: How a sink caught up with it.
    """

    start_s: float
    ingest: Ingest
    drain: Drain


def send(daemon: Daemon, spans: int) -> Ingest:
    """Send ``spans`` and say what that cost.

    Raises:
        AssertionError: A request failed.
    """
    before = cpu_s([daemon.pid])
    result = compiled.run(LOAD, str(daemon.ingest), spans // LOAD.spans)
    assert result.failed == 0, f"{result.failed} requests failed"
    taken = result.requests * LOAD.spans
    cpu_us = (cpu_s([daemon.pid]) - before) / taken * 1e6
    return Ingest(taken / result.seconds, cpu_us, result.p99_ms, rss_anon_mib(daemon.pid))


def fill(root: Path, spans: int) -> None:
    """Make a store below ``root`` with ``spans``, in steps that are told."""
    with running(root, config=FILLING) as daemon:
        for first in range(0, spans, _STEP_SPANS):
            step = send(daemon, min(_STEP_SPANS, spans - first))
            print(f"  {first:>12,}  {step.spans_per_s:,.0f} spans/s", flush=True)


def compare(full: Path, fresh: Path, spans: int, rounds: int) -> dict[str, Cost]:
    """Fill one store with ``spans``, make another; return what each costs."""
    probe = _PROBE_SPANS // rounds // LOAD.spans * LOAD.spans
    fill(full, spans)
    starts: dict[str, float] = {}
    rows: dict[str, list[Ingest]] = {"full": [], "empty": []}
    began = time.monotonic()
    with running(full, config=FILLING) as one:
        starts["full"] = time.monotonic() - began
        began = time.monotonic()
        with running(fresh, config=FILLING) as other:
            starts["empty"] = time.monotonic() - began
            for _ in range(rounds):
                rows["full"].append(send(one, probe))
                rows["empty"].append(send(other, probe))
    drains = {
        "empty": catch_up(fresh, probe * rounds),
        "full": catch_up(full, spans + probe * rounds),
    }
    return {
        name: Cost(
            starts[name],
            Ingest(*(statistics.median(column) for column in zip(*rows[name], strict=True))),
            drains[name],
        )
        for name in ("full", "empty")
    }


def report(found: dict[str, Cost], spans: int) -> str:
    """Return the table, with the ratios of the full store's figures to the empty one's."""

    def row(what: str, full: float, empty: float, form: str) -> list[str]:
        return [what, f"{empty:{form}}", f"{full:{form}}", f"**{full / empty:.2f}**"]

    full, empty = found["full"], found["empty"]
    rows = [
        row("ingest, CPU µs/span of the recorder", full.ingest.cpu_us, empty.ingest.cpu_us, ".2f"),
        row("ingest, spans/s", full.ingest.spans_per_s, empty.ingest.spans_per_s, ",.0f"),
        row("ingest, ack p99 ms", full.ingest.p99_ms, empty.ingest.p99_ms, ".1f"),
        row("recorder, RssAnon MiB", full.ingest.rss_anon_mib, empty.ingest.rss_anon_mib, ".0f"),
        row("drain, CPU µs/span of the worker", full.drain.cpu_us, empty.drain.cpu_us, ".2f"),
        row("drain, spans/s", full.drain.rate, empty.drain.rate, ",.0f"),
        row("worker, most RssAnon MiB", full.drain.rss_anon_mib[-1],
            empty.drain.rss_anon_mib[-1], ".0f"),
        row("start to ready, s (the empty one is made)", full.start_s, empty.start_s, ".2f"),
    ]  # fmt: skip
    return table(["", "empty at first", f"{spans:,} spans", "ratio"], rows)


def main() -> int:
    """Print the table, and write it where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spans", type=int, default=50_000_000, help="(default 50000000)")
    parser.add_argument("--rounds", type=int, default=5, help="of ingest (default 5)")
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md")
    parser.add_argument("--directory", type=Path, help="where the stores lie for the run")
    args = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(dir=args.directory, prefix="sidespan-bench-") as directory:
        root = Path(directory)
        disk = shutil.disk_usage(root)
        needed = args.spans * _STORED_BYTES_PER_SPAN + _SPARE_BYTES + disk.total // 10
        if disk.free < needed:
            short = f"{root}: {disk.free >> 30} GiB free, {needed >> 30} GiB needed"
            print(f"error: {short}\nhint: --spans, or --directory on a larger disk",
                  file=sys.stderr)  # fmt: skip
            return 2
        flush = flush_latency(root)
        found = compare(root / "full", root / "fresh", args.spans, args.rounds)
    text = report(found, args.spans)
    minutes = (time.monotonic() - began) / 60
    said = (
        f"{time.strftime('%Y-%m-%d')}, `python -m tests.bench.scale --spans {args.spans}`, "
        f"{minutes:.0f} minutes; disk flush of 4 KiB {flush.p50_us:.0f} µs (p50), "
        f"{flush.p99_us:.0f} µs (p99)."
    )
    print(f"\n{said}\n\n{text}")
    if args.write:
        publish("bench-scale", "A journal of many spans", f"{said}\n\n{text}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
