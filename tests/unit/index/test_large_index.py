import os
from pathlib import Path

import pytest

from sidespand.index.reader import IndexReader
from tests.bench import index
from tests.results import counted


@pytest.mark.parametrize(
    "spans",
    [
        pytest.param(5_000, marks=pytest.mark.slow),
        pytest.param(
            int(os.environ.get("SIDESPAN_TEST_INDEX_SPANS", "10000000")), marks=pytest.mark.long
        ),
    ],
)
def test_a_large_index_answers_everything_and_wholly(tmp_path: Path, spans: int) -> None:
    """Lists, searches and traces come without being cut short; how soon is counted, not judged."""
    path = tmp_path / "index.sqlite"
    written = index.write(path, spans)
    assert written.spans == spans
    reader = IndexReader(path)
    table = reader.sql("SELECT count(*), sum(span_count) FROM traces")
    assert table.rows == ((spans // 10, spans),)
    found = index.ask(reader, spans, rounds=20 if spans > 100_000 else 2)
    reader.close()
    worst = max(found, key=lambda name: found[name][1])
    counted(
        f"index of {spans} spans",
        cpu_us_per_span=f"{written.cpu_us:.1f}",
        bytes_per_span=written.file_bytes // spans,
        worst_p95_ms=f"{found[worst][1]:.1f}",
        worst=worst,
        open_p95_ms=f"{found['open a trace'][1]:.1f}",
    )
