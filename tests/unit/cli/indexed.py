"""An index beside a store that nobody writes."""

import time
from pathlib import Path

from sidespand.index.files import index_path
from sidespand.index.indexer import Indexer, IndexOptions
from sidespand.journal.reader import JournalReader

WAIT_S_MAX = 20.0


def make(data_dir: Path) -> None:
    """Index all of a store."""
    reader = JournalReader(data_dir)
    newest = reader.tail()
    assert newest is not None
    indexer = Indexer(
        reader, index_path(data_dir), reader.store_id, IndexOptions(), lambda _l, _g: "node://t"
    )
    indexer.start()
    try:
        indexer.advance(newest)
        deadline_s = time.monotonic() + WAIT_S_MAX
        while indexer.position != newest:
            assert time.monotonic() < deadline_s, f"the index stands at {indexer.position}"
            time.sleep(0.005)
    finally:
        indexer.stop()
        reader.close()
