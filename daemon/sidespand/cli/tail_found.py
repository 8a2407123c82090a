"""The spans that match a query as they are recorded, from the daemon or the index."""

import argparse
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sidespand.cli import answers, exits, units
from sidespand.cli.changes import Changes
from sidespand.cli.live import Live, Running
from sidespand.cli.output import print_json
from sidespand.cli.text import Screen, fit, safe
from sidespand.limits import API_QUIET_S

_TICK_S = 0.25
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
    told: dict[str, int] = {}
    _remember(told, page)
    for row in reversed(page[: args.count]):
        _say(row, args, live, screen)
    if not args.follow:
        return exits.OK
    is_drawn = live.drawing and not args.json
    running = _running(args, asked) if is_drawn else []
    changes = Changes(asked.api_sock)
    try:
        while True:
            if is_drawn:
                live.draw(running, time.time_ns())
            if not changes.wait(_TICK_S if is_drawn else API_QUIET_S):
                continue
            added = list(_added(asked, query, told))
            _remember(told, added)
            for row in reversed(added):
                _say(row, args, live, screen)
            running = _running(args, asked) if is_drawn else []
    finally:
        live.close()


def _remember(told: dict[str, int], rows: Iterable[Row]) -> None:
    """Note the newest LSN of each lineage."""
    for row in rows:
        lineage, lsn = row["position"].split(":")
        told[lineage] = max(int(lsn), told.get(lineage, 0))


def _added(asked: answers.Answers, query: str, told: Mapping[str, int]) -> Iterator[Row]:
    """Yield what was recorded after all that was told, the newest first.

    A span that ends moves to the place of its end: the place where it was open is gone then.
    """
    after = None
    for _ in range(_PAGES_MAX):
        page = asked.spans(query, None, _PAGE, after)
        for row in page["spans"]:
            lineage, lsn = row["position"].split(":")
            if int(lsn) <= told.get(lineage, 0):
                return
            yield row
        after = page["next"]
        if after is None or not told:
            return


def _running(args: argparse.Namespace, asked: answers.Answers) -> list[Running]:
    rows = asked.spans(answers.query_text(args, "is:open"), "start", _RUNNING_MAX)["spans"]
    return [
        Running(
            row["trace_id"],
            row["span_id"],
            row["parent_span_id"] or "",
            row["name"],
            row["service"],
            int(row["start_ns"]),
        )
        for row in rows
    ]


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
