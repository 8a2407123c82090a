"""Tokens in a request: found where they may be, once where they are inherited, within bounds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from sidespand.admission import OtlpAdmission
from sidespand.admission.edges import CITES, find_edges, may_hold_tokens
from sidespand.hlc import Hlc
from sidespand.limits import EDGES_PER_ITEM_MAX, EDGES_PER_RECORD_MAX
from sidespand.model import EdgeType, Kind
from sidespand.token import encode
from tests.otlp import encoded, export_request
from tests.unit.admission.test_otlp import spans_of

ADMISSION = OtlpAdmission()
INNER, SERVER, CONSUMER = (
    Span.SPAN_KIND_INTERNAL,
    Span.SPAN_KIND_SERVER,
    Span.SPAN_KIND_CONSUMER,
)
REMOTE_PARENT, LOCAL_PARENT = 0x300, 0x100


def token(lsn: int) -> str:
    """Return a well-formed token of another node."""
    return encode(b"elsewher", lsn, Hlc(lsn, 1), bytes([lsn % 256]) * 16)


def cite(span: Span, *texts: str, one_by_one: bool = False) -> None:
    """Add the attribute that cites tokens."""
    if one_by_one:
        for text in texts:
            span.attributes.add(key=CITES).value.string_value = text
    else:
        values = span.attributes.add(key=CITES).value.array_value.values
        for text in texts:
            values.add().string_value = text


def found(request: ExportTraceServiceRequest) -> list[tuple[EdgeType, int, int]]:
    """Return type, item index and LSN of every edge that admission finds."""
    (one,) = ADMISSION.admit(Kind.SPANS, request.SerializeToString()).contents
    assert not one.edges_truncated
    return [(edge.type, edge.item_index, edge.lsn) for edge in one.edges]


def test_each_place_has_its_type() -> None:
    """The span's own tracestate, its links' and its citations, with the index of the item."""
    request = export_request(4)
    spans = spans_of(request)
    spans[1].trace_state = f"congo=t61,sidespan={token(1)}"
    spans[2].links.add(trace_state="none=of-ours")
    spans[2].links.add(trace_state=f"sidespan={token(2)},rojo=1")
    spans[3].attributes.add(key="other").value.string_value = token(9)
    cite(spans[3], token(3), token(4))
    cite(spans[3], token(5), one_by_one=True)
    assert found(request) == [
        (EdgeType.RECEIVED, 1, 1),
        (EdgeType.LINKED, 2, 2),
        (EdgeType.CITED, 3, 3),
        (EdgeType.CITED, 3, 4),
        (EdgeType.CITED, 3, 5),
    ]


def test_an_edge_says_all_that_its_token_says() -> None:
    """Lineage, LSN, HLC and tag are the token's."""
    request = export_request(1, trace_state=f"sidespan={token(7)}")
    (edge,), truncated = find_edges(request)
    assert not truncated
    assert (edge.lineage, edge.lsn, edge.stamp, edge.tag) == (
        b"elsewher",
        7,
        Hlc(7, 1),
        bytes([7]) * 16,
    )


def test_the_stored_bytes_are_untouched() -> None:
    """Other vendors' members, their order and their spaces stay as they came."""
    odd = f"a=1 , sidespan=junk,\tsidespan={token(1)},vendor@x=2,,"
    body = encoded(3, trace_state=odd)
    (one,) = ADMISSION.admit(Kind.SPANS, body).contents
    assert one.payload is body


def test_indexes_count_over_resources_and_scopes() -> None:
    """An item's index is its place in the document."""
    request = export_request(2)
    request.MergeFrom(export_request(3))
    request.resource_spans[1].scope_spans.add().CopyFrom(
        export_request(1).resource_spans[0].scope_spans[0]
    )
    for number, span in enumerate(spans_of(request)):
        cite(span, token(number + 1))
    assert [(index, lsn) for _, index, lsn in found(request)] == [
        (number, number + 1) for number in range(6)
    ]


def test_indexes_are_those_of_the_items_that_are_stored() -> None:
    """After partial success an edge points at its item among the good rest."""
    request = export_request(4)
    spans = spans_of(request)
    for number, span in enumerate(spans):
        cite(span, token(number + 1))
    spans[0].span_id = b""
    spans[2].span_id = b""
    admitted = ADMISSION.admit(Kind.SPANS, request.SerializeToString())
    edges = admitted.contents[0].edges
    assert [(edge.item_index, edge.lsn) for edge in edges] == [(0, 2), (1, 4)]


class TestInheritance:
    """A token travels down a trace inside one process; that proves nothing more than once."""

    def two(self, *, kind: int = INNER, flags: int = 0, same_trace: bool = True) -> list[int]:
        """Return the items that an edge is found in, of a span and a later one with its token."""
        request = export_request(2, trace_state=f"sidespan={token(1)}")
        second = spans_of(request)[1]
        second.kind = kind  # type: ignore[assignment]
        second.flags = flags
        if not same_trace:
            second.trace_id = b"another trace id"
        return [index for _, index, _ in found(request)]

    def test_an_inner_span_s_token_counts_once(self) -> None:
        """The first span of the trace that shows it is the one that has it."""
        assert self.two() == [0]
        assert self.two(kind=Span.SPAN_KIND_CLIENT, flags=LOCAL_PARENT) == [0]

    @pytest.mark.parametrize("kind", [SERVER, CONSUMER])
    def test_an_entry_span_s_token_always_counts(self, kind: int) -> None:
        """A server or consumer span received it from outside."""
        assert self.two(kind=kind) == [0, 1]

    def test_a_remote_parent_s_token_always_counts(self) -> None:
        """The flags say that it came from another process."""
        assert self.two(flags=REMOTE_PARENT) == [0, 1]
        assert self.two(flags=REMOTE_PARENT | 0x01) == [0, 1]
        assert self.two(flags=0x200) == [0]

    def test_another_trace_is_another_matter(self) -> None:
        """What was inherited in one trace was not in the other."""
        assert self.two(same_trace=False) == [0, 1]

    def test_a_newer_token_counts(self) -> None:
        """An inner span that shows another token received it."""
        request = export_request(2, trace_state=f"sidespan={token(1)}")
        spans_of(request)[1].trace_state = f"sidespan={token(2)}"
        assert [lsn for _, _, lsn in found(request)] == [1, 2]

    def test_links_and_citations_are_not_inherited(self) -> None:
        """Each was put there on purpose."""
        request = export_request(2)
        for span in spans_of(request):
            span.links.add(trace_state=f"sidespan={token(1)}")
            cite(span, token(1))
        assert len(found(request)) == 4


class TestBounds:
    """More tokens than are kept."""

    def test_an_item_s_edges(self) -> None:
        """Exactly the bound is kept whole; one more is cut, and the record says so."""
        for count, truncated in ((EDGES_PER_ITEM_MAX, False), (EDGES_PER_ITEM_MAX + 1, True)):
            request = export_request(1)
            cite(spans_of(request)[0], *(token(number + 1) for number in range(count)))
            edges, cut = find_edges(request)
            assert [edge.lsn for edge in edges] == list(range(1, EDGES_PER_ITEM_MAX + 1))
            assert cut is truncated

    def test_one_item_s_excess_does_not_cost_the_others_theirs(self) -> None:
        """What follows the item with too many is still looked at."""
        request = export_request(3)
        first, second, third = spans_of(request)
        first.trace_state = f"sidespan={token(1)}"
        cite(second, *(token(number + 1) for number in range(EDGES_PER_ITEM_MAX + 5)))
        cite(third, token(77))
        edges, truncated = find_edges(request)
        assert truncated
        assert [edge.item_index for edge in edges].count(1) == EDGES_PER_ITEM_MAX
        assert (edges[0].item_index, edges[-1].item_index, edges[-1].lsn) == (0, 2, 77)

    def test_junk_counts_towards_an_item_s_bound(self) -> None:
        """A span full of junk does not cost more than one full of tokens."""
        request = export_request(1)
        cite(spans_of(request)[0], *["junk"] * EDGES_PER_ITEM_MAX, token(1))
        assert find_edges(request) == ((), True)

    def test_a_record_s_edges(self) -> None:
        """Exactly the bound is kept whole; one more is cut, and the content says so."""
        items = EDGES_PER_RECORD_MAX // EDGES_PER_ITEM_MAX
        request = export_request(items + 1)
        spans = spans_of(request)
        for span in spans[:items]:
            cite(span, *(token(number + 1) for number in range(EDGES_PER_ITEM_MAX)))
        assert len(found(request)) == EDGES_PER_RECORD_MAX
        cite(spans[items], "junk")
        assert len(found(request)) == EDGES_PER_RECORD_MAX
        cite(spans[items], token(1))
        (one,) = ADMISSION.admit(Kind.SPANS, request.SerializeToString()).contents
        assert len(one.edges) == EDGES_PER_RECORD_MAX
        assert one.edges_truncated


def test_a_request_without_our_names_is_not_searched() -> None:
    """The raw bytes tell that nothing can be found."""
    assert not may_hold_tokens(encoded(3, trace_state="congo=t61"))
    assert may_hold_tokens(encoded(3, trace_state="sidespan=x"))
    request = export_request(1)
    cite(spans_of(request)[0], token(1))
    assert may_hold_tokens(request.SerializeToString())


@given(
    st.lists(
        st.tuples(
            st.text(max_size=60) | st.text("sidepan=,1-0ab ", max_size=60),
            st.lists(st.text(max_size=20), max_size=3),
            st.integers(0, 2**32 - 1),
            st.integers(0, 5),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_hostile_places_never_raise(spans: list[tuple[str, list[str], int, int]]) -> None:
    """Junk in every place where a token may be is passed over, and stored as it came (N15)."""
    request = export_request(len(spans))
    for span, (junk, cited, flags, kind) in zip(spans_of(request), spans, strict=True):
        span.trace_state = f"{junk},sidespan={junk}"
        span.links.add(trace_state=f"sidespan={junk},{junk}")
        span.flags = flags
        span.kind = kind  # type: ignore[assignment]
        cite(span, *cited)
        span.attributes.add(key=CITES).value.int_value = flags
        span.attributes.add(key=CITES)
    body = request.SerializeToString()
    (one,) = ADMISSION.admit(Kind.SPANS, body).contents
    assert one.payload is body
    assert one.edges == ()
