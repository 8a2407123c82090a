"""``sidespan show``: one trace as a tree, each span with its stamp.

Asks the daemon first. Without one, or for a trace too large for one answer, reads the journal.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from sidespand.cli import answers, arguments, exits, gone, store, units
from sidespand.cli.command import UsageError
from sidespand.cli.output import print_json, print_note
from sidespand.cli.text import Screen, safe, table
from sidespand.errors import NotFound
from sidespand.limits import FIND_QUIET_BYTES, TRACE_SPANS_MAX

if TYPE_CHECKING:
    from sidespand.cli.show_asked import Shown
    from sidespand.journal.reader import JournalReader
    from sidespand.query.collect import FoundTrace
    from sidespand.query.redactions import Redactions
    from sidespand.query.span import Span
    from sidespand.query.traces import Row, Tree
    from sidespand.query.walk import Walk

_LAST = "last"
# Values of query.span.State.
_ENDED, _ABANDONED = "ended", "abandoned"
_HEADER = ("NAME", "SERVICE", "DURATION", "STATUS", "LSN", "HLC", "")
# Deeper levels are drawn with their number, so that a chain of calls keeps its names on screen.
_DEPTH_DRAWN_MAX = 12


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    answers.add_reading(parser)
    parser.add_argument(
        "id", metavar="ID|last", help="a trace or span id, or a unique prefix of 6 digits or more"
    )
    parser.add_argument("--md", action="store_true", help="print Markdown")
    parser.add_argument(
        "--io", action="store_true", help="print what models and tools were given and gave back"
    )
    arguments.add_all(parser)


def run(args: argparse.Namespace) -> int:
    """Print the trace that the id names, and what was redacted of it."""
    if args.md and (args.json or args.io):
        raise UsageError(
            "--md is a form of its own, which has everything",
            hint="give it without --json and --io",
        )
    return _tell(args, find(args, args.id))


def find(args: argparse.Namespace, name: str) -> "Shown":
    """Return the trace that an id or ``last`` names.

    Args:
        args: As ``answers.add_reading`` and ``arguments.add_all`` declare them.
        name: A trace or span id, a unique prefix of one, or ``last``.

    Raises:
        NotFound: Nothing answers to it. Not retryable.
        UnusableId: It is no id, or several things answer to it. Not retryable.
    """
    if not args.all:
        from sidespand.cli import show_asked

        found = show_asked.ask(args, name)
        if found is not None:
            return found
    return _read(args, name)


def _read(args: argparse.Namespace, name: str) -> "Shown":
    """Return the trace as the journal has it."""
    from sidespand.cli.show_asked import Shown
    from sidespand.query.documents import trace_document, walk_document
    from sidespand.query.redactions import Redactions, redaction_document
    from sidespand.query.traces import assemble
    from sidespand.query.walk import Walk

    with store.opened(args) as opened:
        quiet_bytes = None if args.all else FIND_QUIET_BYTES
        redactions = Redactions()

        def walk() -> Walk:
            records = redactions.noting(opened.reader.newest_first())
            return Walk(records, quiet_bytes=quiet_bytes)

        trace_id = _trace_id(name, walk, redactions)
        collecting = walk()
        found = _collect(opened.reader, collecting, trace_id, redactions)
        tree = assemble(found.spans)
        redacted = redactions.of_trace(trace_id)
        document = trace_document(trace_id, tree, opened.node_ref)
        document["redacted"] = [redaction_document(*one) for one in redacted]
        document["scan"] = walk_document(collecting, truncated=found.truncated)
        recorders = {_recorder(row.span) for row in tree.rows}
        names = {recorder: opened.node_ref(*recorder) for recorder in recorders}
    notes = list(gone.lines(document["redacted"], utc=args.utc))
    if found.truncated:
        notes.append(f"only the newest {TRACE_SPANS_MAX} spans of the trace are shown")
    elif not collecting.complete:
        oldest = collecting.oldest
        notes.append(f"nothing before {oldest} was searched; --all reads the whole journal")
    return Shown(trace_id, tree, names, document, tuple(notes))


def _tell(args: argparse.Namespace, shown: "Shown") -> int:
    if args.json:
        document = shown.document
        if args.io:
            from sidespand.cli import show_io

            document = show_io.with_messages(document, shown.tree)
        print_json(document)
    elif shown.tree.rows and args.md:
        from sidespand.cli.markdown import render

        print("\n".join(render(shown.trace_id, shown.tree, time.time_ns())))
    elif shown.tree.rows:
        _print(shown, utc=args.utc, io=args.io)
    else:
        print(f"trace {shown.trace_id.hex()}: nothing of it is left")
    for note in shown.notes:
        print_note(note)
    return exits.OK


def _trace_id(text: str, walk: "Callable[[], Walk]", redactions: "Redactions") -> bytes:
    from sidespand.query.find import newest_span, resolve_trace
    from sidespand.query.spans import begun_items

    if text == _LAST:
        return newest_span(walk(), begun_items).item.span.trace_id
    try:
        return resolve_trace(walk(), text)
    except NotFound:
        # Nothing of it can be read, but the log may tell why.
        named = redactions.traces(text.lower())
        if len(named) != 1:
            raise
        return named[0]


def _collect(
    reader: "JournalReader", walk: "Walk", trace_id: bytes, redactions: "Redactions"
) -> "FoundTrace":
    from sidespand.query.collect import FoundTrace, collect_trace

    # After the table was read a span may end, which its end then shows; never the reverse.
    running = {span.mark.key for span in reader.open_spans()}
    try:
        return collect_trace(walk, trace_id, running)
    except NotFound:
        if not redactions.of_trace(trace_id):
            raise
        return FoundTrace(trace_id, (), truncated=False)


def _print(shown: "Shown", *, utc: bool, io: bool) -> None:
    screen = Screen()
    tree = shown.tree
    spans = [row.span for row in tree.rows]
    start_ns = min(span.start_ns for span in spans)
    end_ns = max(span.end_ns for span in spans)
    services = sorted({span.service for span in spans if span.service})
    errors = sum(span.status == "error" for span in spans)
    facts = [
        units.moment(start_ns, utc=utc),
        units.duration(start_ns, end_ns),
        _counted(len(spans), "span"),
    ]
    if services:
        facts.append(safe(", ".join(services)))
    if errors:
        facts.append(_counted(errors, "error"))
    if tree.duplicate_count:
        facts.append(f"{_counted(tree.duplicate_count, 'duplicate')} left out")
    print(screen.bold(f"trace {shown.trace_id.hex()}"))
    print(" · ".join(facts))
    recorders = {_recorder(span) for span in spans}
    for lineage, generation in sorted(recorders):
        node = safe(shown.nodes.get((lineage, generation), "")) or "unknown"
        print(screen.dim(f"node {node} · lineage {lineage.hex()} · generation {generation}"))
    print()
    cells = list(_cells(tree, name_stamps=len(recorders) > 1))
    header, *lines = table([_HEADER, *cells], 0, screen.columns)
    print(screen.dim(header))
    for row, line in zip(tree.rows, lines, strict=True):
        alarming = row.span.status == "error" or row.span.state == _ABANDONED
        print(screen.red(line) if alarming else line)
        if io:
            from sidespand.cli import show_io

            for said in show_io.lines(row, screen):
                print(said)


def _recorder(span: "Span") -> tuple[bytes, int]:
    return span.stamp.position.lineage, span.stamp.boot_generation


def _cells(tree: "Tree", *, name_stamps: bool) -> Iterator[tuple[str, ...]]:
    from sidespand import hlc

    # Whether the ancestor at a depth has a sibling below, which its line leads to.
    open_levels: list[bool] = []
    for row in tree.rows:
        del open_levels[max(0, row.depth - 1) :]
        if row.depth:
            open_levels.append(not row.last)
        span = row.span
        stamp = span.stamp
        notes = [row.root.value] if row.root is not None and span.parent_span_id else []
        if span.abandonment is not None:
            notes.append(f"{span.state}: {_client(span)}, {span.abandonment.reason}")
        elif span.state != _ENDED:
            notes.append(span.state.value)
        if name_stamps:
            notes.append(f"in {stamp.position.lineage.hex()} generation {stamp.boot_generation}")
        yield (
            _branch(row, open_levels) + safe(span.name),
            safe(span.service),
            units.duration(span.start_ns, span.end_ns),
            span.status,
            str(stamp.position.lsn),
            hlc.text(stamp.hlc),
            ", ".join(notes),
        )


def _client(span: "Span") -> str:
    abandonment = span.abandonment
    if abandonment is None or abandonment.pid is None:
        return "client of unknown pid"
    return f"client pid {abandonment.pid}"


def _branch(row: "Row", open_levels: list[bool]) -> str:
    if not row.depth:
        return ""
    if row.depth > _DEPTH_DRAWN_MAX:
        return f"[{row.depth}] "
    rails = "".join("│  " if is_open else "   " for is_open in open_levels[:-1])
    return rails + ("└─ " if row.last else "├─ ")


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
