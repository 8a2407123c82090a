"""What a resource says of where it may go."""

from typing import Any

import pytest
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from sidespand.governed import GOVERNED, SINKS, declare, may_be_governed, sinks_of
from sidespand.limits import SINKS_MAX
from tests.unit.sinks.policies import put

KNOWN = ("archive", "collector")


def resource(**given: Any) -> Resource:
    """Return a resource; ``governed`` and ``sinks`` stand for the attributes."""
    made = Resource()
    keys = {"governed": GOVERNED, "sinks": SINKS}
    put(made.attributes, {keys.get(key, key): value for key, value in given.items()})
    return made


@pytest.mark.parametrize(
    ("sinks", "names"),
    [
        ("archive", {"archive"}),
        ("archive,collector", {"archive", "collector"}),
        (" archive,  collector ,", {"archive", "collector"}),
        (["collector", "archive", "archive"], {"archive", "collector"}),
    ],
)
@pytest.mark.parametrize("yes", [True, "true", "True"])
def test_it_names_its_sinks(sinks: Any, names: set[str], yes: Any) -> None:
    """As a list, or as the text that environment variables can hold."""
    assert sinks_of(resource(governed=yes, sinks=sinks), KNOWN) == names


@pytest.mark.parametrize(
    "given", [{}, {"service.name": "x"}, {"governed": False}, {"governed": "false"}]
)
def test_without_a_word_it_is_not_governed(given: dict[str, Any]) -> None:
    """Then the configuration decides."""
    assert sinks_of(resource(**given), KNOWN) is None


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"governed": True}, "name at least one sink"),
        ({"governed": True, "sinks": ""}, "name at least one sink"),
        ({"governed": True, "sinks": " , "}, "name at least one sink"),
        ({"governed": True, "sinks": []}, "name at least one sink"),
        ({"governed": True, "sinks": "archive,tempo"}, "names 'tempo', and there is no such sink"),
        ({"governed": True, "sinks": "Archive"}, "names 'Archive'"),
        ({"governed": True, "sinks": ["archive", "../x\n"]}, r"names '\.\./x\\n'"),
        ({"governed": True, "sinks": ["archive", 1]}, "no list of at most"),
        ({"governed": True, "sinks": ["archive"] * (SINKS_MAX + 1)}, "no list of at most"),
        ({"governed": True, "sinks": 7}, "neither a list of names nor a text"),
        ({"governed": True, "sinks": "archive," * 10_000}, "neither a list of names nor a text"),
        ({"governed": "yes", "sinks": "archive"}, "neither true nor false"),
        ({"governed": 1, "sinks": "archive"}, "neither true nor false"),
        ({"sinks": "archive"}, "sidespan.sinks needs sidespan.governed = true"),
        ({"governed": False, "sinks": "archive"}, "sidespan.sinks needs sidespan.governed = true"),
    ],
)
def test_what_is_unclear_is_a_fault(given: dict[str, Any], fault: str) -> None:
    """It never falls back to the usual sinks."""
    with pytest.raises(ValueError, match=fault):
        sinks_of(resource(**given), KNOWN)


def test_a_word_that_is_there_twice_is_a_fault() -> None:
    """Readers would take one or the other."""
    twice = resource(governed=True, sinks="archive")
    put(twice.attributes, {SINKS: "collector"})
    with pytest.raises(ValueError, match="is there twice"):
        sinks_of(twice, KNOWN)


def test_a_long_name_is_cut_in_the_fault() -> None:
    """What a sender wrote does not fill a log."""
    with pytest.raises(ValueError, match="no such sink") as refused:
        sinks_of(resource(governed=True, sinks="x" * 2000), KNOWN)
    assert len(str(refused.value)) < 150


def test_what_is_declared_is_what_is_read() -> None:
    """And is seen in the raw bytes."""
    made = resource(x=1)
    assert not may_be_governed(made.SerializeToString())
    declare(made, frozenset(KNOWN))
    assert may_be_governed(made.SerializeToString())
    assert sinks_of(made, KNOWN) == set(KNOWN)
