from sidespand.query.walk import Walk
from tests.unit.query import samples

PAYLOAD = samples.request(samples.span(1))


def test_without_bounds_every_record_is_seen() -> None:
    """A walk that reached the oldest record is complete."""
    records = samples.recorded(*[PAYLOAD] * 5)
    walk = Walk(records)

    assert list(walk) == records
    assert walk.complete
    assert walk.oldest == records[-1].position


def test_it_stops_after_its_bytes_and_says_where() -> None:
    """The bound is checked before each record; what was left out is known by position."""
    records = samples.recorded(*[PAYLOAD] * 5)
    walk = Walk(records, bytes_max=2 * len(PAYLOAD))

    assert list(walk) == records[:2]
    assert not walk.complete
    assert walk.oldest == records[1].position


def test_a_bound_that_just_suffices_is_no_early_stop() -> None:
    """Reaching the bound with the oldest record leaves nothing unseen."""
    walk = Walk(samples.recorded(PAYLOAD, PAYLOAD), bytes_max=2 * len(PAYLOAD))
    list(walk)

    assert walk.complete


def test_it_stops_when_it_has_been_quiet_for_long() -> None:
    """Quiet is counted from the last find; before the first there is none."""
    records = samples.recorded(*[PAYLOAD] * 9)
    walk = Walk(records, quiet_bytes=2 * len(PAYLOAD))
    seen = []
    for number, record in enumerate(walk):
        seen.append(record)
        if number in (3, 4):
            walk.found()

    assert seen == records[:7]
    assert not walk.complete


def test_a_search_that_finds_nothing_goes_to_the_end() -> None:
    """Not to be found is only what is nowhere."""
    walk = Walk(samples.recorded(*[PAYLOAD] * 4), quiet_bytes=1)

    assert len(list(walk)) == 4
    assert walk.complete


def test_an_empty_journal_is_complete() -> None:
    """There is nothing to miss."""
    walk = Walk([])

    assert list(walk) == []
    assert walk.complete
    assert walk.oldest is None
