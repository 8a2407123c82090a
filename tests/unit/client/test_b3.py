"""B3 headers in both forms, by hand and wherever the environment asks for them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sidespan
from sidespan import b3
from tests.unit.client.conftest import Captured

TRACE, SPAN = "463ac35c9f6413ad48485a3953bb6124", "a2fb4a1d1a96d312"


@pytest.mark.parametrize("multi", [False, True])
def test_what_is_injected_is_extracted(captured: Captured, *, multi: bool) -> None:
    """One header or three say who the sender's span is."""
    headers = {"other": "stays"}
    with sidespan.span("call") as s:
        b3.inject(headers, multi=multi)

    assert len(headers) == (4 if multi else 2)
    parent = b3.extract(headers)
    assert parent is not None
    assert (parent.trace_id, parent.span_id) == (s.trace_id, s.span_id)
    assert (parent.trace_flags, parent.trace_state, parent.is_remote) == (1, "", True)


@pytest.mark.parametrize(
    ("carrier", "trace_id", "sampled"),
    [
        ({"b3": f"{TRACE}-{SPAN}"}, TRACE, 1),
        ({"B3": f"{TRACE}-{SPAN}-0"}, TRACE, 0),
        ({"b3": f"{TRACE}-{SPAN}-d-05e3ac9a4f6e3b90"}, TRACE, 1),
        ({"b3": f"{TRACE[16:]}-{SPAN}-1"}, TRACE[16:].zfill(32), 1),
        ({"X-B3-TraceId": TRACE, "X-B3-SpanId": SPAN}, TRACE, 1),
        ({"X-B3-TraceId": TRACE.upper(), "X-B3-SpanId": SPAN, "X-B3-Sampled": "0"}, TRACE, 0),
        ({"X-B3-TraceId": TRACE, "X-B3-SpanId": SPAN, "X-B3-Sampled": "false"}, TRACE, 0),
        ({"X-B3-TraceId": TRACE, "X-B3-SpanId": SPAN, "X-B3-Flags": "1"}, TRACE, 1),
        # The single header goes first, unless it is none.
        ({"b3": f"{TRACE}-{SPAN}-1", "X-B3-TraceId": "1" * 32, "X-B3-SpanId": SPAN}, TRACE, 1),
        ({"b3": "0", "X-B3-TraceId": TRACE, "X-B3-SpanId": SPAN}, TRACE, 1),
    ],
)
def test_what_others_write_is_read(carrier: dict[str, str], trace_id: str, sampled: int) -> None:
    """Short trace ids, debug, decisions old and new, in any case."""
    parent = b3.extract(carrier)

    assert parent is not None
    assert (parent.trace_id, parent.span_id, parent.trace_flags) == (trace_id, SPAN, sampled)


@pytest.mark.parametrize(
    "carrier",
    [
        {},
        {"b3": "1"},
        {"b3": f"{TRACE}"},
        {"b3": f"{TRACE}-{SPAN}-maybe"},
        {"b3": f"{TRACE}-{SPAN}-1-x-y"},
        {"b3": f"{'0' * 32}-{SPAN}-1"},
        {"b3": f"{TRACE}-{'0' * 16}-1"},
        {"b3": [f"{TRACE}-{SPAN}-1", f"{TRACE}-{SPAN}-1"]},
        {"X-B3-TraceId": TRACE},
        {"X-B3-TraceId": "g" * 32, "X-B3-SpanId": SPAN},
        None,
    ],
)
def test_what_is_not_whole_is_no_parent(carrier: dict[str, str]) -> None:
    """Nothing is guessed."""
    assert b3.extract(carrier) is None


@given(st.text(), st.text(), st.text())
def test_hostile_headers_are_read(single: str, trace: str, span: str) -> None:
    """Any text ends in a context or None."""
    b3.extract({"b3": single, "x-b3-traceid": trace, "x-b3-spanid": span})


@pytest.mark.parametrize(
    ("propagators", "names"),
    [
        ("", {"traceparent"}),
        ("tracecontext,baggage", {"traceparent"}),
        ("b3", {"b3"}),
        ("B3multi", {"x-b3-traceid", "x-b3-spanid", "x-b3-sampled"}),
        ("tracecontext, b3", {"traceparent", "b3"}),
        ("none", set()),
    ],
)
def test_the_environment_chooses(
    captured: Captured, monkeypatch: pytest.MonkeyPatch, propagators: str, names: set[str]
) -> None:
    """As with OpenTelemetry's SDKs, for everything that carries traces, both ways."""
    monkeypatch.setenv("OTEL_PROPAGATORS", propagators)
    headers: dict[str, str] = {}
    with sidespan.span("call") as s:
        sidespan.inject(headers)

    assert set(headers) == names
    parent = sidespan.extract(headers)
    assert (parent.span_id if parent is not None else None) == (s.span_id if names else None)
