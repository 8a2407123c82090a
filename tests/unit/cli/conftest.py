"""A store with two small traces, and the command line in this process."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from sidespand.cli import main
from tests.unit.cli import stores
from tests.unit.query import samples


class Outcome(NamedTuple):
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """What it printed, as JSON."""
        return json.loads(self.out)


Run = Callable[..., Outcome]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs one command and says how it ended."""

    def run(*arguments: object) -> Outcome:
        capsys.readouterr()
        status = main([str(argument) for argument in arguments])
        return Outcome(status, *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store of two generations that nobody writes; it must not be changed.

    Trace 1 has the spans 1 to 4 of two services, span 3 failed; trace 2 has span 9 alone, whose
    parent is not there.
    """
    path = tmp_path_factory.mktemp("store")
    stores.write(
        path,
        samples.request(
            samples.span(1, name="plan", for_ms=1500),
            samples.span(2, parent=1, name="call", at_ms=5, for_ms=1100),
            samples.span(4, parent=1, name="sum up", at_ms=1200, for_ms=30),
        ),
        samples.request(
            samples.span(3, parent=2, name="work", at_ms=7, for_ms=900, error=True),
            service="worker",
        ),
    )
    stores.write(
        path,
        samples.request(samples.span(9, trace=2, parent=77, name="orphan"), service="worker"),
    )
    return path
