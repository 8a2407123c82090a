"""An index that cannot be opened is tried again for ever, and that costs nothing in the end."""

import sqlite3
from pathlib import Path

import pytest

from tests import indexes, journals
from tests.otlp import encoded


def test_each_failed_try_closes_what_it_opened(tmp_path: Path) -> None:
    """Tries that fail behind the opening of the file leave no connection to it behind."""
    journals.run(_write(tmp_path))
    indexer, journal = indexes.indexer_of(tmp_path)
    indexer._open()
    indexer._close()
    with sqlite3.connect(indexer.path) as db:
        db.execute("DROP TABLE part")
    db.close()
    failures = []
    for _ in range(3):
        with pytest.raises(sqlite3.OperationalError, match="part") as failure:
            indexer._open()
        failures.append(failure)
    journal.close()

    opened = [one for one in Path("/proc/self/fd").iterdir() if one.exists()]
    assert str(indexer.path) not in [str(one.readlink()) for one in opened]
    assert len(failures) == 3


async def _write(data_dir: Path) -> None:
    await journals.write(data_dir, [journals.content(encoded())])
