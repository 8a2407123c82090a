"""docs/python.md: its programs run, and it names what there is."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import sidespan
from sidespan import _limits
from sidespan.testing import FakeDaemon

PAGE = Path(sidespan.__file__).parents[2] / "docs" / "python.md"


@pytest.mark.slow
def test_its_programs_run(tmp_path: Path) -> None:
    """The quick start's spans arrive as it says; the others run silently."""
    daemon = FakeDaemon(tmp_path / "ingest.sock").start()
    programs = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    printed = []
    for program in programs:
        finished = subprocess.run(
            [sys.executable, "-W", "error", "-c", program],
            env={**os.environ, "SIDESPAN_SOCKET": daemon.address},
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        assert (finished.returncode, finished.stderr) == (0, "")
        printed.append(finished.stdout)
    daemon.stop()

    spans = {span.name: span for span in daemon.spans}
    assert list(spans) == ["chat gpt-x", "execute_tool pack", "plan-trip"]
    assert spans["chat gpt-x"].attributes["gen_ai.usage.cost"] == 0.00243
    assert spans["plan-trip"].attributes["sidespan.state.memory.after"] == '{"coats": 1}'
    assert "execute_tool pack" in {mark.name for mark in daemon.marks}
    assert printed == [f"{spans['plan-trip'].trace_id} True connected\n", ""]


def test_it_names_every_public_function() -> None:
    """What can be called is written down."""
    text = PAGE.read_text(encoding="utf-8")

    missing = [name for name in sidespan.__all__ if name.islower() and f"{name}(" not in text]
    assert missing == ["__version__"]


def test_its_limits_are_the_real_ones() -> None:
    """The table follows the code."""
    text = PAGE.read_text(encoding="utf-8")

    assert f"{_limits.NAME_BYTES_MAX // 1024} KiB, {_limits.KEY_BYTES_MAX} bytes" in text
    assert f"{_limits.VALUE_BYTES_MAX // 1024} KiB, {_limits.VALUE_ITEMS_MAX:,} members" in text
    assert f"{_limits.SPAN_LARGE_FIELDS_BYTES_MAX // 2**20} MiB |" in text
    assert f"{_limits.STATE_BYTES_MAX // 1024} KiB; {_limits.STATES_MAX}" in text
    assert f"{_limits.BUFFER_BYTES_MAX // 2**20} MiB (`buffer_bytes_max`)" in text
    assert f"{_limits.BATCH_SPANS_MAX} spans or {_limits.BATCH_BYTES_MAX // 1024} KiB" in text
    assert f"{_limits.OFFLINE_BYTES_MAX // 2**30} GiB" in text
    assert f"open for {_limits.MARK_AFTER_S * 1000:.0f} ms" in text
    counts = {_limits.SPAN_ATTRIBUTES_MAX, _limits.SPAN_EVENTS_MAX, _limits.SPAN_LINKS_MAX}
    assert counts == {128}
