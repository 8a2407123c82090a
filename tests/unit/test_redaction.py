"""What a REDACT record says: read back as it was written, and nonsense is never believed."""

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidespand import redaction
from sidespand.journal.stamper import control
from sidespand.limits import (
    CHANNEL_ASK_BYTES_MAX,
    CONTROL_BYTES_MAX,
    REDACT_RECORDS_MAX,
    REDACT_TEXT_CHARACTERS_MAX,
    REDACT_TRACES_MAX,
    REDACTION_RECORDS_MAX,
    REDACTION_TRACES_MAX,
)
from sidespand.model import Content, Kind
from sidespand.redaction import Target
from tests.journals import LINEAGE, records

LSN_MAX = 2**64 - 1


def target(first: int, traces: int = 0) -> Target:
    """Return a record of one item, with so many traces."""
    ids = tuple(number.to_bytes(16, "big") for number in range(1, traces + 1))
    return Target(1, LINEAGE, first, first, ids)


@given(
    st.lists(
        st.builds(
            lambda first, items, ids: Target(
                3, LINEAGE, first, min(first + items, LSN_MAX), tuple(ids)
            ),
            st.integers(1, LSN_MAX),
            st.integers(0, 1000),
            st.lists(st.binary(min_size=16, max_size=16), max_size=5),
        ),
        max_size=30,
    ),
    st.text(max_size=20),
    st.text(min_size=1, max_size=REDACT_TEXT_CHARACTERS_MAX),
)
def test_what_was_written_is_read(targets: list[Target], actor: str, reason: str) -> None:
    """Bodies hold every target once, in order, with actor and reason."""
    actor, reason = (text.encode("utf-8", "replace").decode() for text in (actor, reason))
    found = []
    for body in redaction.bodies(actor, reason, targets):
        told = redaction.parse_body(msgpack.unpackb(msgpack.packb(body)))
        assert told[:2] == (actor, reason)
        found += told[2]
    assert found == targets


def test_a_body_fits_into_a_record() -> None:
    """At every bound at once a body is still a control record's."""
    text = "\U0001f512" * REDACT_TEXT_CHARACTERS_MAX
    each = REDACT_TRACES_MAX // REDACT_RECORDS_MAX
    many = [
        Target(2**32, LINEAGE, LSN_MAX - 1, LSN_MAX, target(1, each).trace_ids)
    ] * REDACT_RECORDS_MAX
    (body,) = redaction.bodies(text, text, many)
    assert len(msgpack.packb(body)) <= CONTROL_BYTES_MAX
    assert control(Kind.REDACT, body).item_count == 1


def test_a_request_fits_into_the_channel() -> None:
    """The largest request is one message."""
    text = "\U0001f512" * REDACT_TEXT_CHARACTERS_MAX
    each = REDACTION_TRACES_MAX // REDACTION_RECORDS_MAX
    many = [
        Target(2**32, LINEAGE, LSN_MAX - 1, LSN_MAX, target(1, each).trace_ids)
    ] * REDACTION_RECORDS_MAX
    ask = {"ask": [2**63, "redact", redaction.body(text, text, many)]}
    assert len(msgpack.packb(ask)) <= CHANNEL_ASK_BYTES_MAX


def test_parts_are_bounded_by_records_and_by_traces() -> None:
    """Whichever bound is met first begins a new part; nothing is left out."""
    targets = [target(first, traces) for first, traces in ((1, 2), (2, 2), (3, 3), (4, 0), (5, 0))]
    by_traces = [[one.first for one in part] for part in redaction.parts(targets, 99, 4)]
    by_records = [[one.first for one in part] for part in redaction.parts(targets, 2, 99)]
    assert by_traces == [[1, 2], [3, 4, 5]]
    assert by_records == [[1, 2], [3, 4], [5]]
    assert list(redaction.parts([], 2, 2)) == []


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        {"actor": "a", "reason": "r"},
        {"actor": "a", "reason": "", "records": []},
        {"actor": "a", "reason": "x" * (REDACT_TEXT_CHARACTERS_MAX + 1), "records": []},
        {"actor": "a", "reason": "r", "records": [7]},
        {"actor": "a", "reason": "r", "records": [[1, LINEAGE, 1]]},
        {"actor": "a", "reason": "r", "records": [[0, LINEAGE, 1, 1, []]]},
        {"actor": "a", "reason": "r", "records": [[1, b"short", 1, 1, []]]},
        {"actor": "a", "reason": "r", "records": [[1, LINEAGE, 0, 1, []]]},
        {"actor": "a", "reason": "r", "records": [[1, LINEAGE, 2, 1, []]]},
        {"actor": "a", "reason": "r", "records": [[1, LINEAGE, 1, LSN_MAX + 1, []]]},
        {"actor": "a", "reason": "r", "records": [[1, LINEAGE, "x", 1, []]]},
        {"actor": "a", "reason": "r", "records": [[1, LINEAGE, 1, 1, [b"short"]]]},
        {"actor": "a", "reason": "r", "records": [[1, LINEAGE, 1, 1, 7]]},
        {
            "actor": "a",
            "reason": "r",
            "records": [[1, LINEAGE, 1, 1, [bytes(16)] * (REDACT_TRACES_MAX + 1)]],
        },
    ],
)
def test_nonsense_is_refused(body: object) -> None:
    """Whatever is no body of ours raises ValueError alone."""
    with pytest.raises(ValueError, match=r"."):
        redaction.parse_body(body)


def test_only_a_redact_record_tells_of_a_redaction() -> None:
    """Other kinds, and bytes that are no map, say nothing; a record gives its position and time."""
    body = redaction.body("ann", "asked to", [target(1)])
    found = records(
        [
            control(Kind.REDACT, body),
            Content(Kind.SPANS, msgpack.packb(body), 1),
            Content(Kind.REDACT, b"\xc1", 1),
        ]
    )
    told = redaction.parse(found[0])
    assert told is not None
    assert (told.position, told.wall_ns) == (found[0].position, found[0].header.wall_ns)
    assert [redaction.parse(one) for one in found[1:]] == [None, None]
