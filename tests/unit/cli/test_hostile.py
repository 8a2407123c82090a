"""Span data that tries to take over the terminal of whoever reads it."""

import unicodedata
from pathlib import Path

import pytest

from sidespand.cli import output
from sidespand.errors import SidespanError
from tests.unit.cli import stores
from tests.unit.cli.conftest import Run
from tests.unit.query import samples

# Clear the screen, set the title, an 8-bit CSI, delete, break the line, override direction.
EVIL = "\x1b[2J\x1b]0;owned\x07 \x9b31m \x7f\x00\r\n\t \u202eevil\u2066 \u2028 end" + "x" * 5000
READING = (["status"], ["ls"], ["show", "last"], ["tail"], ["receipt", "last"])


@pytest.fixture(scope="module")
def hostile_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store in which every text of every span is hostile."""
    path = tmp_path_factory.mktemp("hostile")
    root, child = samples.span(1, name=EVIL), samples.span(2, parent=1, name=EVIL)
    for span in (root, child):
        span.status.message = EVIL
        span.trace_state = EVIL
        span.attributes.add(key=EVIL).value.string_value = EVIL
        span.events.add(name=EVIL)
        # Times that no clock shows, and an end before the start.
        span.start_time_unix_nano, span.end_time_unix_nano = 2**64 - 1, 1
    stores.write(path, samples.request(root, child, service=EVIL))
    return path


def harmless(text: str) -> bool:
    """Tell whether nothing in printed lines can act on a terminal."""
    return all(
        character == "\n"
        or (
            unicodedata.category(character) not in {"Cc", "Cs", "Zl", "Zp"}
            and unicodedata.bidirectional(character) not in {"RLO", "LRI"}
        )
        for character in text
    )


@pytest.mark.parametrize("flags", [[], ["--json"]])
@pytest.mark.parametrize("command", READING)
def test_no_control_character_of_a_span_is_printed(
    run: Run, hostile_dir: Path, command: list[str], flags: list[str]
) -> None:
    """As a line for people or as JSON, span data stays text."""
    outcome = run(*command, *flags, "--data", hostile_dir)

    assert outcome.status == 0
    assert harmless(outcome.out)


def test_a_hostile_name_takes_one_bounded_line(run: Run, hostile_dir: Path) -> None:
    """A name can neither forge a line nor fill the screen."""
    lines = run("ls", "--data", hostile_dir).out.splitlines()

    assert len(lines) == 2
    assert max(len(line) for line in lines) < 1000


def test_json_gives_hostile_text_back_unchanged(run: Run, hostile_dir: Path) -> None:
    """A program gets what was recorded, not what is fit for a terminal."""
    document = run("show", "last", "--json", "--data", hostile_dir).document

    assert document["spans"][0]["name"] == EVIL
    assert document["spans"][0]["attributes"] == {EVIL: EVIL}


def test_an_id_is_repeated_safely(run: Run, hostile_dir: Path) -> None:
    """What somebody pasted comes back escaped."""
    outcome = run("show", EVIL, "--data", hostile_dir)

    assert outcome.status == 2
    assert harmless(outcome.err)


def test_an_error_message_is_safe(capsys: pytest.CaptureFixture[str]) -> None:
    """Errors may quote what a sender wrote; only their own line breaks break a line."""
    output.print_error(SidespanError("first\nsecond \x1b[31m", hint="try \x9b this"))

    assert capsys.readouterr().err == "error: first\nsecond \\x1b[31m\nhint: try \\x9b this\n"
