"""A store that an earlier release wrote is read, proved and gone on with."""

import json
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.daemon import Daemon
from tests.golden.stores import make

STORES = sorted(make.HERE.glob("format-*.tar.xz"))
# Where the store lies now, and what is worded for people.
WORDED = {"path", "established", "not_established", "running"}


@pytest.fixture(params=STORES, ids=lambda path: path.name)
def archive(request: pytest.FixtureRequest) -> Path:
    """Return each archive."""
    assert isinstance(request.param, Path)
    return request.param


def unpacked(archive: Path, root: Path) -> Path:
    """Return the data directory of an archive's store."""
    with tarfile.open(archive) as tar:
        tar.extractall(root, filter="data")
    return (root / "store").rename(root / "data")


def missing(wanted: Any, found: Any, place: str = "") -> list[str]:
    """Return where ``found`` lacks something of ``wanted``, or has something else there."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        faults = []
        for key, value in wanted.items():
            if key in found:
                faults += [] if key in WORDED else missing(value, found[key], f"{place}.{key}")
            else:
                faults.append(f"{place}.{key} is gone")
        return faults
    if isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        pairs = enumerate(zip(wanted, found, strict=True))
        return [one for index, (a, b) in pairs for one in missing(a, b, f"{place}[{index}]")]
    return [] if wanted == found else [f"{place} was {wanted!r}, is {found!r}"]


def test_there_is_a_store_of_every_format() -> None:
    """From the first format on."""
    assert [path.name for path in STORES] == ["format-1.tar.xz"]


@pytest.mark.slow
def test_every_command_says_of_it_what_it_said_then(archive: Path, tmp_path: Path) -> None:
    """The --json of each command holds all that it held when the store was made, and maybe more."""
    wanted = json.loads(archive.with_name(archive.name.split(".")[0] + ".json").read_text())

    found = make.ask_all(unpacked(archive, tmp_path))

    assert missing(wanted, found) == []


@pytest.mark.slow
def test_it_is_gone_on_with(archive: Path, tmp_path: Path) -> None:
    """A daemon takes it over where its operator says so, and old and new verify together."""
    data = unpacked(archive, tmp_path)
    daemon = Daemon(tmp_path, ["--accept-move"]).start()
    try:
        program = (
            "import sidespan\nsidespan.init(service='late')\n"
            "with sidespan.span('new'): pass\nassert sidespan.flush()"
        )
        subprocess.run(
            [sys.executable, "-c", program], check=True, timeout=30,
            env={**daemon.environment, "SIDESPAN_SOCKET": str(daemon.ingest)},
        )  # fmt: skip
    finally:
        daemon.terminate()

    assert json.loads(make.ask(data, ["verify", "--json"]))["ok"]
    assert "new" in make.ask(data, ["ls", "--json"])
    assert "plan-trip" in make.ask(data, ["ls", "--json"])


def test_what_is_missing_is_noticed() -> None:
    """The comparison sees a field that went, one that changed, and a list that grew."""
    wanted = {"a": [{"b": 1, "path": "x"}], "c": 2}

    assert missing(wanted, {"a": [{"b": 1, "path": "y", "new": 3}], "c": 2}) == []
    assert missing(wanted, {"a": [{"path": "y"}], "c": 3}) == [".a[0].b is gone", ".c was 2, is 3"]
    assert missing(wanted, {"a": [], "c": 2}) != []
