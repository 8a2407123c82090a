import asyncio
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from sidespand.errors import NotFound
from sidespand.index.indexer import IndexOptions
from sidespand.index.reader import IndexReader
from sidespand.model import Content, Kind
from sidespand.search import parse
from tests import emitted, indexes, journals
from tests.unit.journal.upkeeping import WEEK_S, holding, kept

PATH = Path("index") / "index.sqlite"
WORDS_OF_PADDING = 40_000
START_NS = 1_790_000_000_000_000_000


def said(number: int, padding: int = 0) -> Content:
    """Return a span that says a word of its own, in a trace of its own, named by it."""
    message = TracesData()
    span = (
        message.resource_spans.add()
        .scope_spans.add()
        .spans.add(
            trace_id=number.to_bytes(16, "big"),
            span_id=number.to_bytes(8, "big"),
            name=f"named{number:04d}",
            start_time_unix_nano=START_NS + number,
            end_time_unix_nano=START_NS + number + 1,
        )
    )
    for key, value in (
        ("gen_ai.request.model", f"model{number:04d}"),
        ("gen_ai.input.messages", f"secret{number:04d} was said"),
        ("padding", "xy " * padding),
    ):
        span.attributes.add(key=key).value.string_value = value
    return Content(Kind.SPANS, message.SerializeToString(), 1)


async def index(data_dir: Path, options: IndexOptions | None = None) -> int:
    """Have a store's index read to the journal's end, then stop; return how often it began."""
    indexer, journal = indexes.indexer_of(data_dir, options)
    indexer.start()
    try:
        await indexes.caught_up(indexer, journal)
        await settled(indexer)
    finally:
        indexer.stop()
        journal.close()
    return indexer.rebuilds


async def settled(indexer: object) -> None:
    """Return when an indexer has erased and trimmed what it read of."""
    await journals.eventually(
        lambda: not indexer._gone and not indexer._trim_to,  # type: ignore[attr-defined]
        "the index to have removed what has gone",
    )


def found(data_dir: Path, line: str) -> list[int]:
    """Return the numbers of the traces that match."""
    reader = IndexReader(data_dir / PATH)
    try:
        rows = reader.traces(parse(line)).rows
    finally:
        reader.close()
    return [int.from_bytes(row.trace_id, "big") for row in rows]


async def _store(data_dir: Path, contents: Sequence[Content]) -> None:
    await journals.write(data_dir, contents)


@pytest.mark.slow
def test_an_index_that_is_built_again_gives_the_same_answers(tmp_path: Path) -> None:
    """Removed, or built in another number of transactions: every view has the same rows."""

    async def run() -> None:
        contents = [one for capture in emitted.CAPTURES for one in emitted.contents(capture)]
        await _store(tmp_path, contents[: len(contents) // 2])
        await index(tmp_path)
        await _store(tmp_path, contents[len(contents) // 2 :])
        await index(tmp_path)
        first = indexes.everything(tmp_path / PATH)
        assert len(first["spans"]) == 106
        assert len(first["logs"]) > 20
        for path in (tmp_path / "index").iterdir():
            path.unlink()
        await index(tmp_path)
        assert indexes.everything(tmp_path / PATH) == first

    journals.run(run())


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["noise", "cut", "other", "version", "empty"])
def test_a_damaged_index_is_built_anew(tmp_path: Path, damage: str) -> None:
    """Whatever the file holds: it is removed, and answers come from the journal again."""

    async def run() -> None:
        await _store(tmp_path, [said(number) for number in range(1, 40)])
        await index(tmp_path)
        path = tmp_path / PATH
        if damage == "noise":
            path.write_bytes(path.read_bytes()[:8192] + b"\xa5" * 200_000)
        elif damage == "cut":
            path.write_bytes(path.read_bytes()[:20_000])
        elif damage == "other":
            path.write_bytes(b"this is not a database " * 1000)
        elif damage == "empty":
            path.write_bytes(b"")
        else:
            db = sqlite3.connect(path)
            db.execute("UPDATE meta SET value = 0 WHERE key = 'schema'")
            db.commit()
            db.close()
        await index(tmp_path)
        assert found(tmp_path, "secret0007") == [7]
        assert len(found(tmp_path, "")) == 39

    journals.run(run())


@pytest.mark.slow
def test_a_store_without_an_index_says_so(tmp_path: Path) -> None:
    """A question before there is a file is answered with what to do."""
    reader = IndexReader(tmp_path / PATH)
    with pytest.raises(NotFound, match="no index"):
        reader.traces(parse(""))


@pytest.mark.slow
def test_the_attributes_of_a_house_begin_the_index_anew(tmp_path: Path) -> None:
    """Another map reads every span again; the same one does not."""

    async def run() -> None:
        await _store(tmp_path, [said(number) for number in range(1, 4)])
        await index(tmp_path)
        assert found(tmp_path, "conversation:model0002") == []
        mapped = IndexOptions(attributes={"conversation": ("gen_ai.request.model",)})
        await index(tmp_path, mapped)
        assert found(tmp_path, "conversation:model0002") == [2]
        assert await index(tmp_path, mapped) == 0

    journals.run(run())


@pytest.mark.slow
def test_what_was_redacted_is_in_no_byte_of_the_index(tmp_path: Path) -> None:
    """Names, content and found words go; others' stay and are found."""
    with kept(tmp_path) as store:
        lsns = [store.life.append(said(number)).first_lsn for number in range(1, 9)]
        target = store.target(lsns[2], (3).to_bytes(16, "big"))

    async def before() -> None:
        await index(tmp_path)
        assert found(tmp_path, "secret0003") == [3]

    journals.run(before())
    assert holding(tmp_path, b"secret0003")
    with kept(tmp_path) as store:
        store.life.run(store.upkeep.redact("ann", "asked to", [target]))

    async def after() -> None:
        await index(tmp_path)

    journals.run(after())
    for word in (b"secret0003", b"named0003", b"model0003"):
        assert holding(tmp_path, word) == []
    assert found(tmp_path, "secret0003") == []
    assert found(tmp_path, "model:model0003") == []
    assert found(tmp_path, "secret0004") == [4]
    assert found(tmp_path, "") == [8, 7, 6, 5, 4, 2, 1]


@pytest.mark.slow
def test_an_erasure_that_is_asked_for_is_done_when_it_is_answered(tmp_path: Path) -> None:
    """Who asks does not wait for the log to tell of it."""
    with kept(tmp_path) as store:
        lsns = [store.life.append(said(number)).first_lsn for number in range(1, 4)]
        target = store.target(lsns[1])
        store.life.run(asyncio.sleep(0))

    async def run() -> None:
        indexer, journal = indexes.indexer_of(tmp_path)
        indexer.start()
        try:
            await indexes.caught_up(indexer, journal)
            await indexer.erase([target.gap])
        finally:
            indexer.stop()
            journal.close()
        assert found(tmp_path, "") == [3, 1]
        assert found(tmp_path, "model:model0002") == []
        # The journal still has it, as a reader of the file of before would see it.
        assert found(tmp_path, "secret0002") == []
        for path in (tmp_path / PATH).parent.iterdir():
            assert b"named0002" not in path.read_bytes()

    journals.run(run())


@pytest.mark.slow
def test_the_index_lets_go_of_what_the_journal_trims(tmp_path: Path) -> None:
    """A trimmed segment's traces, names and values are no longer found nor completed."""
    with kept(tmp_path) as store:
        for number in range(1, 25):
            store.life.append(said(number, WORDS_OF_PADDING))

    async def run() -> None:
        await index(tmp_path)

    journals.run(run())
    assert len(found(tmp_path, "")) == 24
    with kept(tmp_path) as store:
        store.clock.pass_time(WEEK_S + 1)
        assert store.trim() > 0
        oldest = store.life.store.segments[0].first_lsn
    journals.run(run())
    reader = IndexReader(tmp_path / PATH)
    rows = reader.traces(parse("")).rows
    assert len(rows) < 24
    assert all(row.first.lsn >= oldest for row in rows)
    left = {int.from_bytes(row.trace_id, "big") for row in rows}
    values = {one.value for one in reader.complete("model", "", 100)}
    assert values == {f"model{number:04d}" for number in left}
    reader.close()


@pytest.mark.slow
def test_another_log_in_the_same_place_begins_the_index_anew(tmp_path: Path) -> None:
    """A store that was put back to an earlier day has no rows of days that it has not seen."""

    async def run() -> None:
        await _store(tmp_path / "a", [said(number) for number in range(1, 30)])
        await index(tmp_path / "a")
        await _store(tmp_path / "b", [said(100)])
        (tmp_path / "b" / "index").mkdir()
        for path in (tmp_path / "a" / "index").iterdir():
            path.rename(tmp_path / "b" / "index" / path.name)
        await index(tmp_path / "b")
        assert found(tmp_path / "b", "") == [100]

    journals.run(run())


@pytest.mark.slow
def test_a_reader_follows_an_index_that_is_replaced(tmp_path: Path) -> None:
    """The same reader answers before and after the file was begun anew."""

    async def run() -> None:
        await _store(tmp_path, [said(number) for number in range(1, 4)])
        indexer, journal = indexes.indexer_of(tmp_path)
        reader = IndexReader(indexer.path, lag=indexer.lag)
        indexer.start()
        try:
            await indexes.caught_up(indexer, journal)
            assert len(reader.traces(parse("")).rows) == 3
            indexer.begin_anew()
            await journals.eventually(lambda: indexer.rebuilds == 1, "the index to begin anew")
            await indexes.caught_up(indexer, journal)
            assert len(reader.traces(parse("")).rows) == 3
            assert reader.lag().items == 0
        finally:
            indexer.stop()
            reader.close()
            journal.close()

    journals.run(run())
