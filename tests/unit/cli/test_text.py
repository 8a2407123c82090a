import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidespand.cli.text import Screen, fit, safe, table, width

# unicodedata's classes of what must never reach a terminal as it is.
_FORBIDDEN_CATEGORIES = {"Cc", "Cs", "Zl", "Zp"}
_FORBIDDEN_DIRECTIONS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def harmless(text: str) -> bool:
    """Tell whether nothing in a text can act on a terminal."""
    return all(
        unicodedata.category(character) not in _FORBIDDEN_CATEGORIES
        and unicodedata.bidirectional(character) not in _FORBIDDEN_DIRECTIONS
        for character in text
    )


@given(st.text(st.characters()))
def test_nothing_unsafe_is_left(text: str) -> None:
    """Controls, bidi overrides and surrogates are gone, whatever the text was."""
    assert harmless(safe(text))


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"])))
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    """Letters, numbers, punctuation and symbols of every script are shown."""
    assert safe(text, len(text) + 1) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("line\nbreak\ttab\r", "line\\nbreak\\ttab\\r"),
        ("\x9b2J\x7f\x00", "\\x9b2J\\x7f\\x00"),
        ("abc\u202etxt.exe\u202c", "abc\\u202etxt.exe\\u202c"),
        ("\u2066\u200f\u2028", "\\u2066\\u200f\\u2028"),
        ("\udcff", "\\udcff"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_what_is_escaped_can_be_read(text: str, expected: str) -> None:
    """An escape names the character that stood there."""
    assert safe(text) == expected


def test_long_text_is_cut() -> None:
    """The cut is marked, and made before escapes make the text longer."""
    assert safe("x" * 1000, 10) == "x" * 9 + "…"
    assert safe("\n" * 1000, 3) == "\\n\\n…"


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(1, 40))
def test_fitted_text_takes_its_columns(text: str, columns: int) -> None:
    """Wide and combining characters are counted as a terminal draws them."""
    assert width(fit(safe(text), columns)) == columns


def test_a_table_aligns_its_columns() -> None:
    """Wide characters, too; nothing trails."""
    assert table([("A", "B"), ("日本", "x"), ("a", "")], 0, None) == ["A     B", "日本  x", "a"]


def test_a_narrow_terminal_cuts_the_flexible_column() -> None:
    """The others keep their width; the flexible one keeps a least one."""
    rows = [("n" * 40, "value")]

    assert table(rows, 0, 35) == ["n" * 27 + "…  value"]
    assert table(rows, 0, 5) == ["n" * 23 + "…  value"]


def test_what_does_not_fit_leaves_columns_out() -> None:
    """Spare columns go one by one, in their order, and only as far as it takes."""
    rows = [("id", "cost", "tokens", "n" * 30)]

    assert table(rows, 3, 46, (1, 2)) == ["id  cost  tokens  " + "n" * 27 + "…"]
    assert table(rows, 3, 41, (1, 2)) == ["id  tokens  " + "n" * 28 + "…"]
    assert table(rows, 3, 30, (1, 2)) == ["id  " + "n" * 25 + "…"]
    assert table(rows, 3, None, (1, 2)) == ["id  cost  tokens  " + "n" * 30]


def test_without_a_terminal_there_is_no_colour(capsys: pytest.CaptureFixture[str]) -> None:
    """A file or a pipe gets plain and whole lines."""
    screen = Screen()

    assert screen.columns is None
    assert screen.red("x") + screen.bold("y") + screen.dim("z") == "xyz"


class _Terminal:
    """A stdout that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"TERM": "xterm"}, "\x1b[31mx\x1b[0m"),
        ({"TERM": "xterm", "NO_COLOR": "1"}, "x"),
        ({"TERM": "xterm", "NO_COLOR": ""}, "\x1b[31mx\x1b[0m"),
        ({"TERM": "dumb"}, "x"),
    ],
)
def test_a_terminal_gets_colour_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: str
) -> None:
    """NO_COLOR counts when it is not empty (no-color.org)."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("COLUMNS", "77")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.stdout", _Terminal())

    screen = Screen()

    assert screen.columns == 77
    assert screen.red("x") == expected
