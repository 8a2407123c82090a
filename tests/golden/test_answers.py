"""What the API and the commands answer only grows: no field goes away or becomes another type."""

import argparse
import importlib
import json

import pytest

from sidespand.cli.commands import SUMMARIES
from tests import shapes
from tests.golden.answers.gather import ACTS, KNOWN, LEFT_OUT, Documents, gather

known: dict[str, shapes.Shape] = json.loads(KNOWN.read_text(encoding="utf-8"))
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Documents:
    """Return every document, of a real daemon and of a store without one."""
    return gather(tmp_path_factory.mktemp("answers"))


def test_every_field_is_what_it_was(found: Documents) -> None:
    """Those of each document that is committed."""
    faults = []
    for name, shape in known.items():
        assert name in found, name
        faults += [f"{name}: {one}" for one in shapes.lost(shape, shapes.of(found[name]))]

    assert faults == []


def test_every_document_is_known(found: Documents) -> None:
    """A new one, or a new field, is committed with `python -m tests.golden.answers.gather`."""
    new = [
        f"{name}: {path}"
        for name, documents in found.items()
        for path in shapes.grown(known.get(name, {}), shapes.of(documents))
    ]

    assert new == []


def test_every_route_is_among_them(found: Documents) -> None:
    """But for what is no document."""
    (paths,) = (one["paths"] for one in found["GET /v1/openapi.json"])
    routes = {f"{method.upper()} {path}" for path in paths for method in paths[path]}
    left_out = {f"GET {path}" for path in LEFT_OUT} | set(ACTS)

    assert routes - found.keys() - left_out == set()


def test_every_command_is_among_them() -> None:
    """Whatever takes `--json` has a shape; `demo` prints what `show` does."""
    told = {name.split(" ")[0] for name in known if name.endswith("--json")}
    for name in SUMMARIES.keys() - told - {"demo", "export"}:
        module = "sessions_" * (name in ("list", "view")) + name.replace("-", "_")
        parser = argparse.ArgumentParser()
        importlib.import_module(f"sidespand.cli.{module}").add_arguments(parser)
        assert "--json" not in parser.format_help(), name


@pytest.mark.parametrize(
    ("before", "after", "faults"),
    [
        ({"a": 1}, {"a": 2, "b": 3}, []),
        ({"a": 1}, {"b": 1}, ["a: is gone"]),
        ({"a": 1}, {"a": "1"}, ["a: was number, is string"]),
        ({"a": None}, {"a": 1}, []),
        ({"a": 1}, {"a": None}, ["a: was number, is null"]),
        ({"a": [{"b": 1}]}, {"a": [{"b": 1}, {}]}, ["a[].b: is not always there any more"]),
        ({"a": [{"b": 1}]}, {"a": []}, ["a[]: is gone", "a[].b: is gone"]),
        ({"attributes": {"k": 1}}, {"attributes": {}}, []),
        ({"sinks": {"x": {"b": 1}}}, {"sinks": {"y": {}}}, ["sinks{}.b: is gone"]),
    ],
)
def test_what_counts_as_a_loss(before: object, after: object, faults: list[str]) -> None:
    """Growth is none; what programs sent and how sinks are called does not matter."""
    assert list(shapes.lost(shapes.of([before]), shapes.of([after]))) == faults


def test_what_may_be_missing_takes_what_is_below_it_along() -> None:
    """A field that may be null holds nothing then."""
    shape = shapes.of([{"a": None}, {"a": {"b": 1}}])

    assert shape == {"": "object", "a": "null|object", "a.b": "number"}
    assert list(shapes.lost(shape, shapes.of([{"a": None}]))) == []
    assert list(shapes.grown({"": "object", "a": "null"}, shape)) == []
    assert list(shapes.grown({"": "object"}, shapes.of([{"a": 1}]))) == ["a"]
    assert shapes.merged(shapes.of([{"a": None}]), shapes.of([{"a": {"b": 1}}])) == shape
