"""Killing the worker while it writes files: traces stay in whole pairs, lines in whole files."""

import asyncio
import json
import random
from pathlib import Path

import pytest

from sidespand.audit import exports
from sidespand.model import Admitted
from tests.journals import PEER, content, eventually, opened, run
from tests.otlp import encoded
from tests.workers import working

LIVES = 4
REQUESTS = 60
SPANS = 10
CONFIG = """
[sinks.traces]
type = "aitrace_file"
quiet = "20ms"
late = "0s"

[sinks.lines]
type = "jsonl"
rotate_bytes = "20KiB"
"""


@pytest.mark.slow
def test_a_worker_killed_at_random_points_leaves_whole_files(tmp_path: Path) -> None:
    """Each trace is in a pair that verifies, each line once in some file, in order."""
    choice = random.Random()
    sinks = tmp_path / "data/sinks"
    directory = sinks / "traces/traces"

    async def test() -> None:
        async with opened(tmp_path / "data") as store:
            expected: list[int] = []
            for life in range(LIVES):
                async with working(tmp_path, CONFIG) as worker:
                    await eventually(lambda: worker.ready, "the worker")
                    for _ in range(REQUESTS):
                        admitted = Admitted((content(encoded(SPANS)),))
                        receipt = await store.append(admitted, PEER)
                        expected += range(receipt.first_lsn, receipt.last_lsn + 1)
                        worker.end.advance(store.position)
                        await asyncio.sleep(choice.random() / 200)
                    if life < LIVES - 1:
                        await worker.kill()
                        continue
                    newest = store.position
                    await eventually(
                        lambda: worker.cursors == {"traces": newest, "lines": newest},  # noqa: B023
                        "the end",
                    )
                    count = LIVES * REQUESTS
                    await eventually(
                        lambda: len(list(directory.glob("*.evidence.json"))) == count,  # noqa: B023
                        "the last pair",
                    )
                    worker.end.stop(5.0)
                    assert await worker.process.wait() == 0
            assert not exports.verify(directory).findings
            spans = [
                int(span["sidespan"]["lsn"])
                for path in directory.glob("*.json")
                if not path.name.endswith(".evidence.json")
                for span in json.loads(path.read_bytes())["spans"]
            ]
            assert sorted(spans) == expected
            files = sorted((sinks / "lines").glob("spans.*-*.jsonl"))
            assert len(files) > LIVES
            lines = [
                int(json.loads(line)["stamp"]["lsn"])
                for path in (*files, sinks / "lines/spans.jsonl")
                for line in path.read_text(encoding="ascii").splitlines()
            ]
            assert lines == expected

    run(test())
