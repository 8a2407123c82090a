"""``sidespan export``: traces as OTLP, lines of JSON, Markdown, or one page of HTML.

``sidespan import`` reads the first three formats on any node.
"""

import argparse
import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from sidespand.cli import answers, arguments, exits, store
from sidespand.cli.command import UsageError
from sidespand.cli.indexed import IndexedTraces
from sidespand.cli.output import print_note
from sidespand.cli.progress import Progress
from sidespand.errors import NotFound

if TYPE_CHECKING:
    from sidespand.cli.show_asked import Shown

_FORMATS = ("otlp", "otlp-protobuf", "jsonl", "md", "html")
_TRACES = 1000
_OWNER_ONLY = 0o600


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    answers.add_query(parser)
    parser.add_argument("-f", "--format", choices=_FORMATS, default="otlp", help="default otlp")
    parser.add_argument(
        "-o", "--output", metavar="FILE", type=Path, help="default: standard output"
    )
    parser.add_argument(
        "--id", metavar="ID|last", action="append", default=[], help="this trace, too or alone"
    )
    count = arguments.count_from(1)
    parser.add_argument(
        "-n", dest="count", metavar="N", type=count, default=_TRACES, help="traces; default 1000"
    )
    parser.add_argument("--sort", metavar="ORDER", help="which come first, such as -cost")
    arguments.add_all(parser)
    answers.add_reading(parser)


def run(args: argparse.Namespace) -> int:
    """Write the traces.

    Raises:
        NotFound: None matches. Nothing was written.
    """
    if args.json:
        raise UsageError("export writes files", hint="-f jsonl or -f otlp writes JSON")
    if args.output is None and args.format == "otlp-protobuf" and sys.stdout.isatty():
        raise UsageError("protobuf is not for a terminal", hint="name a file with -o FILE")
    traces = (trace for trace in _traces(args) if trace.tree.rows)
    first = next(traces, None)
    if first is None:
        raise NotFound("no trace matches", hint="`sidespan ls` lists what is recorded")
    counted = _Counted(first, traces)
    if args.output is None:
        sys.stdout.flush()
        for piece in _pieces(args.format, counted):
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
    else:
        _write(args.output, lambda file: file.writelines(_pieces(args.format, counted)))
    spans = f"{counted.spans} spans" if counted.spans != 1 else "1 span"
    what = f"{counted.traces} traces" if counted.traces != 1 else "1 trace"
    print_note(f"{what}, {spans}" + (f" in {args.output}" if args.output else ""))
    return exits.OK


class _Counted:
    """Iterates over traces and counts them."""

    def __init__(self, first: "Shown", rest: "Iterator[Shown]") -> None:
        self._first, self._rest = first, rest
        self.traces = self.spans = 0

    def __iter__(self) -> "Iterator[Shown]":
        yield self._count(self._first)
        for trace in self._rest:
            yield self._count(trace)

    def _count(self, trace: "Shown") -> "Shown":
        self.traces += 1
        self.spans += len(trace.tree.rows)
        return trace


def _traces(args: argparse.Namespace) -> "Iterator[Shown]":
    from sidespand.cli import show

    for name in args.id:
        yield show.find(args, name)
    if args.id and not args.query:
        return
    query = answers.query_text(args)
    with answers.opened(args) as asked, contextlib.ExitStack() as held:
        rows = list(asked.each_trace(query, args.sort, args.count))
        indexed = None
        if asked.api_sock is None and not args.all:
            indexed = IndexedTraces(store.data_dir(args), asked.index())
            held.callback(indexed.close)
        # Beside the lines of a trace on the same terminal it would be in the way.
        progress = Progress("exporting", len(rows), quiet=_drawn_over(args))
        for row in rows:
            progress.tell(row["trace_id"], 0)
            trace = indexed.trace(bytes.fromhex(row["trace_id"])) if indexed else None
            yield trace or show.find(args, row["trace_id"])


def _drawn_over(args: argparse.Namespace) -> bool:
    return args.output is None and sys.stdout.isatty()


def _pieces(name: str, traces: _Counted) -> Iterator[bytes]:
    if name == "html":
        from sidespand.exchange import write_html

        shown = (write_html.Trace(one.trace_id, one.tree) for one in traces)
        yield from (piece.encode() for piece in write_html.page(shown, time.time_ns()))
        return
    for number, trace in enumerate(traces):
        if name == "md":
            from sidespand.cli.markdown import render

            text = "\n".join(render(trace.trace_id, trace.tree, time.time_ns()))
            yield (("\n---\n\n" if number else "") + text + "\n").encode()
            continue
        yield from _lines(name, trace)


def _lines(name: str, trace: "Shown") -> Iterator[bytes]:
    spans = [row.span for row in trace.tree.rows]
    if name == "jsonl":
        from sidespand.exchange import write_lines

        yield from write_lines.json_lines(
            spans, lambda lineage, generation: trace.nodes.get((lineage, generation), "")
        )
        return
    from sidespand.exchange import write_otlp

    write = write_otlp.json_lines if name == "otlp" else write_otlp.messages
    yield from write(spans)


def _write(path: Path, fill: Callable[[BinaryIO], None]) -> None:
    # What is exported is as private as the store; a file that is there is replaced when all is in.
    draft = path.with_name(f".{path.name}.{time.time_ns()}.tmp")
    try:
        with draft.open("xb") as file:
            draft.chmod(_OWNER_ONLY)
            fill(file)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
