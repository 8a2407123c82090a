"""``sidespan emit NAME``: one finished span from a script."""

import argparse
import json
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from time import monotonic, time_ns

import sidespan
from sidespan._context import SpanContext, child_context, root_context
from sidespan._export import FinishedSpan
from sidespan._limits import FLUSH_POLL_S
from sidespan._w3c import format_traceparent

_NS_PER_S = 1_000_000_000
_KINDS = ("internal", "server", "client", "producer", "consumer")


class _UsageError(Exception):
    """An argument has no meaning."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    when = "Unix seconds such as `date +%%s.%%N`, or RFC 3339"
    parser.add_argument("name", help="what was done")
    parser.add_argument(
        "--attr",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="an attribute; numbers, true and false keep their type",
    )
    parser.add_argument(
        "--event",
        action="append",
        default=[],
        metavar="NAME",
        help="an event, at the span's end; NAME@TIME for another time",
    )
    parser.add_argument(
        "--parent",
        metavar="TRACEPARENT",
        help="what it belongs to; without it TRACEPARENT in the environment, with '' nothing",
    )
    parser.add_argument(
        "--start", metavar="TIME", help=f"when it began: {when}; without it the end"
    )
    parser.add_argument("--end", metavar="TIME", help="when it ended; without it now")
    parser.add_argument("--error", default="", metavar="TEXT", help="why it failed")
    parser.add_argument(
        "--kind", choices=_KINDS, default="internal", help="its role between processes"
    )
    parser.add_argument(
        "--service", help="names the program; without it SIDESPAN_SERVICE, then `shell`"
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=2.0,
        metavar="S",
        help="how long to wait for the recorder (2)",
    )


def run(args: argparse.Namespace) -> int:
    """Record the span and print its ``traceparent``.

    Returns:
        0 when it is on disk or recording is switched off, 1 when it is not, 2 for wrong arguments.
    """
    try:
        made = _made(args)
    except _UsageError as error:
        sys.stderr.write(f"sidespan emit: {error}\n")
        return 2
    service = (
        args.service or os.environ.get("SIDESPAN_SERVICE") or os.environ.get("OTEL_SERVICE_NAME")
    )
    sidespan.init(service=service or "shell")
    off = sidespan.status().state == "off"
    durable = off or _durable(made, args.timeout)
    context = made.context
    sys.stdout.write(
        format_traceparent(context.trace_id_bytes, context.span_id_bytes, context.trace_flags)
        + "\n"
    )
    if durable:
        sidespan.shutdown(0.1)
        return 0
    status = sidespan.status()
    sidespan.shutdown(0)
    reason = status.last_error or "the recorder did not answer in time"
    sys.stderr.write(
        f"sidespan emit: not recorded: {reason}\n"
        "hint: `sidespan serve` starts the recorder; SIDESPAN_SOCKET says where it is\n"
    )
    return 1


def _durable(made: FinishedSpan, timeout_s: float) -> bool:
    """Hand the span over; tell whether it is on disk in time. An absent recorder is not awaited."""
    deadline = monotonic() + timeout_s
    result = sidespan.export([made], timeout_s=FLUSH_POLL_S)
    durable = result.durable and not result.refused
    while not durable and not result.refused and monotonic() < deadline:
        if sidespan.status().state == "unreachable":
            return False
        durable = sidespan.flush(FLUSH_POLL_S)
    return durable and sidespan.status().dropped == 0


def _made(args: argparse.Namespace) -> FinishedSpan:
    """Return the span that the arguments describe.

    Raises:
        _UsageError: One has no meaning.
    """
    end_ns = _time_ns("--end", args.end) if args.end else time_ns()
    start_ns = _time_ns("--start", args.start) if args.start else end_ns
    if start_ns > end_ns:
        raise _UsageError("--start is after --end")
    parent = _parent(args.parent)
    events: list[tuple[str, int, Mapping[str, object]]] = []
    for event in args.event:
        name, separator, when = event.rpartition("@")
        at_ns = _time_ns("--event", when) if separator else end_ns
        events.append((name if separator else event, at_ns, {}))
    return FinishedSpan(
        args.name,
        start_ns,
        end_ns,
        context=root_context() if parent is None else child_context(parent),
        parent=parent,
        kind=args.kind,
        attributes=dict(map(_attribute, args.attr)),
        events=events,
        error=args.error,
    )


def _parent(given: str | None) -> SpanContext | None:
    if given is None:
        return sidespan.extract(os.environ)
    if not given:
        return None
    carrier = {"traceparent": given.strip()}
    if os.environ.get("TRACEPARENT") == given:
        carrier["tracestate"] = os.environ.get("TRACESTATE", "")
    parent = sidespan.extract(carrier)
    if parent is None:
        raise _UsageError(f"--parent {given!r}: expected a traceparent")
    return parent


def _attribute(pair: str) -> tuple[str, object]:
    key, separator, text = pair.partition("=")
    if not separator or not key:
        raise _UsageError(f"--attr {pair!r}: expected KEY=VALUE")
    try:
        value = json.loads(text)
    except ValueError:
        return key, text
    # A text in quotes, a list or a map is what it looks like: a text.
    return key, value if isinstance(value, bool | int | float) else text


def _time_ns(option: str, text: str) -> int:
    """Return nanoseconds since the Unix epoch.

    Raises:
        _UsageError: The text is no time, or OTLP cannot hold it.
    """
    try:
        nanoseconds = int(Decimal(text) * _NS_PER_S)
    except (InvalidOperation, ValueError, OverflowError):
        nanoseconds = _rfc3339_ns(option, text)
    if not 0 < nanoseconds < 2**63:
        raise _UsageError(f"{option} {text!r}: out of range")
    return nanoseconds


def _rfc3339_ns(option: str, text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise _UsageError(f"{option} {text!r}: expected Unix seconds or RFC 3339") from None
    if moment.tzinfo is None:
        raise _UsageError(f"{option} {text!r}: expected a time zone, such as Z")
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86400 + since.seconds) * _NS_PER_S + since.microseconds * 1000
