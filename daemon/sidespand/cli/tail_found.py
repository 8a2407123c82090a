"""The spans that match a query as they are recorded, from the daemon or the index."""

import argparse
import time
from collections.abc import Iterator, Mapping
from typing import Any

from sidespand.cli import answers, exits, units
from sidespand.cli.live import Live, Running
from sidespand.cli.output import print_json
from sidespand.cli.text import Screen, fit, safe

_POLL_S = 0.25
_PAGE = 200
# A reader that was away for longer is told the newest of what it missed.
_PAGES_MAX = 20
_RUNNING_MAX = 200
_ID_CHARACTERS = 12
_SERVICE_COLUMNS, _NAME_COLUMNS, _DURATION_COLUMNS, _STATUS_COLUMNS = 14, 30, 8, 5

Row = Mapping[str, Any]


def run(args: argparse.Namespace, asked: answers.Answers) -> int:
    """Print the newest that match, the newest last; with ``-f`` each later one, too."""
    query = answers.query_text(args)
    screen = Screen()
    live = Live(screen)
    page = asked.spans(query, None, max(1, args.count))["spans"]
    newest = page[0]["position"] if page else ""
    for row in reversed(page[: args.count]):
        _say(row, args, live, screen)
    if not args.follow:
        return exits.OK
    running = answers.query_text(args, "is:open")
    try:
        while True:
            if live.drawing and not args.json:
                rows = asked.spans(running, "start", _RUNNING_MAX)["spans"]
                live.draw(map(_running, rows), time.time_ns())
            added = list(_added(asked, query, newest))
            for row in reversed(added):
                _say(row, args, live, screen)
            newest = added[0]["position"] if added else newest
            time.sleep(_POLL_S)
    finally:
        live.close()


def _added(asked: answers.Answers, query: str, newest: str) -> Iterator[Row]:
    """Yield what was recorded after ``newest``, the newest first."""
    after = None
    for _ in range(_PAGES_MAX):
        page = asked.spans(query, None, _PAGE, after)
        for row in page["spans"]:
            if row["position"] == newest:
                return
            yield row
        after = page["next"]
        if after is None or not newest:
            return


def _say(row: Row, args: argparse.Namespace, live: Live, screen: Screen) -> None:
    if row["state"] == "open":
        # Its line comes with its end.
        return
    if args.json:
        print_json(row, indent=None)
        return
    line = _line(row, utc=args.utc)
    bad = row["status"] == "error" or row["state"] == "abandoned"
    live.say(screen.red(line) if bad else line)


def _line(row: Row, *, utc: bool) -> str:
    lasted_ns = row["duration_ns"]
    lasted = "-" if lasted_ns is None else units.duration(1, int(lasted_ns) + 1)
    return "  ".join(
        (
            units.moment(int(row["start_ns"]), utc=utc),
            fit(safe(row["service"] or ""), _SERVICE_COLUMNS),
            fit(safe(row["name"] or ""), _NAME_COLUMNS),
            fit(lasted, _DURATION_COLUMNS),
            fit(row["status"], _STATUS_COLUMNS),
            row["trace_id"][:_ID_CHARACTERS],
            row["position"],
        )
    )


def _running(row: Row) -> Running:
    return Running(
        row["trace_id"],
        row["span_id"],
        row["parent_span_id"] or "",
        row["name"],
        row["service"],
        int(row["start_ns"]),
    )
