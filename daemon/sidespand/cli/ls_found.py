"""The traces that match a query, as the daemon or the index has them."""

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from sidespand.cli import answers, exits, figures, gone, units
from sidespand.cli.output import print_json, print_note
from sidespand.cli.text import Screen, safe, table

_ID_CHARACTERS = 12
_SERVICES_SHOWN = 3
_HEADER = (
    "TRACE", "START", "DURATION", "SPANS", "STATUS", "TOKENS", "COST", "SERVICES", "NAME"
)  # fmt: skip
_SPARE = tuple(map(_HEADER.index, ("COST", "TOKENS", "SERVICES", "SPANS", "DURATION")))


def run(args: argparse.Namespace, asked: answers.Answers) -> int:
    """List one page.

    Raises:
        Absent: The daemon went away, and there is no index either.
        InvalidRequest: The query is none.
    """
    query = answers.query_text(args)
    document = asked.traces(query, args.sort, args.count, args.after)
    if args.json:
        print_json(_document(document))
        return exits.OK
    if document["traces"]:
        _print(document["traces"], utc=args.utc)
    else:
        print_note("no trace matches" if query else "no span is recorded")
    for line in gone.lines(document.get("redacted", ()), utc=args.utc):
        print_note(line)
    if document["next"] is not None and query:
        print_note(f"there are more: --after {document['next']}")
    if not document.get("complete", True):
        print_note("the search was cut short: more may match; narrow it with since:")
    answers.tell_state(document)
    return exits.OK


def _document(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answer with the names that reading the journal gives, too."""
    traces = [
        {
            **row,
            "end_ns": row["end_ns"] or "0",
            "root_name": row["name"],
            "root_recorded": row.get("root_recorded", True),
            "position": row["last_position"],
        }
        for row in document["traces"]
    ]
    whole = document.get("complete", True) and document["next"] is None
    return {
        **document,
        "traces": traces,
        "redacted": document.get("redacted", []),
        "scan": {"complete": whole, "oldest_position": None},
    }


def _print(traces: Sequence[Mapping[str, Any]], *, utc: bool) -> None:
    screen = Screen()
    rows = [_HEADER, *(_row(trace, screen, utc=utc) for trace in traces)]
    header, *lines = table(rows, len(_HEADER) - 1, screen.columns, _SPARE)
    print(screen.dim(header))
    for trace, line in zip(traces, lines, strict=True):
        alarming = trace["status"] in ("error", "abandoned")
        print(screen.red(line) if alarming else line)


def _row(trace: Mapping[str, Any], screen: Screen, *, utc: bool) -> tuple[str, ...]:
    start_ns, end_ns = int(trace["start_ns"]), int(trace["end_ns"] or 0)
    services = trace["services"]
    more = f" +{len(services) - _SERVICES_SHOWN}" if len(services) > _SERVICES_SHOWN else ""
    status, errors = trace["status"], trace["error_count"]
    recorded = trace.get("root_recorded", True)
    return (
        trace["trace_id"] if screen.columns is None else trace["trace_id"][:_ID_CHARACTERS],
        units.moment(start_ns, utc=utc),
        units.duration(start_ns, end_ns),
        str(trace["span_count"]),
        f"error {errors}" if status == "error" else status,
        figures.tokens(trace["tokens_in"], trace["tokens_out"]),
        figures.money(trace["cost_usd"]),
        safe(",".join(services[:_SERVICES_SHOWN])) + more,
        safe(trace["name"] or "") + ("" if recorded else " (root not recorded)"),
    )
