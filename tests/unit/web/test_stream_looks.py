"""How often the streams ask the index: where it says that it stands still, seldom."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from sidespand.ai import normaliser
from sidespand.answers.stock import Stock
from sidespand.index.reader import IndexReader
from sidespand.journal.reader import JournalReader
from sidespand.web import stream
from sidespand.web.pool import Pool
from sidespand.web.stream import Feed
from tests.journals import run, write

WAIT_S = 20.0
_T = TypeVar("_T")


class _CountingPool(Pool):
    """Counts questions."""

    def __init__(self) -> None:
        super().__init__("test", 1, 8)
        self.questions = 0

    async def run(self, question: Callable[[], _T]) -> _T:
        """Return the answer to a question."""
        self.questions += 1
        return await super().run(question)


@pytest.mark.parametrize("look_s", [3600.0, 0.0], ids=["seldom", "always"])
def test_an_index_that_stands_still_is_not_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, look_s: float
) -> None:
    """It is asked again when it has moved, and when the last look was long enough ago."""
    monkeypatch.setattr(stream, "STREAM_COALESCE_S", 0.0)
    monkeypatch.setattr(stream, "STREAM_LOOK_S", look_s)

    async def test() -> None:
        await write(tmp_path, ())
        told, marks = 1, 0

        def mark() -> int:
            nonlocal marks
            marks += 1
            return told

        async def marked(times: int) -> None:
            async with asyncio.timeout(WAIT_S):
                while marks < times:
                    await asyncio.sleep(0)

        pool, reader = _CountingPool(), JournalReader(tmp_path)
        index = IndexReader(tmp_path / "index.sqlite", mark=mark)
        feed = Feed(Stock(reader, normaliser(), index), pool)
        feed.join()
        await marked(5)
        first = pool.questions
        await marked(10)
        assert (pool.questions == first) == bool(look_s)
        first = pool.questions
        told = 2
        await marked(marks + 5)
        assert pool.questions > first
        await feed.close()
        pool.close()
        index.close()
        reader.close()

    run(test())
