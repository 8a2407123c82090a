"""Whatever stands in ``tracestate``: stored as sent, and the clock does not pass the guard."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from sidespand import token
from sidespand.admission.otlp import OtlpAdmission
from sidespand.evidence.collection import Resolution
from sidespand.evidence.violations import Code, violations
from sidespand.hlc import LOGICAL_MAX, WALL_NS_MAX, ZERO, Hlc
from sidespand.journal import record
from sidespand.journal.stamper import Draft, seal
from sidespand.journal.state import Head
from sidespand.limits import HLC_MERGE_AHEAD_NS_MAX, TRACESTATE_MEMBER_CHARACTERS_MAX
from sidespand.model import Flag, Kind, Record
from sidespand.query.evidence import Gathering
from sidespand.query.spans import items
from tests.clocks import START_WALL_NS, ManualClock
from tests.unit.query import samples

LINEAGE = bytes.fromhex("a1" * 8)
HLCS = st.builds(
    Hlc,
    st.one_of(
        st.integers(START_WALL_NS - 2 * 10**9, START_WALL_NS + 2 * 10**9),
        st.integers(0, WALL_NS_MAX),
    ),
    st.integers(0, LOGICAL_MAX),
)
TOKENS = st.builds(
    token.encode,
    st.binary(min_size=8, max_size=8),
    st.integers(1, 2**64 - 1),
    HLCS,
    st.binary(min_size=16, max_size=16),
)
MEMBERS = st.one_of(
    TOKENS.map(lambda text: f"sidespan={text}"),
    st.text(max_size=60),
    st.text(alphabet="sidespan=,-0123456789abcdef \t", max_size=120),
    st.sampled_from(["congo=t61rcWkgMzE", "rojo=00f067aa0ba902b7", "sidespan=", "sidespan"]),
)


def stamped(trace_state: str, clock: ManualClock, elsewhere: str = "") -> Record:
    """Return the record of a request of one span, as admission and journal make it.

    Args:
        trace_state: Of the span.
        clock: Of the node.
        elsewhere: What a link's tracestate and ``sidespan.cites`` hold; empty for neither.
    """
    span = samples.span(1)
    span.trace_state = trace_state
    if elsewhere:
        span.links.add(trace_state=elsewhere)
        span.attributes.add(key="sidespan.cites").value.string_value = elsewhere
    (content,) = OtlpAdmission().admit(Kind.SPANS, samples.request(span)).contents
    draft = Draft(Head(1, LINEAGE, 1, 1, 0, 0, ZERO, 0, 0, bytes(16), bytes(16), ()), clock)
    draft.stamp(seal(content, clock), 0, 0)
    return Record(1, *record.decode(draft.values[0][1]))


HOSTILE = st.lists(MEMBERS, max_size=6).map(
    lambda members: ",".join(members).encode(errors="ignore").decode()
)


@settings(deadline=None, max_examples=150)
@given(HOSTILE, HOSTILE | TOKENS)
def test_hostile_tracestate_changes_nothing_but_its_own_evidence(
    trace_state: str, elsewhere: str
) -> None:
    """It never raises, every member is stored as it was sent, and no clock runs past the guard."""
    clock = ManualClock()

    found = stamped(trace_state, clock, elsewhere)

    (item,) = items(found)
    assert item.span.trace_state == trace_state
    assert [link.trace_state for link in item.span.links] == ([elsewhere] if elsewhere else [])
    lead_ns = found.header.stamp.wall_ns - clock.wall_ns()
    assert 0 <= lead_ns <= HLC_MERGE_AHEAD_NS_MAX + 1
    for edge in found.edges:
        assert edge.stamp < found.header.stamp or Flag.MERGE_REJECTED in found.header.flags


def test_a_forged_tag_is_a_violation_and_no_evidence() -> None:
    """The record is there, its token proves nothing, and that is reported."""
    clock = ManualClock()
    plan = stamped("", clock)
    header = plan.header
    forged = token.encode(header.lineage, header.last_lsn, header.stamp, bytes(16))
    held = stamped(f"vendor=1,sidespan={forged}", ManualClock(seed=5))
    elsewhere = replace(held.header, lineage=b"elsewher")
    gathering = Gathering()
    gathering.add([plan, replace(held, header=elsewhere)])

    evidence = gathering.gathered().evidence

    ((citation,),) = evidence.citations.values()
    assert citation.resolution is Resolution.MISMATCHED
    assert Code.TAG_MISMATCH in {one.code for one in violations(evidence)}


def test_the_longest_token_stays_under_w3c_s_limit() -> None:
    """Members over 128 characters are dropped first."""
    longest = token.encode(b"\xff" * 8, 2**64 - 1, Hlc(WALL_NS_MAX, LOGICAL_MAX), b"\xff" * 16)

    assert len(f"{token.MEMBER_KEY}={longest}") == 102 < TRACESTATE_MEMBER_CHARACTERS_MAX
    assert set(longest) <= set("0123456789abcdef-")
