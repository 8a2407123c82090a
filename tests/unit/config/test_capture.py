"""``capture`` of a sink: four words, and no other."""

from pathlib import Path

import pytest

from sidespand.config import Capture, load
from sidespand.errors import ConfigError
from sidespand.limits import SINKS_MAX


def sinks(text: str, directory: Path) -> Path:
    """Write a configuration file."""
    path = directory / "sidespan.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("word", ["off", "metadata", "redacted", "full"])
def test_each_level(word: str, tmp_path: Path) -> None:
    """It is no option of the sink's type."""
    path = sinks(f'[sinks.a]\ntype = "jsonl"\ncapture = "{word}"\n', tmp_path)
    (sink,) = load(path, environment={"HOME": "/h"}).sinks
    assert (sink.capture, sink.options) == (Capture(word), {})


def test_without_a_word_the_type_decides(tmp_path: Path) -> None:
    """The configuration says nothing then."""
    (sink,) = load(sinks('[sinks.a]\ntype = "jsonl"\n', tmp_path), environment={"HOME": "/h"}).sinks
    assert sink.capture is None


@pytest.mark.parametrize("given", ['"redcated"', '""', '"FULL"', "true", "1", '["full"]', "{}"])
def test_another_word_stops_the_start(given: str, tmp_path: Path) -> None:
    """With its key and what was expected."""
    path = sinks(f'[sinks.a]\ntype = "jsonl"\ncapture = {given}\n', tmp_path)
    expected = r'sinks\.a\.capture: expected "off" or "metadata" or "redacted" or "full", got '
    with pytest.raises(ConfigError, match=expected):
        load(path, environment={"HOME": "/h"})


def test_how_many_sinks_there_may_be(tmp_path: Path) -> None:
    """Each reads the journal for itself."""
    tables = [f'[sinks.s{number}]\ntype = "jsonl"\n' for number in range(SINKS_MAX + 1)]
    assert len(load(sinks("".join(tables[:-1]), tmp_path), environment={"HOME": "/h"}).sinks) == 64
    with pytest.raises(ConfigError, match="sinks: more than 64"):
        load(sinks("".join(tables), tmp_path), environment={"HOME": "/h"})
