"""The ``console`` sink: what happens, as trees on the worker's standard output.

    trace 4bf92f3577b34da6a3ce929d0e0e4736 · planner
    ▸ plan (1.50s) ✓
      • retry
      ▸ search (12.00ms) ✗ no such index
      ▸ answer (in progress)

What is delivered together is drawn together: of a trace that goes on for longer, each part under a
head of its own. A terminal keeps nothing, so nothing is promised but the order.
Source: AITrace 0.2.0, console exporter.
"""

import asyncio
import os
import select
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from sidespand import hlc
from sidespand.config import values
from sidespand.limits import CONSOLE_LINES_PER_SPAN_MAX, CONSOLE_WAIT_S
from sidespand.model import Delivered, Delivery, Kind, Position, Record, Retry
from sidespand.plain import safe
from sidespand.sinks import span_json
from sidespand.sinks.spec import Generations, Option, SinkType

_WRITE_BYTES: Final = 1024
_DEPTH_DRAWN_MAX: Final = 12
_GREEN, _RED, _DIM, _BOLD = "32", "31", "2", "1"


class Drawn(NamedTuple):
    """One span that is drawn.

    Args:
        span: As recorded.
        service: Of its resource.
        stamp: LSN and HLC, for people.
    """

    span: Span
    service: str
    stamp: str


class ConsoleSink:
    """Implements ``ports.Sink``.

    Args:
        descriptor: Where to write.
        encoding: Of what is written; what it lacks is escaped.
        verbose: Attributes and stamps, too.
        colour: With colours.
        wait_s: How long a reader may keep us waiting, in seconds.
    """

    kinds = frozenset({Kind.SPANS, Kind.MARKS})

    def __init__(
        self,
        descriptor: int,
        encoding: str,
        *,
        verbose: bool,
        colour: bool,
        wait_s: float = CONSOLE_WAIT_S,
    ) -> None:
        self._descriptor = descriptor
        self._encoding = encoding
        self._verbose = verbose
        self._colour = colour
        self._wait_s = wait_s
        # What a reader that stopped reading has not got yet of these records.
        self._unread: tuple[Position, bytes] | None = None

    async def deliver(self, records: Sequence[Record]) -> Delivery:
        """Print the records; Retry while nobody reads."""
        place = records[-1].position
        if self._unread is not None and self._unread[0] == place:
            text = self._unread[1]
        else:
            lines = draw(records, verbose=self._verbose, colour=self._colour)
            text = "".join(f"{line}\n" for line in lines).encode(self._encoding, "backslashreplace")
        try:
            left = await asyncio.to_thread(self._write, text)
        except OSError as error:
            return Retry(f"standard output: {error.strerror}")
        self._unread = (place, left) if left else None
        return Retry("nobody reads standard output") if left else Delivered()

    async def close(self) -> None:
        """Do nothing: what is printed is printed."""

    def _write(self, text: bytes) -> bytes:
        left = memoryview(text)
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        while left:
            # A writer that blocked could not be stopped.
            if not poll.poll(self._wait_s * 1000):
                break
            left = left[os.write(self._descriptor, left[:_WRITE_BYTES]) :]
        return bytes(left)


def draw(records: Sequence[Record], *, verbose: bool, colour: bool) -> Iterator[str]:
    """Yield the lines that show records: a head for each trace, then its tree.

    Args:
        records: Of kind SPANS or MARKS.
        verbose: Attributes and stamps, too.
        colour: With escape sequences for colours; there are no others.
    """
    traces: dict[bytes, dict[bytes, Drawn]] = {}
    for record in records:
        for drawn in _spans(record):
            spans = traces.setdefault(drawn.span.trace_id, {})
            # The end of a span says all that its mark says.
            if drawn.span.end_time_unix_nano or drawn.span.span_id not in spans:
                spans[drawn.span.span_id] = drawn
    paint = _Paint(enabled=colour)
    for trace_id, spans in traces.items():
        services = sorted({one.service for one in spans.values() if one.service})
        head = f"trace {trace_id.hex()}"
        yield " · ".join([paint(_BOLD, head), *map(safe, services)])
        for depth, drawn in _tree(spans):
            yield from _lines(drawn, depth, paint, verbose=verbose)


def duration(start_ns: int, end_ns: int) -> str:
    """Return a duration as AITrace writes one: microseconds, milliseconds or seconds."""
    if not end_ns:
        return "in progress"
    microseconds = (end_ns - start_ns) // 1000
    if abs(microseconds) < 10**3:
        return f"{microseconds}μs"
    if abs(microseconds) < 10**6:
        return f"{microseconds / 10**3:.2f}ms"
    return f"{microseconds / 10**6:.2f}s"


class _Paint:
    def __init__(self, *, enabled: bool) -> None:
        self._enabled = enabled

    def __call__(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._enabled else text


def _spans(record: Record) -> Iterator[Drawn]:
    header = record.header
    assert record.payload is not None
    request = ExportTraceServiceRequest.FromString(record.payload)
    index = 0
    for resource_spans in request.resource_spans:
        service = span_json.attributes(resource_spans.resource.attributes).get("service.name", "")
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                moment = hlc.text(hlc.nth(header.stamp, index))
                stamp = f"lsn {header.first_lsn + index} hlc {moment}"
                yield Drawn(span, service if isinstance(service, str) else "", stamp)
                index += 1


def _tree(spans: Mapping[bytes, Drawn]) -> Iterator[tuple[int, Drawn]]:
    ordered = sorted(spans.values(), key=lambda one: one.span.start_time_unix_nano)
    children: dict[bytes, list[Drawn]] = {}
    roots = []
    for one in ordered:
        parent = one.span.parent_span_id
        if parent in spans and parent != one.span.span_id:
            children.setdefault(parent, []).append(one)
        else:
            roots.append(one)
    seen: set[bytes] = set()
    # Behind the roots come those that only lead to one another.
    for root in (*roots, *ordered):
        stack = [(0, root)]
        while stack:
            depth, one = stack.pop()
            if one.span.span_id in seen:
                continue
            seen.add(one.span.span_id)
            yield depth, one
            below = children.get(one.span.span_id, ())
            stack.extend((depth + 1, child) for child in reversed(below))


def _lines(drawn: Drawn, depth: int, paint: _Paint, *, verbose: bool) -> Iterator[str]:
    span = drawn.span
    indent = "  " * depth if depth <= _DEPTH_DRAWN_MAX else f"[{depth}] "
    took = duration(span.start_time_unix_nano, span.end_time_unix_nano)
    line = f"{indent}▸ {safe(span.name)} {paint(_DIM, f'({took})')}"
    if span.status.code == Status.STATUS_CODE_ERROR:
        line += " " + paint(_RED, f"✗ {safe(span.status.message)}".rstrip())
    elif span.end_time_unix_nano:
        line += " " + paint(_GREEN, "✓")
    yield f"{line} {paint(_DIM, drawn.stamp)}" if verbose else line
    if verbose:
        yield from _attributes(span.attributes, indent + "    ")
    for event in span.events[:CONSOLE_LINES_PER_SPAN_MAX]:
        yield f"{indent}  • {safe(event.name)}"
        if verbose:
            yield from _attributes(event.attributes, indent + "      ")


def _attributes(pairs: Any, indent: str) -> Iterator[str]:
    for pair in pairs[:CONSOLE_LINES_PER_SPAN_MAX]:
        yield f"{indent}{safe(pair.key)}: {safe(str(span_json.value(pair.value)))}"


def _wants_colour(choice: str, descriptor: int) -> bool:
    if choice != "auto":
        return choice == "always"
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return not plain and os.isatty(descriptor)


def _make(options: Mapping[str, Any], _place: Path, _generations: Generations) -> ConsoleSink:
    descriptor = sys.__stdout__.fileno() if sys.__stdout__ is not None else 1
    encoding = sys.__stdout__.encoding if sys.__stdout__ is not None else "utf-8"
    colour = _wants_colour(options["colour"], descriptor)
    return ConsoleSink(descriptor, encoding, verbose=options["verbose"], colour=colour)


CONSOLE = SinkType(
    {
        "verbose": Option(values.boolean, default=False),
        "colour": Option(values.one_of("auto", "always", "never"), "auto"),
    },
    _make,
)
