"""Pages of a list that grows while somebody turns them."""

from pathlib import Path
from typing import Any

import pytest

from sidespand.index.reader import IndexReader
from sidespand.model import Content
from sidespand.search import parse, sort_by
from tests import indexes, journals
from tests.unit.index.test_traces import START_NS, spans

SECOND_NS = 10**9


def _trace(number: int, **fields: Any) -> Content:
    start_ns = START_NS + number * SECOND_NS
    return spans(
        {
            "number": 1, "trace_id": number.to_bytes(16, "big"), "start_time_unix_nano": start_ns,
            "end_time_unix_nano": start_ns + number * 1000, "name": "walk", **fields,
        }
    )  # fmt: skip


def _more(path: Path, next_lsn: int, *contents: Content) -> None:
    writer = indexes.opened_writer(path)
    indexes.add(writer, journals.records(contents, next_lsn=next_lsn))
    writer.db.close()


@pytest.mark.parametrize("line", ["", "name:walk", "walk", "scope:span name:walk"])
@pytest.mark.parametrize("order", ["-start", "start", "-dur", "dur"])
def test_what_was_there_is_listed_once_whatever_comes_in_between(
    tmp_path: Path, line: str, order: str
) -> None:
    """New traces, and more spans of listed ones, neither repeat a line nor push one out."""
    path = tmp_path / "index.sqlite"
    indexes.index_of(path, [_trace(number) for number in range(10, 31)]).close()
    reader = IndexReader(path)
    listed: list[int] = []
    after, next_lsn = None, 22
    while True:
        page = reader.traces(parse(line), sort_by(order), 4, after)
        listed += [int.from_bytes(row.trace_id, "big") for row in page.rows]
        after = page.next
        if after is None:
            break
        # One that begins before all others, one that begins after them, and one that goes on.
        early, late = 10 - (next_lsn - 21), 30 + next_lsn
        again = _trace(20, span_id=bytes([2, next_lsn % 256]) * 4)
        _more(path, next_lsn, _trace(late), again, *([_trace(early)] if early > 0 else []))
        next_lsn += 3
    reader.close()
    there = [number for number in listed if 10 <= number <= 30]
    assert sorted(there) == list(range(10, 31))
    assert there == sorted(there, reverse=order.startswith("-"))
    assert len(listed) == len(set(listed))
