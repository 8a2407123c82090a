"""Indexes for tests: of records that are at hand, or of a store."""

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from sidespand.ai import normaliser
from sidespand.index.files import facts_of, open_or_begin
from sidespand.index.indexer import Indexer, IndexOptions
from sidespand.index.reader import IndexReader
from sidespand.index.writer import IndexWriter
from sidespand.journal.reader import JournalReader
from sidespand.model import Content, Record
from tests.journals import eventually, records

NODE = "node://test@host"


def opened_writer(path: Path, mapped: Mapping[str, tuple[str, ...]] | None = None) -> IndexWriter:
    """Return the writer of an index, new or not."""
    attributes = dict(mapped or {})
    db = open_or_begin(path, facts_of("test", attributes))
    return IndexWriter(db, normaliser(attributes), lambda _lineage, _generation: NODE)


def add(writer: IndexWriter, found: Iterable[Record]) -> None:
    """Index records in one transaction."""
    writer.db.execute("BEGIN IMMEDIATE")
    last = None
    for record in found:
        writer.index(record)
        last = record
    assert last is not None
    writer.finish(last.position)
    writer.db.execute("COMMIT")


def index_of(path: Path, contents: Iterable[Content], *, together: bool = True) -> IndexReader:
    """Return a reader of an index of contents, written in one transaction or one each."""
    writer = opened_writer(path)
    found = records(list(contents))
    for batch in [found] if together else [[one] for one in found]:
        add(writer, batch)
    writer.db.close()
    return IndexReader(path)


def indexer_of(
    data_dir: Path,
    options: IndexOptions | None = None,
    *,
    time_s: Callable[[], float] = time.monotonic,
) -> tuple[Indexer, JournalReader]:
    """Return an indexer of a store, which is to be started, and the journal that it reads."""
    journal = JournalReader(data_dir)
    path = data_dir / "index" / "index.sqlite"
    indexer = Indexer(
        journal,
        path,
        journal.store_id,
        options or IndexOptions(),
        lambda _lineage, _gen: NODE,
        time_s=time_s,
    )
    return indexer, journal


async def caught_up(indexer: Indexer, journal: JournalReader) -> None:
    """Have an indexer read to the end of the journal, and return when it has."""
    tail = journal.tail()
    assert tail is not None
    indexer.advance(tail)
    await eventually(lambda: indexer.position == tail, "the index to be at the journal's end")


def everything(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Return what the views of an index say, without what depends on when it was written."""
    reader = IndexReader(path)
    try:
        return {
            view: sorted(reader.sql(f"SELECT * FROM {view}", 1000).rows, key=repr)
            for view in ("traces", "spans", "events", "links", "logs", "states")
        }
    finally:
        reader.close()
