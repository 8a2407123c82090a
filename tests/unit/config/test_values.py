"""Single values: from TOML's types and from text, each refusal saying what was expected."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidespand.config import values
from sidespand.config.model import Address
from sidespand.limits import GIB, KIB, MIB

ANYTHING = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers())
)
PARSERS = [
    values.size_bytes,
    values.duration_s,
    values.boolean,
    values.absolute_path,
    values.node_ref,
    values.listen_address,
    values.one_of("a", "b"),
]


@pytest.mark.parametrize("parse", PARSERS)
@given(value=ANYTHING)
def test_a_parser_raises_nothing_but_value_error(parse: Any, value: Any) -> None:
    """Whatever the file or a variable holds, the fault can be reported with its key."""
    with suppress(ValueError):
        parse(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, 0),
        (67108864, 64 * MIB),
        ("4096", 4096),
        ("512B", 512),
        ("64KiB", 64 * KIB),
        ("64 MiB", 64 * MIB),
        ("2GiB", 2 * GIB),
    ],
)
def test_sizes(value: Any, expected: int) -> None:
    """A number of bytes, or a number with a binary unit."""
    assert values.size_bytes(value) == expected


@pytest.mark.parametrize("value", ["", "64MB", "64mib", "-1", "1.5MiB", "MiB", -1, 1.0, True, None])
def test_what_is_no_size(value: Any) -> None:
    """Decimal units are not guessed at, and a truth value is no number."""
    with pytest.raises(ValueError, match="expected a size"):
        values.size_bytes(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("500ms", 0.5),
        ("90s", 90.0),
        ("1.5m", 90.0),
        ("1 h", 3600.0),
        ("7d", 604800.0),
        ("0s", 0.0),
    ],
)
def test_durations(value: Any, expected: float) -> None:
    """A number with a unit."""
    assert values.duration_s(value) == pytest.approx(expected)


@pytest.mark.parametrize("value", ["", "5", "5 min", "-1s", "1h30m", 5, 1.0, None])
def test_what_is_no_duration(value: Any) -> None:
    """A bare number could be anything."""
    with pytest.raises(ValueError, match="expected a duration"):
        values.duration_s(value)


@pytest.mark.parametrize(
    ("value", "expected"), [(True, True), (False, False), ("true", True), ("false", False)]
)
def test_truth_values(value: Any, *, expected: bool) -> None:
    """TOML's own, or their text."""
    assert values.boolean(value) is expected


@pytest.mark.parametrize("value", ["yes", "True", "1", "", 1, 0, None, []])
def test_what_is_no_truth_value(value: Any) -> None:
    """Other spellings are refused rather than guessed at."""
    with pytest.raises(ValueError, match="expected true or false"):
        values.boolean(value)


def test_directories(monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative paths are made absolute, and ~ is the user's home."""
    monkeypatch.setenv("HOME", "/home/someone")
    assert values.absolute_path("~/store") == Path("/home/someone/store")
    assert values.absolute_path("store") == Path.cwd() / "store"
    assert values.absolute_path("/srv/store") == Path("/srv/store")


@pytest.mark.parametrize("value", ["", "a\0b", 5, None, "~nobody-of-this-name/store"])
def test_what_is_no_directory(value: Any) -> None:
    """An empty path is no working directory by accident."""
    with pytest.raises(ValueError, match="expected a path"):
        values.absolute_path(value)


def test_node_references() -> None:
    """Printable ASCII without spaces, since it goes into headers and file names of others."""
    assert values.node_ref("node://planner@host/1") == "node://planner@host/1"
    for bad in ("", "a b", "a\nb", "ä", "x" * 256, 5):
        with pytest.raises(ValueError, match="printable"):
            values.node_ref(bad)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("off", None),
        ("127.0.0.1:4317", Address("127.0.0.1", 4317)),
        ("127.8.9.1:0", Address("127.8.9.1", 0)),
        ("localhost:65535", Address("127.0.0.1", 65535)),
        ("[::1]:4317", Address("::1", 4317)),
    ],
)
def test_listen_addresses(value: str, expected: Address | None) -> None:
    """Loopback with a port, or off."""
    assert values.listen_address(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        "",
        "127.0.0.1",
        ":4317",
        "127.0.0.1:",
        "127.0.0.1:65536",
        "127.0.0.1:-1",
        "127.0.0.1:٤٣",
        "host.example:4317",
        "127.0.0.1:4317:1",
        4317,
        False,
        None,
    ],
)
def test_what_is_no_listen_address(value: Any) -> None:
    """Names are not looked up, and a port is needed."""
    with pytest.raises(ValueError, match="expected"):
        values.listen_address(value)


def test_an_address_is_shown_as_it_is_written() -> None:
    """IPv6 keeps its brackets."""
    assert str(Address("::1", 4317)) == "[::1]:4317"
    assert str(Address("127.0.0.1", 80)) == "127.0.0.1:80"


def test_choices_are_exact() -> None:
    """The refusal lists what there is."""
    parse = values.one_of("fsync", "none")
    assert parse("none") == "none"
    with pytest.raises(ValueError, match='expected "fsync" or "none"'):
        parse("FSYNC")
