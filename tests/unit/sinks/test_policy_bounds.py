"""ExportBounds: each limit at its last value and the next, and each blocked key at every depth."""

import math
from typing import Any

import pytest

from sidespand.config import Capture
from sidespand.limits import (
    EXPORT_ATTRIBUTES_MAX,
    EXPORT_ITEMS_MAX,
    EXPORT_KEY_BYTES_MAX,
    EXPORT_REFS_PER_MAP_MAX,
    EXPORT_VALUE_BYTES_MAX,
)
from sidespand.sinks.policy_keys import BOUNDARY_KEYS, FRAGMENTS, SUMMARY_KEY
from tests.unit.sinks.policies import (
    let_out,
    policy,
    reasons,
    redacted,
    refs_in,
    request_of,
    span_of,
)

SAID = "what was said"
METADATA = policy(Capture.METADATA)
BLOCKED = ("raw", *BOUNDARY_KEYS, *FRAGMENTS, "gen_ai.output.messages", "output.value")


def is_ref(value: Any) -> bool:
    """Tell whether a value is a ref that stands in for another."""
    return isinstance(value, dict) and value["ref"].endswith(value["sha256"])


def test_what_is_within_the_bounds_passes() -> None:
    """Every kind of value, and numbers of any size."""
    given = {
        "text": "x", "empty": "", "yes": True, "number": 2**63 - 1, "real": 0.1, "nan": math.nan,
        "none": None, "list": ["a", 1], "map": {"a": {"b": "c"}}, "empty.list": [], "empty.map": {},
    }  # fmt: skip
    found = redacted(given)

    assert found.pop("number") == str(2**63 - 1)
    assert found.pop("nan") == "NaN"
    assert found == {key: given[key] for key in given if key not in ("number", "nan")}


def test_a_map_has_32_attributes() -> None:
    """What comes after them is dropped and named in the summary; OTLP's count says how many."""
    given = {f"key.{number:02}": number for number in range(EXPORT_ATTRIBUTES_MAX)}
    assert redacted(given) == given

    over = given | {"one.more": 1, "and.another": 2}
    span = span_of(let_out(request_of(over)))
    assert span.dropped_attributes_count == 2
    found = redacted(over)
    assert reasons(found) == ["attribute_count_exceeded"] * 2
    assert set(found) == {*given, "_aitrace_export_overflow"}


def test_a_blocked_key_takes_no_place_among_the_32() -> None:
    """Only what is kept counts."""
    given: dict[str, Any] = {"prompt": SAID}
    given |= {f"key.{number}": number for number in range(EXPORT_ATTRIBUTES_MAX)}

    assert reasons(redacted(given)) == ["blocked_raw_field"]


def test_a_key_has_64_bytes() -> None:
    """A longer one goes with its value."""
    longest = "k" * EXPORT_KEY_BYTES_MAX
    assert redacted({longest: 1}) == {longest: 1}
    assert reasons(redacted({longest + "k": 1})) == ["unsafe_key"]


@pytest.mark.parametrize("character", ["x", "é", "€", "𝄞"])
def test_a_value_has_512_bytes(character: str) -> None:
    """In UTF-8; a longer one is replaced where it stood, by a ref that knows its true size."""
    size = len(character.encode())
    longest = character * (EXPORT_VALUE_BYTES_MAX // size)
    filled = longest + "x" * (EXPORT_VALUE_BYTES_MAX % size)
    assert redacted({"a": filled}) == {"a": filled}

    found = redacted({"a": filled + "x"})
    assert is_ref(found["a"])
    assert found["a"]["original_bytes"] == EXPORT_VALUE_BYTES_MAX + 1
    assert refs_in(found) == [found["a"]]
    assert found["a"]["reason"] == "value_bytes_exceeded"


def test_a_list_has_16_items() -> None:
    """A longer one becomes one ref."""
    items = list(range(EXPORT_ITEMS_MAX))
    assert redacted({"a": items}) == {"a": items}

    found = redacted({"a": [*items, 16]})
    assert is_ref(found["a"])
    assert reasons(found) == ["collection_items_exceeded"]


def test_a_nested_map_has_16_entries() -> None:
    """Unlike the one at the top."""
    entries = {f"k{number}": number for number in range(EXPORT_ITEMS_MAX)}
    assert redacted({"a": entries}) == {"a": entries}
    assert reasons(redacted({"a": entries | {"k16": 16}})) == ["collection_items_exceeded"]


@pytest.mark.parametrize("innermost", [{}, {"k": 1}, [], [1]])
def test_collections_nest_two_deep(innermost: Any) -> None:
    """Below the attributes themselves; lists count like maps."""
    for outer in (lambda one: {"k": one}, lambda one: [one]):
        assert redacted({"a": outer(innermost)}) == {"a": outer(innermost)}
        found = redacted({"a": outer(outer(innermost))})
        assert reasons(found) == ["map_depth_exceeded"]


@pytest.mark.parametrize("key", BLOCKED)
@pytest.mark.parametrize("by", [None, METADATA], ids=["redacted", "metadata"])
def test_a_blocked_key_goes_from_everywhere(key: str, by: Any) -> None:
    """At the top, in maps, in maps in lists, in any case; what is beside it stays."""
    for written in (key, key.upper(), key.title()):
        given = {
            written: SAID,
            "map": {written: SAID, "kept": {written: SAID, "also": 1}},
            "list": [{written: SAID, "kept": 2}],
        }
        request = request_of(given)
        out = let_out(request, by=by)
        assert SAID not in str(out)
        assert span_of(out).dropped_attributes_count == 1
        found = redacted(given, by)
        assert found["map"] == {"kept": {"also": 1}}
        assert found["list"] == [{"kept": 2}]
        assert reasons(found) == ([] if by else ["blocked_raw_field"] * 4)


def test_an_item_of_a_list_that_is_too_long_is_replaced_alone() -> None:
    """The others stay in their places."""
    found = redacted({"a": ["x", "y" * 600, "z"]})

    assert [found["a"][0], found["a"][2]] == ["x", "z"]
    assert is_ref(found["a"][1])


def test_bytes_do_not_pass() -> None:
    """Nobody knows what is in them."""
    found = redacted({"a": b"\0" * 10})

    assert found["a"]["reason"] == "unsupported_value"
    assert found["a"]["original_bytes"] == 10


def test_metadata_leaves_out_what_is_over_a_bound() -> None:
    """Without a trace but OTLP's count."""
    given = {"a": "x" * 513, "b": ["x", "y" * 513], "c": {"d": b"1", "e": 1}, "f": 1, "prompt": "p"}
    span = span_of(let_out(request_of(given), by=METADATA))

    assert redacted(given, METADATA) == {"b": ["x"], "c": {"e": 1}, "f": 1}
    assert span.dropped_attributes_count == 2


def test_a_count_of_dropped_attributes_does_not_overflow() -> None:
    """A hostile one stays what it is."""
    request = request_of({"prompt": SAID})
    span_of(request).dropped_attributes_count = 2**32 - 1

    assert span_of(let_out(request)).dropped_attributes_count == 2**32 - 1


def test_very_many_refs_end_in_one_for_the_rest() -> None:
    """The summary is bounded, and its last ref covers what has none of its own."""
    count = 5 * EXPORT_REFS_PER_MAP_MAX
    given = {f"prompt_text.{number}": "12345" for number in range(count)}
    found = redacted(given)

    refs = refs_in(found)
    assert len(refs) == EXPORT_REFS_PER_MAP_MAX
    assert sum(ref["original_bytes"] for ref in refs) == 5 * count
    assert refs[-1]["reason"] == "attribute_count_exceeded"
    changed = given | {f"prompt_text.{count - 1}": "54321"}
    assert refs_in(redacted(changed))[-1]["sha256"] != refs[-1]["sha256"]


def test_refs_multiply_no_record() -> None:
    """A request of nothing but tiny blocked attributes grows a few times, not a hundred."""
    request = request_of({})
    scope = request.resource_spans[0].scope_spans[0]
    span = scope.spans.pop()
    for number in range(60):
        span.attributes.add(key="raw").value.int_value = number
    scope.spans.extend([span] * 400)
    size = request.ByteSize()
    out = let_out(request)

    spans = out.resource_spans[0].scope_spans[0].spans
    assert len(spans) == 400
    assert all(one.dropped_attributes_count == 60 for one in spans)
    assert [len(one.attributes) for one in spans] == sorted(
        (len(one.attributes) for one in spans), reverse=True
    )
    assert (len(spans[0].attributes), len(spans[-1].attributes)) == (1, 0)
    assert size < out.ByteSize() < 10 * size + 2**17


@pytest.mark.parametrize("by", [policy(), METADATA], ids=["redacted", "metadata"])
def test_a_summary_is_nobodys_but_ours(by: Any) -> None:
    """One that a sender made is gone, in maps, too; no key is there twice."""
    forged = {"count": 0, "refs": []}
    given = {SUMMARY_KEY: forged, "a": {SUMMARY_KEY: forged, "b": 1}, "prompt": SAID}
    span = span_of(let_out(request_of(given), by=by))
    found = redacted(given, by)

    assert found["a"] == {"b": 1}
    ours = ["unsafe_key", "unsafe_key", "blocked_raw_field"] if by is not METADATA else []
    assert reasons(found) == ours
    assert [one.key for one in span.attributes] == (["a", SUMMARY_KEY] if ours else ["a"])
