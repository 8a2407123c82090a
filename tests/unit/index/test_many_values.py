"""A question that stands for very many values, and texts and times at the edge."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sidespand.errors import InvalidRequest
from sidespand.index import conditions
from sidespand.index.reader import IndexReader
from sidespand.search import parse, sort_by
from tests import indexes
from tests.unit.index.test_traces import spans

NAMES = ("walk home", 'say "no"', "walk on", "wait")


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[IndexReader]:
    """Return a reader of one trace for each name."""
    found = [
        spans({"number": 1, "trace_id": bytes([number]) * 16, "name": name})
        for number, name in enumerate(NAMES, 1)
    ]
    opened = indexes.index_of(tmp_path / "index.sqlite", found)
    yield opened
    opened.close()


def listed(reader: IndexReader, line: str) -> set[str | None]:
    """Return the names of the traces that match."""
    return {row.name for row in reader.traces(parse(line), sort_by("-start"), 20).rows}


@pytest.mark.parametrize(
    ("line", "values", "found"),
    [("name:w*", 3, 3), ("-name:w*", 3, 1), ("has:resource.service.name", 1, 4)],
)
def test_what_stands_for_too_many_values_is_refused(
    reader: IndexReader, monkeypatch: pytest.MonkeyPatch, line: str, values: int, found: int
) -> None:
    """None is left out in silence: neither of what is asked for nor of what is not."""
    monkeypatch.setattr(conditions, "_TERMS_MAX", values)
    assert len(listed(reader, line)) == found

    monkeypatch.setattr(conditions, "_TERMS_MAX", values - 1)
    with pytest.raises(InvalidRequest, match="different values"):
        listed(reader, line)


def test_a_quotation_mark_is_looked_for_as_it_is(reader: IndexReader) -> None:
    """It ends no phrase, and nothing behind it is an operator."""
    assert listed(reader, r'"say \"no\""') == {'say "no"'}
    assert listed(reader, r'"say\" OR \"walk"') == set()


def test_a_time_before_all_times_is_no_bound(reader: IndexReader) -> None:
    """What would begin before 1970 begins there."""
    assert listed(reader, "since:36500d") == set(NAMES)
