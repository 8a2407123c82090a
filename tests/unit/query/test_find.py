import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidespand.errors import NotFound
from sidespand.limits import ID_CANDIDATES_MAX
from sidespand.model import Kind, Record
from sidespand.query import collect
from sidespand.query.collect import collect_trace
from sidespand.query.find import (
    UnusableId,
    newest_items,
    newest_span,
    parse_id,
    resolve_span,
    resolve_trace,
)
from sidespand.query.walk import Walk
from tests.unit.query import samples


def journal() -> list[Record]:
    """Return two traces: 1 with spans 1, 2 and 3, and 2 with span 4, in three records."""
    return samples.recorded(
        samples.request(samples.span(1), samples.span(2, parent=1)),
        samples.request(samples.span(4, trace=2)),
        samples.request(samples.span(3, parent=1), service="worker"),
    )


@pytest.mark.parametrize("digits", [6, 7, 16, 17, 31, 32])
def test_a_trace_answers_to_every_prefix_of_its_id(digits: int) -> None:
    """Odd numbers of digits count, too."""
    wanted = samples.trace_id(2)

    # Both traces begin with zeros: six or seven digits name both.
    if digits < 8:
        with pytest.raises(UnusableId):
            resolve_trace(Walk(journal()), wanted.hex()[:digits])
    else:
        assert resolve_trace(Walk(journal()), wanted.hex()[:digits]) == wanted


def test_capital_digits_are_the_same() -> None:
    """An id may be pasted from a tool that writes capitals."""
    assert resolve_trace(Walk(journal()), samples.span_id(4).hex().upper()) == samples.trace_id(2)


@pytest.mark.parametrize("digits", [8, 9, 15, 16])
def test_a_span_id_names_its_trace(digits: int) -> None:
    """Whoever holds a span id need not know the trace."""
    prefix = samples.span_id(2).hex()[:digits]

    assert resolve_trace(Walk(journal()), prefix) == samples.trace_id(1)


def test_several_spans_of_one_trace_are_not_ambiguous_for_the_trace() -> None:
    """Six digits that all spans of a trace begin with name the trace."""
    records = samples.recorded(samples.request(samples.span(1), samples.span(2, parent=1)))

    assert resolve_trace(Walk(records), samples.span_id(1).hex()[:6]) == samples.trace_id(1)


def test_an_ambiguous_prefix_lists_its_candidates() -> None:
    """The message names each trace that is meant perhaps, and the hint how to go on."""
    with pytest.raises(UnusableId) as caught:
        resolve_trace(Walk(journal()), "000000")

    message = str(caught.value)
    assert f"trace {samples.trace_id(1).hex()}" in message
    assert f"trace {samples.trace_id(2).hex()}" in message
    assert "more digits" in caught.value.hint


def test_an_ambiguous_prefix_lists_a_bounded_number_of_candidates() -> None:
    """A store of look-alikes does not fill the screen."""
    many = [samples.request(samples.span(n, trace=n)) for n in range(1, 60)]

    with pytest.raises(UnusableId) as caught:
        resolve_trace(Walk(samples.recorded(*many)), "000000")

    lines = str(caught.value).split("\n")
    assert len(lines) == ID_CANDIDATES_MAX + 2
    assert lines[-1].strip() == "and more"


def test_a_whole_span_id_goes_before_a_trace_that_begins_with_it() -> None:
    """An exact id is meant, even if another id happens to begin with it."""
    twin = samples.span(7, trace=5)
    twin.trace_id = samples.span_id(1) + bytes(8)
    records = samples.recorded(samples.request(samples.span(1)), samples.request(twin))

    assert resolve_trace(Walk(records), samples.span_id(1).hex()) == samples.trace_id(1)


@pytest.mark.parametrize("text", ["", "12345", "0" * 33, "xyzxyz", "12 456", "١٢٣٤٥٦", "-1234567"])
def test_what_is_no_id_is_refused_before_reading(text: str) -> None:
    """Six to 32 hexadecimal digits are an id, nothing else."""
    with pytest.raises(UnusableId):
        resolve_trace(Walk(journal()), text)


@given(st.text())
def test_parsing_an_id_either_refuses_or_returns_digits(text: str) -> None:
    """Hostile text never gets further than the parser."""
    try:
        digits = parse_id(text)
    except UnusableId:
        return
    assert 6 <= len(digits) <= 32
    assert set(digits) <= set("0123456789abcdef")


@pytest.mark.parametrize("text", ["abcdef", "abcdef0", "ab" * 8])
def test_an_unknown_id_is_not_found(text: str) -> None:
    """The whole journal was searched for it."""
    walk = Walk(journal(), quiet_bytes=1)

    with pytest.raises(NotFound):
        resolve_trace(walk, text)
    assert walk.complete


def test_an_id_inside_other_bytes_is_not_a_match() -> None:
    """Bytes that a name or another id contains are only a reason to look closer."""
    records = samples.recorded(samples.request(samples.span(1, name="abcdef abcdef")))
    inside = samples.trace_id(1).hex()[2:12]

    for text in (b"abcdef".hex(), inside):
        with pytest.raises(NotFound):
            resolve_trace(Walk(records), text)


def test_all_spans_of_a_trace_are_collected() -> None:
    """They may lie in several records, among those of other traces."""
    found = collect_trace(Walk(journal()), samples.trace_id(1))

    assert [span.name for span in found.spans] == ["span 3", "span 2", "span 1"]
    assert not found.truncated


def test_a_trace_is_collected_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trace larger than memory should hold is cut, and says so."""
    monkeypatch.setattr(collect, "TRACE_SPANS_MAX", 2)

    found = collect_trace(Walk(journal()), samples.trace_id(1))

    assert [span.name for span in found.spans] == ["span 3", "span 2"]
    assert found.truncated


def test_a_trace_that_was_never_recorded_is_not_found() -> None:
    """A whole id is looked for, not believed."""
    with pytest.raises(NotFound, match=samples.trace_id(9).hex()):
        collect_trace(Walk(journal()), samples.trace_id(9))


def test_a_span_is_found_with_its_record_and_index() -> None:
    """The hit leads to the stamp of exactly this item."""
    hit = resolve_span(Walk(journal()), samples.span_id(2).hex())

    assert hit.item.span.name == "span 2"
    assert hit.item_index == 1
    assert hit.item.stamp.position.lsn == hit.record.header.first_lsn + 1


def test_of_a_span_recorded_twice_the_newest_is_found() -> None:
    """A span that was sent again is not ambiguous."""
    records = samples.recorded(
        samples.request(samples.span(1, name="first")),
        samples.request(samples.span(1, name="second")),
    )

    assert resolve_span(Walk(records), samples.span_id(1).hex()).item.span.name == "second"


def test_an_ambiguous_span_prefix_lists_spans() -> None:
    """For a receipt the spans of one trace are different things."""
    with pytest.raises(UnusableId) as caught:
        resolve_span(Walk(journal()), samples.span_id(1).hex()[:6])

    assert f"span {samples.span_id(2).hex()} in trace {samples.trace_id(1).hex()}" in str(
        caught.value
    )


def test_a_trace_id_names_no_span() -> None:
    """The hint says how to get from a trace to its spans."""
    with pytest.raises(NotFound) as caught:
        resolve_span(Walk(journal()), samples.trace_id(2).hex())

    assert "sidespan show" in caught.value.hint


def test_the_newest_span_is_the_last_item_of_the_newest_record_of_spans() -> None:
    """Control records after it do not count."""
    contents = [
        samples.spans_content(samples.request(samples.span(1), samples.span(2))),
        samples.control_content(Kind.GEN),
    ]

    assert newest_span(samples.recorded_contents(contents)).item.span.name == "span 2"


def test_without_a_span_there_is_no_newest() -> None:
    """A store that a daemon has only opened holds control records alone."""
    with pytest.raises(NotFound, match="no span"):
        newest_span(samples.recorded_contents([samples.control_content(Kind.GEN)]))


def test_newest_items_come_in_log_order_up_to_a_position() -> None:
    """Records after the position are left to whoever follows from it."""
    records = journal()
    upto = records[1].position

    newest = newest_items(records, upto, 2)

    assert [item.span.name for item in newest] == ["span 2", "span 4"]
    assert newest_items(records, upto, 0) == []
    assert newest_items([], None, 5) == []
    assert len(newest_items(records, records[0].position, 100)) == 4
