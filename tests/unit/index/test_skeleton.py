from pathlib import Path

import msgpack
import pytest

from sidespand.index.reader import IndexReader
from sidespand.index.rows import Skeleton
from sidespand.model import Content, Kind
from sidespand.search import parse
from tests import emitted, indexes, journals
from tests.unit.index.test_traces import TRACE, span_id, spans


def _skeleton(path: Path, *contents: Content) -> Skeleton:
    reader = indexes.index_of(path, contents)
    try:
        found = reader.skeleton(TRACE)
    finally:
        reader.close()
    assert found is not None
    return found


def _names(skeleton: Skeleton) -> list[str]:
    return [skeleton.strings[place] for place in skeleton.columns["name"]]


def test_spans_stand_below_their_parents_by_start_and_log(tmp_path: Path) -> None:
    """Display order is that of the tree, whatever the order of arrival; ranks are the log's."""
    skeleton = _skeleton(
        tmp_path / "i",
        spans({"number": 4, "parent_span_id": span_id(2)}),
        spans({"number": 3, "parent_span_id": span_id(1)},
              {"number": 2, "parent_span_id": span_id(1)}),
        spans({"number": 1}),
        spans({"number": 9, "parent_span_id": span_id(77)}),
    )  # fmt: skip
    columns = skeleton.columns
    assert _names(skeleton) == ["step 1", "step 2", "step 4", "step 3", "step 9"]
    assert columns["parent"] == [-1, 0, 1, 0, -1]
    assert columns["depth"] == [0, 1, 2, 1, 0]
    assert columns["order"] == [3, 2, 0, 1, 4]
    assert [flags & 4 for flags in columns["flags"]] == [0, 0, 0, 0, 4]
    assert {len(column) for column in columns.values()} == {5}


def test_parents_in_a_circle_are_shown_all_the_same(tmp_path: Path) -> None:
    """Every span of a cycle stands once, the earliest at the top."""
    skeleton = _skeleton(
        tmp_path / "i",
        spans({"number": 1, "parent_span_id": span_id(3)},
              {"number": 2, "parent_span_id": span_id(1)},
              {"number": 3, "parent_span_id": span_id(2)},
              {"number": 4, "parent_span_id": span_id(4)}),
    )  # fmt: skip
    assert _names(skeleton) == ["step 1", "step 2", "step 3", "step 4"]
    assert skeleton.columns["depth"] == [0, 1, 2, 0]


def test_abandoned_spans_are_told_from_open_ones_and_from_those_that_ended_after(
    tmp_path: Path,
) -> None:
    """State 1 open, 2 abandoned, 3 abandoned and then ended; the trace says the worst of it."""
    path = tmp_path / "i"
    gone = {"at_ns": 5, "reason": "gone", "pid": 1, "uid": 1, "instance": b"x",
            "spans": [[TRACE, span_id(2)], [TRACE, span_id(3)]]}  # fmt: skip
    writer = indexes.opened_writer(path)
    found = journals.records(
        [
            spans({"number": 1}, {"number": 2}, {"number": 3}, kind=Kind.MARKS),
            Content(Kind.ABANDONED, msgpack.packb(gone), 1),
            spans({"number": 3}),
        ]
    )
    for record in found:
        indexes.add(writer, [record])
    reader = IndexReader(path)
    skeleton = reader.skeleton(TRACE)
    assert skeleton is not None
    assert skeleton.columns["state"] == [1, 2, 3]
    assert skeleton.columns["duration_us"][:2] == [-1, -1]
    (row,) = reader.traces(parse("")).rows
    assert (row.status, row.open_count, row.abandoned_count) == ("open", 1, 1)
    places = {place.span_id: place for place in reader.span_places(TRACE)}
    assert places[span_id(2)].abandoned == found[1].position
    assert places[span_id(3)].abandoned == found[1].position
    reader.close()
    indexes.add(writer, journals.records([spans({"number": 1})], next_lsn=6))
    writer.db.close()
    reader = IndexReader(path)
    assert reader.traces(parse("is:abandoned")).rows[0].status == "abandoned"
    reader.close()


@pytest.mark.parametrize("capture", ["openai_genai", "openinference_openai", "pydantic_ai"])
def test_tool_calls_join_who_asked_who_ran_and_who_got_the_result(
    tmp_path: Path, capture: str
) -> None:
    """The id of a call leads from the answer that asks for it to what comes of it."""
    reader = indexes.index_of(tmp_path / "i", emitted.contents(capture))
    rows = reader.traces(parse("")).rows
    edges = []
    for row in rows:
        skeleton = reader.skeleton(row.trace_id)
        assert skeleton is not None
        names = _names(skeleton)
        edges += [
            (names[edge["from"]], names[edge["to"]], edge["label"])
            for edge in skeleton.edges
            if edge["kind"] == "tool_call"
        ]
    reader.close()
    if capture == "pydantic_ai":
        assert ("chat test", "execute_tool find_port", "pyd_ai_tool_call_id__find_port") in edges
        assert ("execute_tool find_port", "chat test", "pyd_ai_tool_call_id__find_port") in edges
        assert len(edges) == 6
    else:
        (edge,) = edges
        assert edge[2] == "call_weather_1"


@pytest.mark.slow
def test_a_large_and_deep_trace_is_given_whole(tmp_path: Path) -> None:
    """Depth is not bounded by the stack, and every span is there once."""
    path = tmp_path / "i"
    writer = indexes.opened_writer(path)
    count = 20_000
    ids = [number.to_bytes(8, "big") for number in range(1, count + 1)]
    contents = [
        spans(
            *(
                {"number": 1, "span_id": ids[at], "name": "deep", "start_time_unix_nano": at + 1,
                 "end_time_unix_nano": at + 2, "parent_span_id": ids[at - 1] if at % 5000 else b""}
                for at in range(first, first + 5000)
            )
        )
        for first in range(0, count, 5000)
    ]  # fmt: skip
    for record in journals.records(contents):
        indexes.add(writer, [record])
    writer.db.close()
    reader = IndexReader(path, 30.0)
    skeleton = reader.skeleton(TRACE)
    reader.close()
    assert skeleton is not None
    assert len(set(skeleton.columns["span_id"])) == count
    assert max(skeleton.columns["depth"]) == 4999
