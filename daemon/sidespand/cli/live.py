"""Lines that stay, and below them the spans that run now, as a tree whose durations tick.

Where stdout is no terminal there are the lines alone.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from sidespand.cli import units
from sidespand.cli.text import Screen, fit, safe

_RUNNING_COLUMNS = 9
_SERVICE_COLUMNS = 14
_DEPTH_DRAWN_MAX = 12
# What is left of the screen for the lines above.
_LINES_LEFT = 4
_UP_AND_CLEAR = "\x1b[{}F\x1b[J"


class Running(NamedTuple):
    """A span that runs.

    Args:
        trace_id: Lower hex.
        span_id: The same.
        parent_span_id: The same; empty for a root, and where it is not known.
        name: As received.
        service: The same.
        start_ns: By the sender's clock.
    """

    trace_id: str
    span_id: str
    parent_span_id: str
    name: str
    service: str
    start_ns: int


class Live:
    """What a terminal shows.

    Args:
        screen: Of the command.
    """

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._drawn = 0
        self._shown: Sequence[str] = ()

    @property
    def drawing(self) -> bool:
        """Whether what runs is drawn."""
        return self._screen.columns is not None

    def say(self, line: str) -> None:
        """Print a line that stays."""
        if not self.drawing:
            print(line, flush=True)
            return
        sys.stdout.write(self._cleared() + line + "\n")
        self._write(self._shown)

    def draw(self, running: Iterable[Running], now_ns: int) -> None:
        """Show what runs; nothing is kept of what was drawn before."""
        if self.drawing:
            self._shown = self._fitted(list(tree_lines(running, now_ns)))
            sys.stdout.write(self._cleared())
            self._write(self._shown)

    def close(self) -> None:
        """Leave the lines alone."""
        if self._drawn:
            sys.stdout.write(self._cleared())
            sys.stdout.flush()

    def _fitted(self, lines: list[str]) -> list[str]:
        assert self._screen.columns is not None
        columns = self._screen.columns
        import shutil

        room = max(1, shutil.get_terminal_size().lines - _LINES_LEFT)
        more = len(lines) - room
        shown = [*lines[:room], f"and {more} more"] if more > 0 else lines
        return [self._screen.cyan(fit(line, columns - 1).rstrip()) for line in shown]

    def _write(self, lines: Sequence[str]) -> None:
        sys.stdout.write("".join(f"{line}\n" for line in lines))
        sys.stdout.flush()
        self._drawn = len(lines)

    def _cleared(self) -> str:
        drawn, self._drawn = self._drawn, 0
        return _UP_AND_CLEAR.format(drawn) if drawn else ""


def tree_lines(running: Iterable[Running], now_ns: int) -> Iterator[str]:
    """Yield a line for each span that runs, those within others below them, oldest first."""
    spans = sorted(running, key=lambda span: (span.start_ns, span.span_id))
    known = {(span.trace_id, span.span_id) for span in spans}
    within: dict[tuple[str, str], list[Running]] = {}
    roots = []
    for span in spans:
        parent = (span.trace_id, span.parent_span_id)
        if parent in known and span.parent_span_id != span.span_id:
            within.setdefault(parent, []).append(span)
        else:
            roots.append(span)
    stack = [(span, 0) for span in reversed(roots)]
    while stack:
        span, depth = stack.pop()
        yield _line(span, depth, now_ns)
        below = within.pop((span.trace_id, span.span_id), ())
        stack += [(child, depth + 1) for child in reversed(below)]
    # Spans whose parents form a cycle hang from no root.
    for circle in within.values():
        for span in circle:
            yield _line(span, 0, now_ns)


def _line(span: Running, depth: int, now_ns: int) -> str:
    lasted = fit(units.duration(span.start_ns, now_ns), _RUNNING_COLUMNS)
    branch = "   " * min(depth - 1, _DEPTH_DRAWN_MAX) + "└─ " if depth else ""
    return f"▸ {lasted} {fit(safe(span.service), _SERVICE_COLUMNS)} {branch}{safe(span.name)}"
