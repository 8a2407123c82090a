"""Searches for texts against a plain look at everything, and what they read for one page."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from sidespand.errors import InvalidRequest
from sidespand.index import conditions, hits, searching, text_search
from sidespand.index.pages import Found, Paging
from sidespand.index.reader import IndexReader
from sidespand.index.schema import open_writer
from sidespand.model import Content, Kind
from sidespand.search import Sort, parse
from tests import indexes

START_NS = 1_790_000_000_000_000_000
TRACES = 90


class Step(NamedTuple):
    """One span as it was sent."""

    trace: int
    number: int
    start_ns: int
    words: str
    failed: bool


def _content(steps: list[Step]) -> Content:
    message = TracesData()
    found = message.resource_spans.add().scope_spans.add().spans
    for step in steps:
        span = found.add(
            trace_id=step.trace.to_bytes(16, "big"),
            span_id=(step.trace * 100 + step.number).to_bytes(8, "big"),
            name=f"work {step.words}",
            start_time_unix_nano=step.start_ns,
            end_time_unix_nano=step.start_ns + 10**6,
        )
        span.status.code = 2 if step.failed else 0
    return Content(Kind.SPANS, message.SerializeToString(), len(steps))


def _steps() -> list[Step]:
    """Ninety traces whose starts, and whose spans, come in no order; one starts years later."""
    source = random.Random(5)
    steps = [
        Step(
            trace,
            number,
            START_NS + (10**17 if trace == 1 else source.randrange(10**11) // 10**9 * 10**9),
            " ".join(source.choices(["lamp", "door", "ticket", "harbour"], k=2)),
            source.random() < 0.2,
        )
        for trace in range(1, TRACES + 1)
        for number in range(source.randrange(1, 5))
    ]
    # Neighbours in the log, but for some that come much later.
    steps.sort(key=lambda step: step.trace + (source.random() < 0.1) * source.randrange(TRACES))
    steps[40] = steps[40]._replace(words="quicksilver")
    return steps


STEPS = _steps()


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IndexReader]:
    """An index of these traces."""
    path = tmp_path_factory.mktemp("texts") / "index.sqlite"
    contents = [_content(STEPS[at : at + 10]) for at in range(0, len(STEPS), 10)]
    found = indexes.index_of(path, contents)
    yield found
    found.close()


@pytest.fixture(params=[1000, 20, 1], ids=["windows", "both ways", "one by one"])
def small(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows of few traces and few items, so that every way is gone with few traces."""
    monkeypatch.setattr(text_search, "_FIRST_WINDOW", 4)
    monkeypatch.setattr(text_search, "_GROWTH", 2)
    monkeypatch.setattr(text_search, "_PROBES", ((0, 1), (16, 3)))
    monkeypatch.setattr(text_search, "_HITS_A_ROW", request.param)


def _ordered(matches: Callable[[list[Step]], bool], sort: Sort) -> list[int]:
    traces = [[step for step in STEPS if step.trace == no] for no in range(1, TRACES + 1)]
    first_seen = list(dict.fromkeys(step.trace for step in STEPS))
    found = [
        (min(step.start_ns for step in steps), first_seen.index(steps[0].trace), steps[0].trace)
        for steps in traces
        if matches(steps)
    ]
    return [trace for _, _, trace in sorted(found, reverse=sort.descending)]


def _some(word: str) -> Callable[[list[Step]], bool]:
    return lambda steps: any(word in step.words for step in steps)


ASKED: dict[str, Callable[[list[Step]], bool]] = {
    "lamp": _some("lamp"),
    "quicksilver": _some("quicksilver"),
    "nowhere": lambda _: False,
    "lamp door": lambda steps: _some("lamp")(steps) and _some("door")(steps),
    "lamp -door": lambda steps: _some("lamp")(steps) and not _some("door")(steps),
    "-lamp": lambda steps: not _some("lamp")(steps),
    "quicksilver lamp": lambda steps: _some("quicksilver")(steps) and _some("lamp")(steps),
    "lamp status:error": lambda steps: _some("lamp")(steps) and any(one.failed for one in steps),
    "scope:span lamp status:error": lambda steps: any(
        "lamp" in one.words and one.failed for one in steps
    ),
    "scope:span -lamp status:error": lambda steps: any(
        "lamp" not in one.words and one.failed for one in steps
    ),
    "scope:span lamp -door": lambda steps: any(
        "lamp" in one.words and "door" not in one.words for one in steps
    ),
    "lamp since:2026-09-21T14:14:00Z until:2026-09-21T14:14:40Z": lambda steps: (
        _some("lamp")(steps)
        and START_NS + 40 * 10**9 <= min(one.start_ns for one in steps) < START_NS + 80 * 10**9
    ),
}


@pytest.mark.slow
@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("order", ["-start", "start"])
@pytest.mark.parametrize("line", ASKED)
def test_every_page_has_what_a_look_at_everything_finds(
    reader: IndexReader, line: str, order: str
) -> None:
    """Each trace once, in order, whatever the way to it, and the answer says it is complete."""
    sort = Sort("start", order.startswith("-"))
    found: list[int] = []
    after = None
    while True:
        page = reader.traces(parse(line), sort, 7, after)
        assert page.complete
        found += [int.from_bytes(row.trace_id, "big") for row in page.rows]
        after = page.next
        if after is None:
            break
    assert found == _ordered(ASKED[line], sort)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("word", ["lamp", "quicksilver"])
def test_a_trace_tells_of_the_newest_item_that_has_the_text(reader: IndexReader, word: str) -> None:
    """It is named beside the trace, by its place in the log."""
    newest = {step.trace: lsn for lsn, step in enumerate(STEPS, 1) if word in step.words}
    rows = reader.traces(parse(word), limit=TRACES).rows
    found = {int.from_bytes(row.trace_id, "big"): row.match for row in rows}
    assert {trace: match.lsn for trace, match in found.items() if match is not None} == newest


@pytest.mark.parametrize(
    ("line", "fits"),
    [
        ("-lamp", lambda step: "lamp" not in step.words),
        ("-lamp status:error", lambda step: "lamp" not in step.words and step.failed),
        ("-lamp -door", lambda step: "lamp" not in step.words and "door" not in step.words),
        ("lamp status:error", lambda step: "lamp" in step.words and step.failed),
        ("lamp -door", lambda step: "lamp" in step.words and "door" not in step.words),
        ("sort:-start -lamp status:error", lambda step: "lamp" not in step.words and step.failed),
        ("trace:00000000000000000000000000000007 lamp",
         lambda step: "lamp" in step.words and step.trace == 7),
    ],
)  # fmt: skip
def test_spans_are_found_by_texts_they_have_or_lack(
    reader: IndexReader, line: str, fits: Callable[[Step], bool]
) -> None:
    """Page by page, each span once; sums are over the same."""
    found: list[int] = []
    after = None
    while True:
        page = reader.spans(parse(line), None, 7, after)
        found += [int.from_bytes(row.span_id, "big") for row in page.rows]
        after = page.next
        if after is None:
            break
    expected = {step.trace * 100 + step.number for step in STEPS if fits(step)}
    assert len(found) == len(expected)
    assert set(found) == expected
    assert reader.stats(parse(line), "name").total.spans == len(expected)


def test_conversations_are_not_looked_for_by_what_all_lack(reader: IndexReader) -> None:
    """Where each conversation would have to be read, the question is refused."""
    with pytest.raises(InvalidRequest, match="narrows"):
        reader.traces(parse("scope:conversation -lamp"))


@pytest.mark.parametrize(
    "line", ["lamp", "-lamp", "lamp -door", "scope:span lamp status:error", "sort:-dur lamp"]
)
def test_what_is_found_until_time_is_up_is_told(
    reader: IndexReader, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    """An answer that was not finished says so, and is none that failed."""
    late = iter([False] * 20)
    monkeypatch.setattr(hits, "after", lambda _: lambda: next(late, True))
    page = reader.traces(parse(line))
    assert not page.complete
    late = iter([False] * 20)
    assert not reader.spans(parse(line)).complete


def test_a_question_without_time_is_answered_with_nothing(tmp_path: Path) -> None:
    """Lists, spans and sums tell that they are not complete."""
    path = tmp_path / "index.sqlite"
    indexes.index_of(path, [_content(STEPS)]).close()
    hurried = IndexReader(path, 1e-9)
    for line in ("lamp", "-lamp", "sort:-dur lamp"):
        assert not hurried.traces(parse(line)).complete
        assert not hurried.spans(parse(line)).complete
        assert not hurried.strip(parse(line)).complete
        assert not hurried.stats(parse(line), "name").complete
    hurried.close()


def _alike(traces: int) -> list[Step]:
    return [Step(no, 1, START_NS + no * 10**9, "lamp ticket", failed=True) for no in range(traces)]


def _steps_taken(path: Path, line: str, question: Callable[..., Found]) -> int:
    """Return how many steps SQLite's machine takes for a page of five."""
    taken = [0]

    def count() -> bool:
        taken[0] += 1
        return False

    db = open_writer(path)
    db.set_progress_handler(count, 1)
    assert len(question(db, parse(line), None, Paging(5)).rows) == 5
    db.close()
    return taken[0]


@pytest.fixture(scope="module")
def alike(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two indexes in which every trace matches: of three hundred, and of four times as many."""
    directory = tmp_path_factory.mktemp("alike")
    paths = (directory / "small.sqlite", directory / "large.sqlite")
    for path, traces in zip(paths, (300, 1200), strict=True):
        indexes.index_of(path, [_content(_alike(traces))]).close()
    return paths


@pytest.mark.slow
@pytest.mark.parametrize(
    "line",
    ["", "lamp", '"lamp ticket"', "lamp ticket", "-door", "lamp -door", "status:error",
     "status:error lamp", "scope:span status:error", "scope:span lamp status:error",
     "scope:span -door status:error", "name:work*"],
)  # fmt: skip
def test_a_page_takes_no_longer_where_more_matches(
    alike: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    """A page of the newest reads as much of four times as many that match."""
    monkeypatch.setattr(text_search, "_FIRST_WINDOW", 16)
    monkeypatch.setattr(text_search, "_PROBES", ((0, 16),))
    for question, counted in ((searching.traces, 100), (searching.spans, 250)):
        # What is counted before a way is chosen ends there: at what is few, and beyond that.
        monkeypatch.setattr(conditions, "INDEX_CANDIDATES_MAX", counted)
        small, large = (_steps_taken(path, line, question) for path in alike)
        assert large <= 1.1 * small
