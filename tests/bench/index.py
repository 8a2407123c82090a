"""Measures the index: how fast it is written, and how soon it answers when it is large.

    python -m tests.bench.index [--spans N] [--data DIR]

Spans go through the real writer, one transaction a second of indexing as when it catches up. The
questions are those of the list, the search and the page of a trace, each many times with other
words and places; the file is in the page cache as far as memory goes.
"""

import argparse
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from math import ceil
from pathlib import Path
from typing import NamedTuple

from sidespand.ai import normaliser
from sidespand.app.worker import calm_collector
from sidespand.index.files import facts_of, open_or_begin
from sidespand.index.reader import IndexReader
from sidespand.index.writer import IndexWriter
from sidespand.limits import INDEX_BATCH_ITEMS
from sidespand.search import parse
from tests.bench.agent_spans import SPANS_PER_RECORD, START_NS, agent_records

_ROUNDS = 40
_STEP_S = 0.04
_TOLD_EVERY = 1_000_000


class Written(NamedTuple):
    """How the writing went.

    Args:
        spans: How many.
        cpu_us: CPU of one span, in microseconds, of the writer's thread.
        last_cpu_us: The same of the last tenth.
        file_bytes: What the file takes.
    """

    spans: int
    cpu_us: float
    last_cpu_us: float
    file_bytes: int


def write(path: Path, spans: int, told: Callable[[int], None] = lambda _: None) -> Written:
    """Write an index of ``spans`` spans; ``told`` hears how many are in it, about each million."""
    db = open_or_begin(path, facts_of("bench", {}))
    writer = IndexWriter(db, normaliser(), lambda _lineage, _generation: "node://bench@host")
    costs: list[float] = []
    batch_records = INDEX_BATCH_ITEMS // SPANS_PER_RECORD
    batch = []
    told_of = 0
    for number, record in enumerate(agent_records(spans), 1):
        batch.append(record)
        if len(batch) == batch_records or number * SPANS_PER_RECORD == spans:
            began = time.thread_time()
            db.execute("BEGIN IMMEDIATE")
            for one in batch:
                writer.index(one)
            writer.finish(batch[-1].position)
            db.execute("COMMIT")
            costs.append((time.thread_time() - began) / (len(batch) * SPANS_PER_RECORD))
            batch = []
            done = number * SPANS_PER_RECORD
            if done // _TOLD_EVERY > told_of or done == spans:
                told_of = done // _TOLD_EVERY
                told(done)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    last = costs[-max(1, len(costs) // 10) :]
    return Written(
        spans, statistics.fmean(costs) * 1e6, statistics.fmean(last) * 1e6, path.stat().st_size
    )


def questions(reader: IndexReader, spans: int) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield what is asked: a name, and a question that differs each time."""
    source = random.Random(3)
    traces = spans // 10

    def since() -> str:
        at_ns = START_NS + int(source.randrange(traces) * _STEP_S * 1e9)
        return f"until:{at_ns // 10**9}s" if not at_ns else f"since:{_iso(at_ns)}"

    lines = {
        "newest": lambda: "",
        "from a time on": since,
        "kind and model": lambda: "kind:llm model:gpt-4o-mini",
        "errors": lambda: "status:error",
        "errors of a tool": lambda: "status:error tool:refund scope:span",
        "slowest": lambda: "sort:-dur",
        "longer than": lambda: "dur:>20s",
        "one conversation": lambda: f"conversation:conversation-{source.randrange(traces // 3)}",
        "one user": lambda: f"user:user-{source.randrange(5000)}",
        "names with a star": lambda: "name:execute_tool* service:service-3",
        "a rare word": lambda: "quicksilver",
        "a common word": lambda: f"text:{source.choice(['refund', 'weather', 'invoice'])}",
        "two words of a phrase": lambda: 'text:"refund order"',
        "errors with a word": lambda: "status:error lisbon",
        "lacking a word": lambda: "kind:llm -harbour",
        "a word before a time": lambda: since().replace("since:", "ticket until:"),
        "an attribute": lambda: f'attr.app.key3:"value {source.randrange(100)}"',
        "one request": lambda: f"request:chatcmpl-{source.randrange(traces):x}-1",
    }
    for name, line in lines.items():
        yield f"traces, {name}", lambda line=line: reader.traces(parse(line()))
    yield "spans, newest of a tool", lambda: reader.spans(parse("tool:lookup"))
    yield "spans, errors of a model", lambda: reader.spans(parse("kind:llm status:error"))
    yield "spans, a common word", lambda: reader.spans(parse("policy"))
    yield "spans, of a tool, lacking a word", lambda: reader.spans(parse("tool:lookup -door"))
    newest = reader.traces(parse(""), limit=1000).rows
    yield "open a trace", lambda: reader.skeleton(source.choice(newest).trace_id)
    yield "complete a model", lambda: reader.complete("model", "gpt")


def _iso(at_ns: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at_ns // 10**9))


def ask(reader: IndexReader, spans: int, rounds: int = _ROUNDS) -> dict[str, tuple[float, float]]:
    """Return median and 95th percentile (nearest rank) of each question's time, in ms."""
    found = {}
    for name, question in questions(reader, spans):
        taken = []
        for _ in range(rounds):
            began = time.perf_counter()
            question()
            taken.append((time.perf_counter() - began) * 1000)
        taken.sort()
        found[name] = (taken[len(taken) // 2], taken[ceil(len(taken) * 0.95) - 1])
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--spans", type=int, default=100_000)
    parser.add_argument("--data", type=Path, help="a directory to write to; a temporary one else")
    args = parser.parse_args()
    spans = max(SPANS_PER_RECORD, args.spans // SPANS_PER_RECORD * SPANS_PER_RECORD)
    directory = Path(tempfile.mkdtemp(dir=args.data))
    calm_collector()
    try:
        path = directory / "index.sqlite"
        written = write(path, spans)
        print(
            f"{spans} spans: {written.cpu_us:.1f} µs CPU a span,"
            f" {1e6 / written.cpu_us:.0f}/s on one core,"
            f" the last tenth {written.last_cpu_us:.1f} µs; {written.file_bytes / spans:.0f} bytes"
            " a span"
        )
        reader = IndexReader(path)
        for name, (p50, p95) in ask(reader, spans).items():
            print(f"{p50:9.2f} ms p50 {p95:9.2f} ms p95  {name}")
        reader.close()
    finally:
        shutil.rmtree(directory)


if __name__ == "__main__":
    main()
