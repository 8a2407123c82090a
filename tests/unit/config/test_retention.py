"""What may be said of retention, and of the sinks that it waits for."""

import os
import re
from pathlib import Path

import pytest

from sidespand.config import load
from sidespand.config.values import fraction
from sidespand.errors import ConfigError

NO_FILE = Path(os.devnull)
PAGE = Path(__file__).parents[3] / "docs/operations.md"
KEPT = ("retention_age_s", "retention_bytes", "disk_free_min", "on_full")


@pytest.mark.parametrize("value", ["100%", 1.0, -0.1, "ten", True, "10 percent", None])
def test_a_part_is_below_the_whole(value: object) -> None:
    """A disk that must stay wholly free would hold no journal."""
    with pytest.raises(ValueError, match="10%"):
        fraction(value)


def test_a_store_holds_some_segments() -> None:
    """A size that leaves nothing to trim is refused with the size that would do."""
    with pytest.raises(ConfigError, match="retention_bytes: expected 272629760 bytes"):
        load(NO_FILE, {"journal.retention_bytes": "256MiB", "journal.segment_bytes": "65MiB"}, {})
    load(NO_FILE, {"journal.retention_bytes": "256MiB", "journal.segment_bytes": "64MiB"}, {})


def test_a_sink_is_required_when_it_says_so(tmp_path: Path) -> None:
    """No sink holds the journal back by default; the key is not the sink's own option."""
    path = tmp_path / "sidespan.toml"
    path.write_text("""
[sinks.archive]
type = "jsonl"
required = true
[sinks.copy]
type = "jsonl"
""")
    archive, copy = load(path, environment={"HOME": "/home/someone"}).sinks
    assert (archive.required, copy.required) == (True, False)
    assert archive.options == {}


def test_required_is_a_truth_value(tmp_path: Path) -> None:
    """Text would be taken for true."""
    path = tmp_path / "sidespan.toml"
    path.write_text('[sinks.archive]\ntype = "jsonl"\nrequired = "no"\n')
    with pytest.raises(ConfigError, match=r"sinks\.archive\.required: expected true or false"):
        load(path, environment={"HOME": "/home/someone"})


def test_what_is_kept_without_a_word(tmp_path: Path) -> None:
    """A week and 10 GiB, a tenth of the disk left free, nothing lost unasked; as the page says."""
    config = load(NO_FILE, environment={"HOME": "/home/someone"})
    assert [getattr(config, name) for name in KEPT] == [7 * 86_400, 10 * 2**30, 0.1, "refuse"]
    assert (config.segment_bytes, config.segment_age_s) == (64 * 2**20, 3600)
    path = tmp_path / "sidespan.toml"
    (shown,) = re.findall(
        r"```toml\n(\[journal\]\nretention_age.*?)```", PAGE.read_text(), re.DOTALL
    )
    path.write_text(shown)
    told = load(path, environment={"HOME": "/home/someone"})
    assert [getattr(told, name) for name in KEPT] == [getattr(config, name) for name in KEPT]
