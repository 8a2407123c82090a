import os
import time
from pathlib import Path

import pytest

from sidespand.index.reader import IndexReader
from tests.bench import index
from tests.results import counted

_SHORT = 5_000


@pytest.mark.parametrize(
    "spans",
    [
        pytest.param(_SHORT, marks=pytest.mark.slow),
        pytest.param(
            int(os.environ.get("SIDESPAN_TEST_INDEX_SPANS", "10000000")), marks=pytest.mark.long
        ),
    ],
)
def test_a_large_index_answers_everything_and_wholly(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], spans: int
) -> None:
    """Lists, searches and traces come without being cut short; how soon is counted, not judged.

    Ten million take about ten minutes and 4.5 GB of disk; each million is told of.
    """
    began_s = time.monotonic()

    def tell(line: str) -> None:
        if spans > _SHORT:
            with capsys.disabled():
                print(f"\n{time.monotonic() - began_s:6.0f} s  {line}", end="", flush=True)

    path = tmp_path / "index.sqlite"
    written = index.write(path, spans, lambda done: tell(f"{done:,} of {spans:,} spans"))
    assert written.spans == spans
    reader = IndexReader(path)
    rows = reader.sql("SELECT count(*), sum(span_count) FROM traces").rows
    assert rows == ((spans // 10, spans),)
    found = index.ask(reader, spans, rounds=40 if spans > _SHORT else 2)
    reader.close()
    path.unlink()
    p95_ms = {name: f"{p95:.1f}" for name, (_, p95) in found.items()}
    for name, taken in p95_ms.items():
        tell(f"p95 {taken} ms: {name}")
    counted(
        f"index of {spans} spans",
        cpu_us_per_span=f"{written.cpu_us:.1f}",
        cpu_us_per_span_of_the_last_tenth=f"{written.last_cpu_us:.1f}",
        bytes_per_span=written.file_bytes // spans,
    )
    counted(f"index of {spans} spans, p95 in ms", **p95_ms)
