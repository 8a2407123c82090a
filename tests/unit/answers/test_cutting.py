"""Large values: what stands for them, and the way to the whole."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidespand.answers.cutting import Cutter, content_text, encoded, join, resolve
from sidespand.errors import InvalidRequest, NotFound
from sidespand.limits import ANSWER_BYTES_MAX, INLINE_BYTES_MAX

KEYS = st.text(st.sampled_from("ab/~0.1 é"), max_size=6)
DOCUMENTS = st.recursive(
    st.text(max_size=4) | st.integers() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
)


def paths(document: Any, path: str = "") -> list[tuple[str, Any]]:
    """Return the path of everything in a document but itself."""
    members: Any = ()
    if isinstance(document, dict):
        members = document.items()
    elif isinstance(document, list):
        members = enumerate(document)
    found = []
    for key, value in members:
        below = join(path, key)
        found += [(below, value), *paths(value, below)]
    return found


@given(DOCUMENTS)
def test_a_path_leads_to_what_it_was_made_for(document: Any) -> None:
    """Whatever is in a key: slashes, tildes, nothing."""
    for path, value in paths(document):
        assert resolve(document, path) == value


@pytest.mark.parametrize(
    "path", ["/b", "/a/2", "/a/-1", "/a/01", "/a/x", "/a/0/0", "/a/9999999999"]
)
def test_a_path_that_leads_nowhere(path: str) -> None:
    """It is not found; an index is a number as JSON pointers write it."""
    with pytest.raises(NotFound):
        resolve({"a": [1, 2]}, path)


@pytest.mark.parametrize("path", ["", "a", "$.a"])
def test_what_is_no_path(path: str) -> None:
    """It is malformed, with an example."""
    with pytest.raises(InvalidRequest, match="/span/attributes"):
        resolve({"a": 1}, path)


@pytest.mark.parametrize(
    "value",
    ["x" * (INLINE_BYTES_MAX + 1), "ü" * (INLINE_BYTES_MAX // 2 + 1), ["x"] * INLINE_BYTES_MAX],
)
def test_over_the_bound_something_stands_for_it(value: Any) -> None:
    """In bytes, not in characters; a structure counts as its JSON."""
    found = Cutter().value("/a", value)
    text = content_text(value)
    assert found["$content"] == "/a"
    assert found["bytes"] == len(text.encode())
    assert text.startswith(found["preview"])
    assert Cutter(wanted=False).value("/a", value) == value


@pytest.mark.parametrize("value", ["x" * INLINE_BYTES_MAX, 2**200, None, True, {"a": [1]}])
def test_what_is_small_stays(value: Any) -> None:
    """It is the value itself."""
    assert Cutter().value("/a", value) == value


def test_an_answer_has_an_end() -> None:
    """However many small values a span has: in the end each is asked for by itself."""
    cutter = Cutter()
    values = {f"k{n}": "x" * 1000 for n in range(3 * ANSWER_BYTES_MAX // 1000)}
    found = cutter.members("/a", values)
    assert len(json.dumps(found)) < 2 * ANSWER_BYTES_MAX
    assert found["k0"] == values["k0"]
    assert found[f"k{len(values) - 1}"]["bytes"] == 1000


def test_half_of_a_pair_is_no_fault() -> None:
    """JSON can spell what UTF-8 cannot."""
    assert encoded("a\ud800b") == b"a?b"
