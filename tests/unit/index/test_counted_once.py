"""What is told twice counts once, and what only looks like it counts twice."""

from pathlib import Path
from typing import Any

import pytest

from sidespand.index.reader import IndexReader
from sidespand.model import Content, Kind
from sidespand.search import parse
from tests import indexes, journals
from tests.unit.index.test_traces import CALL, START_NS, TRACE, span_id, spans

OTHER = bytes(16 * [7])
ANSWERED = CALL | {"gen_ai.response.id": "answer-1"}
SECOND_NS = 10**9


def call(number: int, **fields: Any) -> Content:
    """Return a record of one call of a model, which used ten tokens."""
    return spans({"number": number, "said": ANSWERED, **fields})


def tokens_in(reader: IndexReader) -> tuple[int, int]:
    """Return the input tokens of all, as spans and as traces sum them up."""
    rows = reader.traces(parse("")).rows
    return reader.stats(parse(""), "kind").total.tokens_in, sum(row.tokens_in for row in rows)


@pytest.mark.parametrize(
    ("second", "tokens"),
    [
        # The same answer at the same time, in another trace, too: an SDK's own span of it.
        ({}, 10),
        ({"trace_id": OTHER}, 10),
        ({"parent_span_id": span_id(1), "said": CALL}, 10),
        # The same words from a cache, or an id that begins anew: another call.
        ({"start_time_unix_nano": START_NS + SECOND_NS,
          "end_time_unix_nano": START_NS + 2 * SECOND_NS}, 20),
        ({"said": CALL | {"gen_ai.response.id": "answer-2"}}, 20),
        ({"said": CALL}, 20),
        ({"trace_id": OTHER, "parent_span_id": span_id(1), "said": CALL}, 20),
    ],
)  # fmt: skip
@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("turned", [False, True])
def test_one_call_that_two_tell_of(
    tmp_path: Path, second: dict[str, Any], tokens: int, *, restarted: bool, turned: bool
) -> None:
    """Whichever comes first, and whether or not the process began anew in between."""
    records = journals.records(
        [call(2, **second), call(1)] if turned else [call(1), call(2, **second)]
    )
    path = tmp_path / "index.sqlite"
    writer = indexes.opened_writer(path)
    indexes.add(writer, records[:1])
    if restarted:
        writer.db.close()
        writer = indexes.opened_writer(path)
    indexes.add(writer, records[1:])
    writer.db.close()
    reader = IndexReader(path)
    assert tokens_in(reader) == (tokens, tokens)
    reader.close()


@pytest.mark.parametrize("together", [True, False])
def test_a_mark_that_comes_late_opens_nothing(tmp_path: Path, *, together: bool) -> None:
    """A resent mark of a span that has ended changes nothing of it."""
    contents = [
        call(1),
        spans({"number": 1, "name": "late", "said": ANSWERED}, kind=Kind.MARKS),
    ]
    reader = indexes.index_of(tmp_path / "index.sqlite", contents, together=together)
    (row,) = reader.traces(parse("")).rows
    assert (row.status, row.open_count, row.span_count, row.name) == ("ok", 0, 1, "step 1")
    assert reader.open_spans() == ()
    (place,) = reader.span_places(TRACE)
    assert (place.marks, place.ended is not None) == ((), True)
    assert tokens_in(reader) == (10, 10)
    reader.close()


def test_what_is_open_has_used_nothing_yet(tmp_path: Path) -> None:
    """Counts and cost stand when a span has ended: until then they are those of a beginning."""
    said = ANSWERED | {"gen_ai.usage.cost": 3}
    mark = spans({"number": 1, "said": said}, kind=Kind.MARKS)
    reader = indexes.index_of(tmp_path / "index.sqlite", [mark])
    (row,) = reader.traces(parse("")).rows
    assert (row.tokens_in, row.tokens_out, row.cost_usd, row.open_count) == (0, 0, None, 1)
    assert tokens_in(reader) == (0, 0)
    (span,) = reader.open_spans()
    assert (span.tokens_in, span.cost_usd, span.model) == (None, None, "gpt-4o")
    reader.close()
