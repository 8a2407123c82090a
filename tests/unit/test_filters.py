"""Filters: the grammar, what holds of what, and what is refused."""

import fnmatch
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidespand import filters
from sidespand.filters import And, Compare, Field, Has, Not, OneOf, Or, Value
from sidespand.limits import (
    FILTER_CHARACTERS_MAX,
    FILTER_DEPTH_MAX,
    FILTER_TERMS_MAX,
    FILTER_TEXT_CHARACTERS_MAX,
)

SPAN: dict[Field, Value] = {
    Field("service"): "shop",
    Field("name"): "chat gpt",
    Field("kind"): "client",
    Field("status"): "error",
    Field("attributes", "tokens"): 1200,
    Field("attributes", "ratio"): 0.5,
    Field("attributes", "stream"): True,
    Field("attributes", 'it\'s "quoted" \\'): "x",
    Field("resource", "env"): "prod",
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('service == "shop"', True),
        ("service == 'shop'", True),
        ('service == "sho"', False),
        ('service != "shop"', False),
        ('name ~ "chat*"', True),
        ('name ~ "*t g?t"', True),
        ('name ~ "chat"', False),
        ('attributes["tokens"] >= 1200', True),
        ('attributes["tokens"] > 1200', False),
        ('attributes["tokens"] < 1200.5', True),
        ('attributes["tokens"] <= -1', False),
        ('attributes["tokens"] == 1200.0', True),
        ('attributes["tokens"] == "1200"', False),
        ('attributes["tokens"] ~ "12*"', False),
        ('attributes["ratio"] == 5e-1', True),
        ('attributes["stream"] == true', True),
        ('attributes["stream"] == 1', False),
        ('attributes["stream"] > 0', False),
        ('attributes["none"] == false', False),
        ('attributes["none"] != false', True),
        ('attributes["none"] < 1', False),
        ('has attributes["none"]', False),
        ('not has attributes["none"]', True),
        ('has attributes["it\'s \\"quoted\\" \\\\"]', True),
        ('kind in ["server", "client"]', True),
        ('kind in ["server"]', False),
        ('resource["env"] in ["prod", 1, true]', True),
        ('service == "x" or name == "x" or status == "error"', True),
        ('service == "shop" and kind == "server" or status == "error"', True),
        ('service == "shop" and (kind == "server" or status == "ok")', False),
        ('not service == "x" and not (kind == "server")', True),
        ('not not service == "shop"', True),
        ('service=="shop"and(kind=="client")', True),
    ],
)
def test_what_holds_of_a_span(text: str, *, expected: bool) -> None:
    """Each construct of the grammar means what its table says."""
    assert filters.parse(text).holds(SPAN.get) is expected


def test_the_tree_is_open_to_others() -> None:
    """A search can be made of it: the tree has the shape of the text, "and" binding closer."""
    found = filters.parse('has name or not kind in ["a"] and attributes["n"] > -2')
    assert found == Or(
        (
            Has(Field("name")),
            And(
                (
                    Not(OneOf(Field("kind"), ("a",))),
                    Compare(Field("attributes", "n"), ">", -2),
                )
            ),
        )
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "at character 1: expected one of service"),
        ("   ", "found the end"),
        ("nothing == 1", "expected one of service"),
        ("service", "at character 8: expected ==, !="),
        ("service = 'x'", "at character 9: \"= 'x'\" means nothing"),
        ("service == ", "expected a text in quotation marks"),
        ("service == shop", "expected a text in quotation marks"),
        ("service == 'x", "means nothing"),
        ("attributes == 1", "expected ["),
        ("attributes[x] == 1", "expected a key in quotation marks"),
        ("attributes['x' == 1", "expected ]"),
        ("service == 'x' service == 'y'", 'at character 16: expected "and", "or" or the end'),
        ("(service == 'x'", "expected )"),
        ("kind in 'x'", "expected ["),
        ("kind in []", "expected a text"),
        ("kind in ['a' 'b']", "expected ]"),
        ("name ~ 5", "~ takes a text"),
        ("attributes['x'] > 'y'", "> takes a number"),
        ("attributes['x'] > true", "> takes a number"),
        ("has", "expected one of service"),
        ("not", "expected one of service"),
        ("service == 'x' ; drop", "means nothing"),
    ],
)
def test_what_is_no_filter_is_refused_with_its_place(text: str, expected: str) -> None:
    """The message says where it stopped making sense, and what was expected there."""
    with pytest.raises(ValueError, match=re.escape(expected)):
        filters.parse(text)


def test_limits_hold_at_their_edge() -> None:
    """Length, number of terms, depth: what is at the bound passes, one more does not."""
    text = "name == '{}'"
    room = FILTER_CHARACTERS_MAX - len(text.format(""))
    filters.parse(text.format("x" * room))
    with pytest.raises(ValueError, match="characters"):
        filters.parse(text.format("x" * (room + 1)))
    filters.parse(" or ".join(["has name"] * FILTER_TERMS_MAX))
    with pytest.raises(ValueError, match="terms"):
        filters.parse(" or ".join(["has name"] * (FILTER_TERMS_MAX + 1)))
    filters.parse(f"kind in [{', '.join(['1'] * FILTER_TERMS_MAX)}]")
    with pytest.raises(ValueError, match="terms"):
        filters.parse(f"kind in [{', '.join(['1'] * (FILTER_TERMS_MAX + 1))}]")
    deepest = FILTER_DEPTH_MAX - 1
    filters.parse("(" * deepest + "has name" + ")" * deepest)
    with pytest.raises(ValueError, match="levels"):
        filters.parse("(" * (deepest + 1) + "has name" + ")" * (deepest + 1))
    with pytest.raises(ValueError, match="levels"):
        filters.parse("not " * 500 + "has name")
    assert filters.matches("*", "x" * FILTER_TEXT_CHARACTERS_MAX)
    assert not filters.matches("*", "x" * (FILTER_TEXT_CHARACTERS_MAX + 1))


@given(st.text("ab*?", max_size=7), st.text("ab\n", max_size=7))
def test_patterns_match_as_those_of_a_shell(pattern: str, text: str) -> None:
    """A star is any number of any characters, a question mark one."""
    assert filters.matches(pattern, text) == fnmatch.fnmatchcase(text, pattern)


@given(st.text(max_size=200))
def test_any_text_is_a_filter_or_a_refusal(text: str) -> None:
    """Nothing else is raised, whatever stands in a configuration."""
    try:
        found = filters.parse(text)
    except ValueError:
        return
    assert found.holds(SPAN.get) in (True, False)


def test_a_pattern_of_many_stars_is_quick() -> None:
    """What would take a backtracking matcher for ever is decided."""
    assert not filters.matches("*a" * 1000 + "*b", "a" * FILTER_TEXT_CHARACTERS_MAX)
