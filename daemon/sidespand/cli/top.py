"""``sidespan top``: what runs now, and what was used lately, again and again."""

import argparse
import sys
import time
from collections.abc import Iterator
from typing import Any

from sidespand.cli import answers, arguments, exits, stats, units
from sidespand.cli.output import print_json
from sidespand.cli.text import Screen, fit, safe

_OPEN_SHOWN = 10
_ROWS_SHOWN = 15
_SERVICE_COLUMNS = 14
_RUNNING_COLUMNS = 9
_INTERVAL_S = 1.0
_INTERVAL_S_MIN = 0.2
# Home, and what is drawn over with less is cleared line by line: the screen does not flicker.
_HOME, _TO_LINE_END, _TO_END = "\x1b[H", "\x1b[K", "\x1b[J"
_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    answers.add_query(parser)
    parser.add_argument("--by", choices=stats.BY, default="agent", help="default agent")
    parser.add_argument(
        "--window", metavar="TIME", default="5m", help="what counts as lately; default 5m"
    )
    parser.add_argument(
        "--interval", metavar="S", type=_seconds, default=_INTERVAL_S, help="default 1 second"
    )
    parser.add_argument(
        "-n", dest="count", metavar="N", type=arguments.count_from(1), help="end after N looks"
    )
    answers.add_reading(parser)


def run(args: argparse.Namespace) -> int:
    """Draw until Ctrl-C; where stdout is no terminal, print one look unless told otherwise."""
    screen = Screen()
    drawing = screen.columns is not None and not args.json
    count = args.count if args.count is not None or drawing else 1
    with answers.opened(args) as asked:
        if drawing:
            sys.stdout.write(_ENTER)
        try:
            looks = 0
            while count is None or looks < count:
                if looks:
                    time.sleep(args.interval)
                document = _look(args, asked)
                if args.json:
                    print_json(document, indent=None)
                else:
                    _show(_lines(document, args, screen), drawing=drawing)
                looks += 1
        finally:
            if drawing:
                sys.stdout.write(_LEAVE)
                sys.stdout.flush()
    return exits.OK


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not _INTERVAL_S_MIN <= seconds <= 3600:  # noqa: PLR2004 -- an hour.
        raise argparse.ArgumentTypeError(f"expected seconds from {_INTERVAL_S_MIN} to 3600")
    return seconds


def _look(args: argparse.Namespace, asked: answers.Answers) -> dict[str, Any]:
    lately = answers.query_text(args, f"since:{args.window}")
    running = answers.query_text(args, "is:open")
    return {
        "at_ns": str(time.time_ns()),
        "window": args.window,
        "open_spans": asked.spans(running, "start", _OPEN_SHOWN)["spans"],
        "stats": asked.stats(lately, args.by),
    }


def _lines(document: dict[str, Any], args: argparse.Namespace, screen: Screen) -> Iterator[str]:
    now_ns = int(document["at_ns"])
    total = document["stats"]["total"]
    yield screen.bold(
        f"{units.moment(now_ns, utc=args.utc)}  the last {safe(args.window)}:"
        f" {total['spans']} spans, {total['traces']} traces, {total['errors']} errors"
    )
    yield ""
    running = document["open_spans"]
    yield screen.dim("running" if running else "nothing runs")
    for span in running:
        lasted = units.duration(int(span["start_ns"]), now_ns)
        line = (
            f"  {fit(lasted, _RUNNING_COLUMNS)} {fit(safe(span['service']), _SERVICE_COLUMNS)} "
            f"{safe(span['name'])}"
        )
        yield line if screen.columns is None else fit(line, screen.columns).rstrip()
    yield ""
    shown = {**document["stats"], "rows": document["stats"]["rows"][:_ROWS_SHOWN]}
    yield from stats.lines(shown, screen)


def _show(lines: Iterator[str], *, drawing: bool) -> None:
    if not drawing:
        for line in lines:
            print(line, flush=True)
        return
    sys.stdout.write(_HOME + "".join(f"{line}{_TO_LINE_END}\n" for line in lines) + _TO_END)
    sys.stdout.flush()
