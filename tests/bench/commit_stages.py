"""Prints where the commit's share of one small message goes, and what LMDB alone takes of it.

    python -m tests.bench.commit_stages [--groups N] [--rounds N]

CPU of one thread, so nothing waits for the interpreter's lock and nothing is handed over: groups
of 16 messages of 16 instances, one span each, through the writer's own stages into a segment that
is flushed. ``LMDB alone`` puts values and rows of the same sizes in one transaction and does
nothing else: no journal on it is below that. Medians of the rounds.
"""

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import lmdb
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from sidespand.clock import SystemClock
from sidespand.hlc import ZERO
from sidespand.journal.group import Group, Pending
from sidespand.journal.open_spans import OpenSpans
from sidespand.journal.segment import SegmentWriter, create
from sidespand.journal.sessions import Sessions
from sidespand.journal.stamper import seal
from sidespand.journal.state import Head
from sidespand.limits import MIB
from sidespand.model import Content, Kind, Peer, Receipt, SessionStep

GROUP = 16
MAP_BYTES = 1024 * MIB


def span() -> bytes:
    """Return a request of one span with three attributes."""
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    one = resource.scope_spans.add().spans.add(
        trace_id=os.urandom(16),
        span_id=os.urandom(8),
        name="call model",
        start_time_unix_nano=time.time_ns(),
        end_time_unix_nano=time.time_ns(),
    )
    for number in range(3):
        one.attributes.add(key=f"key.{number}").value.string_value = "value" * 4
    return request.SerializeToString()


def ours(directory: Path, groups: int) -> dict[str, float]:
    """Return the CPU seconds of the writer's stages, by name."""
    path = directory / "ours.mdb"
    create(path, MAP_BYTES)
    segment = SegmentWriter(path, MAP_BYTES, sync=True)
    clock, body, loop = SystemClock(), span(), asyncio.new_event_loop()
    head = Head(1, bytes(8), 1, 1, 0, 0, ZERO, 0, 0, bytes(16), bytes(16), ())
    sessions, open_spans = Sessions({}), OpenSpans([])
    producers: dict[tuple[Peer, bytes], int] = {}
    peers = [Peer("ingest", 0, 1000 + number) for number in range(GROUP)]
    instances = [os.urandom(16) for _ in range(GROUP)]
    futures: list[asyncio.Future[Receipt]] = [loop.create_future() for _ in range(GROUP)]
    spent: dict[str, float] = defaultdict(float)
    cpu = time.thread_time
    for number in range(groups):
        begun = cpu()
        sealed = [seal(Content(Kind.SPANS, body, 1), clock) for _ in range(GROUP)]
        spent["salt, SHA-256, CRC-32C"] += cpu() - begun
        pendings = [
            Pending([one], peer, SessionStep(instance, number + 1, number, 0), len(body), done)
            for one, peer, instance, done in zip(sealed, peers, instances, futures, strict=True)
        ]
        begun = cpu()
        group = Group(head, sessions, producers, clock, open_spans=open_spans)
        for pending in pendings:
            group.add(pending)
        spent["decide, stamp, leaf, tree, token"] += cpu() - begun
        begun = cpu()
        rows = group.rows(everything=False)
        spent["session rows and head"] += cpu() - begun
        begun = cpu()
        segment.commit(group.draft.values, rows)
        spent["LMDB's transaction, with the flush"] += cpu() - begun
        head = group.draft.head()
        sessions.update(group.new_rows, group.forgotten)
        producers.update(group.new_producers)
    segment.close()
    loop.close()
    return spent


def alone(directory: Path, groups: int) -> float:
    """Return the CPU seconds of transactions that only put and flush."""
    environment = lmdb.open(
        str(directory / "alone.mdb"), subdir=False, map_size=MAP_BYTES, max_dbs=4
    )
    records, state = environment.open_db(b"records"), environment.open_db(b"state")
    value, row, head = bytes(430), bytes(90), bytes(360)
    names = [os.urandom(17) for _ in range(GROUP)]
    key = 0
    begun = time.thread_time()
    for _ in range(groups):
        with environment.begin(write=True) as txn:
            for _ in range(GROUP):
                key += 1
                txn.put(key.to_bytes(8, "big"), value, append=True, db=records)
            for name in names:
                txn.put(name, row, db=state)
            txn.put(b"head", head, db=state)
    spent = time.thread_time() - begun
    environment.close()
    return spent


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--groups", type=int, default=2000, help="a round (default 2000)")
    parser.add_argument("--rounds", type=int, default=5, help="(default 5)")
    args = parser.parse_args()
    found: dict[str, list[float]] = defaultdict(list)
    for _ in range(args.rounds):
        with tempfile.TemporaryDirectory(prefix="sidespan-bench-") as directory:
            spent = ours(Path(directory), args.groups)
            for stage, seconds in spent.items():
                found[stage].append(seconds)
            found["all of it"].append(sum(spent.values()))
            found["LMDB alone"].append(alone(Path(directory), args.groups))
    for stage, rounds in found.items():
        cost_us = statistics.median(rounds) / args.groups / GROUP * 1e6
        print(f"{stage:<40}{cost_us:>8.2f} CPU us/message")
    return 0


if __name__ == "__main__":
    sys.exit(main())
