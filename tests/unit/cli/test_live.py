"""The lines that stay and the tree that ticks."""

import os

import pytest

from sidespand.cli.live import Live, Running, tree_lines
from sidespand.cli.text import Screen

S = 10**9


def running(number: int, parent: int = 0, name: str = "") -> Running:
    """Return a span that began ``number`` seconds after the epoch."""
    within = f"{parent:016x}" if parent else ""
    return Running("t", f"{number:016x}", within, name or f"span {number}", "svc", number * S)


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    """Return a terminal of 60 columns and 10 lines."""
    monkeypatch.setattr("shutil.get_terminal_size", lambda *_: os.terminal_size((60, 10)))
    terminal = Screen()
    terminal.columns = 60
    return terminal


def test_spans_hang_below_those_they_are_part_of() -> None:
    """Oldest first; the time that each has run is that of now."""
    lines = list(tree_lines([running(3, 2), running(2, 1), running(1), running(4, 77)], 10 * S))

    assert [line.split("svc")[1].rstrip() for line in lines] == [
        "            span 1",
        "            └─ span 2",
        "               └─ span 3",
        "            span 4",
    ]
    assert [line.split()[1] for line in lines] == ["9", "8", "7", "6"]


def test_a_cycle_of_parents_is_shown_once() -> None:
    """Each of its spans has a line."""
    assert len(list(tree_lines([running(1, 2), running(2, 1), running(3, 3)], 10 * S))) == 3


def test_a_line_pushes_the_tree_down(screen: Screen, capsys: pytest.CaptureFixture[str]) -> None:
    """What was drawn is cleared, the line printed, and the tree drawn again."""
    live = Live(screen)
    live.draw([running(1)], 2 * S)
    capsys.readouterr()
    live.say("ended")
    live.close()

    assert capsys.readouterr().out == (
        "\x1b[1F\x1b[Jended\n▸ 1 s       svc            span 1\n\x1b[1F\x1b[J"
    )


def test_more_than_fits_is_counted(screen: Screen, capsys: pytest.CaptureFixture[str]) -> None:
    """The tree never scrolls the lines away."""
    live = Live(screen)
    live.draw([running(number) for number in range(1, 21)], 30 * S)

    assert capsys.readouterr().out.splitlines()[-1] == "and 14 more"


def test_a_hostile_name_stays_on_its_line(
    screen: Screen, capsys: pytest.CaptureFixture[str]
) -> None:
    """It can neither move the cursor nor wrap."""
    live = Live(screen)
    live.draw([running(1, name="\x1b[2J\n" + "x" * 500)], 2 * S)

    (line,) = capsys.readouterr().out.splitlines()
    assert "\x1b" not in line
    assert len(line) < 60


def test_without_a_terminal_there_are_lines_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is drawn."""
    live = Live(Screen())
    live.draw([running(1)], 2 * S)
    live.say("ended")
    live.close()

    assert capsys.readouterr().out == "ended\n"
