"""Any value becomes an AnyValue: the right one, or a harmless one when that cannot be."""

import enum
import itertools
import sys
from collections import OrderedDict, deque
from collections.abc import Callable
from types import MappingProxyType
from typing import Any, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import (
    AnyValue,
    ArrayValue,
    KeyValue,
    KeyValueList,
)

from sidespan import _values
from sidespan._limits import VALUE_BYTES_MAX, VALUE_DEPTH_MAX, VALUE_ITEMS_MAX

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
)
plain_values = st.recursive(
    scalars,
    lambda children: (
        st.lists(children, max_size=5)
        | st.dictionaries(st.text(min_size=1, max_size=20), children, max_size=5)
    ),
    max_leaves=20,
)


def expected(value: Any) -> AnyValue:
    """Build with protobuf's runtime what the client writes by hand."""
    match value:
        case None:
            made = AnyValue()
        case bool():
            made = AnyValue(bool_value=value)
        case int():
            made = AnyValue(int_value=value)
        case float():
            made = AnyValue(double_value=value)
        case str():
            made = AnyValue(string_value=value)
        case bytes():
            made = AnyValue(bytes_value=value)
        case list():
            made = AnyValue(array_value=ArrayValue(values=[expected(item) for item in value]))
        case _:
            pairs = [KeyValue(key=key, value=expected(item)) for key, item in value.items()]
            made = AnyValue(kvlist_value=KeyValueList(values=pairs))
    return made


def decoded(value: object) -> AnyValue:
    """Return what a reader sees of a value."""
    return AnyValue.FromString(_values.any_value(value))


@given(plain_values)
def test_plain_values_equal_what_protobuf_makes(value: object) -> None:
    """Every ordinary value is decoded as itself, and the bytes are those of the runtime."""
    assert decoded(value) == expected(value)
    assert _values.any_value(value) == expected(value).SerializeToString(deterministic=True)


class Colour(enum.StrEnum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Ratio(float):
    pass


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Colour.RED, "red"),
        (Level.HIGH, 3),
        (Ratio(0.5), 0.5),
        ((1, 2), [1, 2]),
        (deque([1, 2]), [1, 2]),
        (range(3), [0, 1, 2]),
        (frozenset([7]), [7]),
        (bytearray(b"ab"), b"ab"),
        (memoryview(b"abcd")[::2], b"ac"),
        (OrderedDict(a=1), {"a": 1}),
        (MappingProxyType({"a": 1}), {"a": 1}),
        ({1: "x"}, {"1": "x"}),
        (2**63, str(2**63)),
        (-(2**63) - 1, str(-(2**63) - 1)),
        (2**9999, "<int of 10000 bits>"),
        ("\ud800", "?"),
        (1 + 2j, "(1+2j)"),
    ],
    ids=itertools.count(),
)
def test_relatives_of_plain_values_keep_their_meaning(value: object, plain: object) -> None:
    """Subclasses and lookalikes are written as what they are; numbers that do not fit as text."""
    assert decoded(value) == expected(plain)


class RaisesInRepr:
    def __repr__(self) -> NoReturn:
        raise RuntimeError("no")


class RecursesInRepr:
    def __repr__(self) -> str:
        return repr([self, self])[:10] + self.__repr__()


class ReprIsNoText:
    def __repr__(self) -> Any:
        return 5


class RaisesWhenAskedForItsClass:
    @property
    def __class__(self) -> Any:
        raise LookupError("unbound")

    @__class__.setter
    def __class__(self, value: Any) -> None:
        raise LookupError("unbound")


class RaisesInIteration(dict[str, int]):
    def items(self) -> Any:
        """Raise."""
        raise OSError("gone")


class LiesAboutItsLength(list[int]):
    def __len__(self) -> int:
        return sys.maxsize


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (RaisesInRepr, "<RaisesInRepr: RuntimeError>"),
        (RecursesInRepr, "<RecursesInRepr: RecursionError>"),
        (ReprIsNoText, "<ReprIsNoText: TypeError>"),
        (RaisesWhenAskedForItsClass, "<RaisesWhenAskedForItsClass: LookupError>"),
        (RaisesInIteration, "<RaisesInIteration: OSError>"),
    ],
)
def test_a_value_that_raises_becomes_a_text_that_says_so(
    make: Callable[[], object], says: str
) -> None:
    """The host's own methods may do what they like."""
    value = make()

    assert decoded(value).string_value == says
    assert decoded([1, value, 2]) == expected([1, says, 2])


def test_a_list_that_lies_about_its_length_is_written_as_far_as_it_goes() -> None:
    """No length is believed."""
    assert decoded(LiesAboutItsLength([1])).array_value.values[0].int_value == 1


def test_a_cycle_ends_at_the_depth_limit() -> None:
    """A list that holds itself is written VALUE_DEPTH_MAX deep."""
    cycle: list[object] = []
    cycle.append(cycle)

    value, depth = decoded(cycle), 0
    while value.HasField("array_value"):
        value, depth = value.array_value.values[0], depth + 1

    assert (depth, value.string_value) == (VALUE_DEPTH_MAX, "<list of 1>")


def test_a_value_that_fans_out_is_bounded() -> None:
    """Nesting cannot multiply the number of items past VALUE_ITEMS_MAX, however much is shared."""
    fan: object = "leaf"
    for _ in range(VALUE_DEPTH_MAX):
        fan = [fan] * 100

    encoded = _values.any_value(fan)

    assert len(encoded) < 40 * VALUE_ITEMS_MAX
    AnyValue.FromString(encoded)


@pytest.mark.parametrize("count", [VALUE_ITEMS_MAX + 1, 10**6])
def test_a_long_list_says_how_many_it_left_out(count: int) -> None:
    """The beginning is kept and the rest is counted."""
    values = decoded(range(count)).array_value.values

    assert [value.int_value for value in values[:-1]] == list(range(VALUE_ITEMS_MAX))
    assert values[-1].string_value == f"<{count - VALUE_ITEMS_MAX} more>"


@pytest.mark.parametrize("letter", ["a", "ä", "😀"])
def test_a_text_over_the_limit_is_cut_at_a_character(letter: str) -> None:
    """The beginning is kept, valid UTF-8, with the whole length noted."""
    text = letter * 1_000_000

    kept = decoded(text).string_value

    assert len(kept.encode()) <= VALUE_BYTES_MAX
    assert kept.endswith("…<cut: 1000000 characters>")
    assert kept.startswith(letter * (VALUE_BYTES_MAX // 5))


def test_bytes_over_the_limit_are_named_not_kept() -> None:
    """Half a picture is no picture."""
    assert decoded(bytes(1_000_000)).string_value == "<1000000 bytes>"


@given(st.lists(st.integers(0, VALUE_BYTES_MAX), max_size=8), st.characters())
def test_many_large_texts_share_one_budget(lengths: list[int], letter: str) -> None:
    """A list of texts is no larger than one text may be, give or take the notes."""
    encoded = _values.any_value([letter * length for length in lengths])

    assert len(encoded) <= VALUE_BYTES_MAX + 64 * (len(lengths) + 1)
    AnyValue.FromString(encoded)
