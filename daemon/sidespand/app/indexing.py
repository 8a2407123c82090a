"""Puts the index together: its writer and its readers beside the worker, and its making anew."""

import logging
import time
from collections.abc import Callable
from pathlib import Path

from sidespand import scrubbing
from sidespand.app.channel import IndexFigures
from sidespand.config import Config
from sidespand.index import files
from sidespand.index.indexer import Indexer, IndexOptions
from sidespand.index.reader import IndexReader
from sidespand.journal.reader import JournalReader
from sidespand.limits import INDEX_QUERY_S
from sidespand.lock import FileLock
from sidespand.model import Position
from sidespand.scrubbing import Secrets

_log = logging.getLogger(__name__)


def open_reader(data_dir: Path) -> IndexReader:
    """Return a reader of a store's index, for who has no worker beside it; it may be missing."""
    return IndexReader(files.index_path(data_dir))


def begin_index(
    config: Config, journal: JournalReader, secrets: Secrets
) -> tuple[Indexer, IndexReader]:
    """Return the writer of a store's index, which is to be started, and a reader of it.

    Args:
        config: Checked.
        journal: The store; used on several threads.
        secrets: What is not stored.
    """
    indexer = _indexer(config, journal, secrets)
    reader = IndexReader(
        indexer.path, INDEX_QUERY_S, indexer.lag, indexer.look, lambda: indexer.position
    )
    return indexer, reader


def figures(indexer: Indexer) -> IndexFigures:
    """Return what is told of the index for metrics."""
    lag = indexer.lag()
    return IndexFigures(
        indexed_items=indexer.indexed_items,
        lag_items=lag.items,
        lag_ms=int(lag.seconds * 1000),
        file_bytes=indexer.size_bytes(),
        rebuilds=indexer.rebuilds,
    )


def reindex(config: Config, progress: Callable[[int, int], None]) -> int:
    """Build the index of a store anew, that no worker has just now; return the items in it.

    Args:
        config: Checked.
        progress: Told of LSNs that are indexed, and of those that will be.

    Raises:
        ConfigError: A file of secrets cannot be used.
        InUse: A worker has the store; remove the file and it builds another by itself.
        StoreUnreadable, StoreTooNew: There is no store to read.
    """
    secrets = scrubbing.load(config.secret_files)
    lock = FileLock(config.data_dir / "WORKER.lock", f"the index in {config.data_dir}", "data_dir")
    try:
        files.remove(files.index_path(config.data_dir))
        journal = JournalReader(config.data_dir)
        try:
            return _build(_indexer(config, journal, secrets), journal.tail(), progress)
        finally:
            journal.close()
    finally:
        lock.release()


def _build(indexer: Indexer, tail: Position | None, progress: Callable[[int, int], None]) -> int:
    if tail is None:
        return 0
    indexer.start()
    try:
        indexer.advance(tail)
        while indexer.position != tail:
            lag = indexer.lag()
            progress(tail.lsn - lag.items, tail.lsn)
            indexer.raise_failure()
            time.sleep(0.1)
        progress(tail.lsn, tail.lsn)
        return indexer.indexed_items
    finally:
        indexer.stop()


def _indexer(config: Config, journal: JournalReader, secrets: Secrets) -> Indexer:
    def node_ref(lineage: bytes, boot_generation: int) -> str:
        return str(journal.generation(lineage, boot_generation).get("source_node_ref", ""))

    options = IndexOptions(
        config.index_retention_s,
        config.index_retention_bytes,
        config.disk_free_min,
        dict(config.index_attributes),
        secrets,
    )
    path = files.index_path(config.data_dir)
    return Indexer(journal, path, journal.store_id, options, node_ref)
