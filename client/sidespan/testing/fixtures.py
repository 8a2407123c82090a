"""Fixtures for pytest: ``pytest_plugins = ["sidespan.testing.fixtures"]`` in conftest.py."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import sidespan
from sidespan.testing import Capture, FakeDaemon, capture


@pytest.fixture
def sidespan_spans() -> Iterator[Capture]:
    """Return what the test's spans are kept in, decoded on demand."""
    with capture() as captured:
        yield captured


@pytest.fixture
def sidespan_daemon(tmp_path: Path) -> Iterator[FakeDaemon]:
    """Return a daemon in a thread; ``sidespan.init(socket=daemon.address)`` sends to it."""
    daemon = FakeDaemon(tmp_path / "ingest.sock").start()
    yield daemon
    sidespan.shutdown(0)
    daemon.stop()
