"""A trace goes out with inject, comes in with extract, and carries the token."""

import string
from collections.abc import Iterator
from typing import Any, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sidespan
from sidespan._runtime import runtime
from tests.unit.client.conftest import Captured

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"


def test_what_is_injected_is_extracted(captured: Captured) -> None:
    """The other side sees the sender's span as its remote parent."""
    headers = {"other": "stays"}
    with sidespan.span("call") as s:
        sidespan.inject(headers)

    parent = sidespan.extract(headers)
    assert headers["other"] == "stays"
    assert parent is not None
    assert (parent.trace_id, parent.span_id) == (s.trace_id, s.span_id)
    assert (parent.trace_flags, parent.trace_state, parent.is_remote) == (1, "", True)


def test_a_hop_keeps_vendors_and_renews_the_token(
    captured: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest token goes leftmost, in place of the one that came; the span keeps what came."""
    came = "a=1,sidespan=old,b=2"
    parent = sidespan.extract({"traceparent": PARENT, "tracestate": came})
    headers: dict[str, str] = {}
    with sidespan.span("served", parent=parent):
        sidespan.inject(headers)
        assert headers["tracestate"] == came
        monkeypatch.setattr(runtime, "token", lambda: "new")
        sidespan.inject(headers)

    assert headers["tracestate"] == "sidespan=new,a=1,b=2"
    assert captured.spans[0].trace_state == came


def test_an_unsampled_trace_stays_unsampled(captured: Captured) -> None:
    """It is recorded here, and the caller's decision goes on to those who come after."""
    headers: dict[str, str] = {}
    with sidespan.span("x", parent=sidespan.extract({"traceparent": f"00-{TRACE}-{SPAN}-00"})):
        sidespan.inject(headers)

    assert headers["traceparent"].endswith("-00")
    assert len(captured.spans) == 1


@pytest.mark.parametrize(
    "carrier",
    [
        {"Traceparent": PARENT, "TRACESTATE": "a=1,b=2"},
        {"traceparent": [PARENT], "tracestate": ["a=1", "b=2"]},
        {"traceparent": PARENT.encode(), "tracestate": (b"a=1", "b=2")},
        {b"binary-key": 1, 5: 6, "traceparent": PARENT, "tracestate": "a=1,b=2"},
    ],
)
def test_carriers_differ_and_mean_the_same(carrier: dict[Any, Any]) -> None:
    """Case, bytes and repeated headers make no difference."""
    parent = sidespan.extract(carrier)

    assert parent is not None
    assert (parent.trace_id, parent.trace_state) == (TRACE, "a=1,b=2")


@pytest.mark.parametrize(
    "carrier",
    [
        {},
        {"tracestate": "a=1"},
        {"traceparent": None},
        {"traceparent": [PARENT, PARENT]},
        {"traceparent": PARENT, "Traceparent": PARENT},
    ],
)
def test_without_one_valid_traceparent_there_is_no_parent(carrier: dict[str, Any]) -> None:
    """Two are as good as none."""
    assert sidespan.extract(carrier) is None


@given(st.text(), st.text() | st.lists(st.text()))
def test_hostile_headers_are_read(parent: str, state: Any) -> None:
    """Any text in either header ends in a context or None; a bad tracestate goes alone."""
    assert sidespan.extract({"traceparent": parent, "tracestate": state}) is None
    context = sidespan.extract({"traceparent": PARENT, "tracestate": state})
    assert context is not None
    assert set(context.trace_state) <= set(string.printable) - set("\t\n\r\v\f")


class HostileCarrier(dict[str, str]):
    def items(self) -> Any:
        """Raise."""
        raise RuntimeError("no")

    def __setitem__(self, key: str, value: str) -> NoReturn:
        raise RuntimeError("no")

    def __iter__(self) -> Iterator[str]:
        raise RuntimeError("no")


def test_hostile_carriers_are_survived(captured: Captured) -> None:
    """A carrier that raises, or is none, costs the trace its way and the host nothing."""
    with sidespan.span("x"):
        sidespan.inject(HostileCarrier())
        sidespan.inject(None)  # type: ignore[arg-type]

    assert sidespan.extract(HostileCarrier()) is None
    assert sidespan.extract(None) is None  # type: ignore[arg-type]
    assert sidespan.status().last_error != ""
