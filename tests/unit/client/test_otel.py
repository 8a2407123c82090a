"""The OpenTelemetry bridge: what the SDK and its instrumentation libraries make arrives whole."""

import http.server
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import baggage, trace
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.propagate import get_global_textmap
from opentelemetry.proto.trace.v1 import trace_pb2 as proto
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
)

import sidespan
import sidespan.otel
from sidespan._runtime import runtime
from sidespan.otel import SidespanPropagator, SidespanSpanProcessor
from sidespan.testing import Capture, FakeDaemon, capture

TRACE, SPAN = 0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331
PARENT = f"00-{TRACE:032x}-{SPAN:016x}-01"


@pytest.fixture
def spans() -> Iterator[Capture]:
    """Record into memory."""
    with capture() as captured:
        yield captured


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[FakeDaemon]:
    """Return a daemon in a thread."""
    daemon = FakeDaemon(tmp_path / "ingest.sock").start()
    yield daemon
    sidespan.shutdown(0)
    daemon.stop()


@pytest.fixture
def provider() -> Iterator[TracerProvider]:
    """Return a provider of the stock SDK with our processor."""
    provider = TracerProvider(resource=Resource({"service.name": "planner", "team": "x"}))
    provider.add_span_processor(SidespanSpanProcessor())
    yield provider
    provider.shutdown()


def test_everything_of_a_span_arrives(provider: TracerProvider, spans: Capture) -> None:
    """Ids, parent, kind, times, attributes of every type, events, links, status, trace state."""
    tracer = provider.get_tracer("lib", "1.2")
    other = SpanContext(TRACE, SPAN, is_remote=True, trace_flags=TraceFlags(1))
    given = {"s": "x", "i": 2**40, "f": 0.5, "b": True, "l": ["a", "b"], "n": [1, 2]}
    with tracer.start_as_current_span("outer") as outer, tracer.start_as_current_span(
        "inner", kind=SpanKind.CLIENT, attributes=given, links=[Link(other, {"why": "batch"})]
    ) as inner:  # fmt: skip
        inner.add_event("noted", {"n": 1}, timestamp=5)
        inner.set_status(Status(StatusCode.OK))
        inner.update_name("renamed")
    with pytest.raises(LookupError), tracer.start_as_current_span("failed"):
        raise LookupError("gone")

    found = spans.named("renamed")
    assert (found.trace_id, found.span_id) == (
        f"{inner.get_span_context().trace_id:032x}", f"{inner.get_span_context().span_id:016x}",
    )  # fmt: skip
    assert found.parent_span_id == f"{outer.get_span_context().span_id:016x}"
    assert (found.kind, found.status) == ("client", "ok")
    assert found.attributes == given
    assert [(e.name, e.time_ns, e.attributes) for e in found.events] == [("noted", 5, {"n": 1})]
    assert found.links == ((f"{TRACE:032x}", f"{SPAN:016x}"),)
    assert 0 < found.start_ns <= found.end_ns
    failed = spans.named("failed")
    assert (failed.status, failed.message) == ("error", "LookupError: gone")
    assert failed.events[0].attributes["exception.type"] == "LookupError"
    assert spans.named("outer").parent_span_id == ""


values = st.one_of(
    st.text(max_size=20),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.lists(st.text(max_size=5), max_size=3),
    st.lists(st.integers(-(2**63), 2**63 - 1), max_size=3),
)
attributes = st.dictionaries(st.text(min_size=1, max_size=10), values, max_size=5)


@pytest.mark.slow
@given(st.text(min_size=1, max_size=20), attributes, attributes, st.sampled_from(SpanKind))
def test_it_is_what_the_stock_exporter_sends(
    name: str, own: dict[str, Any], of_event: dict[str, Any], kind: SpanKind
) -> None:
    """Field by field, but for the sampled bit and a link's state, which that one leaves out."""
    kept = InMemorySpanExporter()
    provider = TracerProvider(span_limits=SpanLimits(max_events=2))
    provider.add_span_processor(SimpleSpanProcessor(kept))
    provider.add_span_processor(SidespanSpanProcessor())
    parent = SpanContext(
        TRACE, SPAN, is_remote=True, trace_flags=TraceFlags(1), trace_state=TraceState([("a", "1")])
    )
    context = trace.set_span_in_context(NonRecordingSpan(parent))
    with capture() as spans:
        span = provider.get_tracer("lib").start_span(
            name, context, kind, own, links=[Link(parent, of_event)]
        )
        for n in range(3):
            span.add_event(f"event {n}", of_event)
        span.set_status(StatusCode.ERROR, name)
        span.end()
        (encoded,) = spans.encoded

    (stock,) = encode_spans(kept.get_finished_spans()).resource_spans[0].scope_spans[0].spans
    ours = proto.Span.FromString(encoded)
    for both in (stock, ours):
        both.flags = both.links[0].flags = 0
        both.links[0].trace_state = ""
    assert ours == stock


def test_resource_and_scopes_arrive(provider: TracerProvider, daemon: FakeDaemon) -> None:
    """The provider's resource is the process's, and each library keeps its own scope."""
    sidespan.shutdown(0)
    runtime.init("planner", daemon.address, attributes={"team": "x"})
    for name in ("lib.a", "lib.b", "lib.a"):
        provider.get_tracer(name, "1").start_span(name).end()
    sidespan.span("own").start().end()

    assert provider.force_flush(5000)
    assert sorted(span.name for span in daemon.spans) == ["lib.a", "lib.a", "lib.b", "own"]
    assert {span.resource["service.name"] for span in daemon.spans} == {"planner"}
    assert {span.resource["team"] for span in daemon.spans} == {"x"}


def test_the_first_span_starts_recording(
    daemon: FakeDaemon, provider: TracerProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program with a provider of its own needs the processor and nothing else."""
    monkeypatch.setenv("SIDESPAN_SOCKET", daemon.address)
    provider.get_tracer("lib").start_span("one").end()

    assert provider.force_flush(5000)
    (span,) = daemon.spans
    assert (span.resource["service.name"], span.resource["team"]) == ("planner", "x")


def test_a_long_span_is_announced_and_followed(
    daemon: FakeDaemon, provider: TracerProvider
) -> None:
    """Its start, then what is new of it, and its end closes it; short ones are not announced."""
    runtime.init("planner", daemon.address, mark_after_s=0.0)
    span = provider.get_tracer("lib").start_span("long", attributes={"a": 1})
    assert daemon.wait_for(marks=1)
    span.set_attribute("b", 2)
    assert daemon.wait_for(marks=2)
    span.set_attributes({"a": 3})
    assert daemon.wait_for(marks=3)
    span.add_event("noted", {"n": 1})
    assert daemon.wait_for(marks=4)
    assert [mark.attributes for mark in daemon.marks] == [{"a": 1}, {"b": 2}, {"a": 3}, {}]
    assert [[event.name for event in mark.events] for mark in daemon.marks[2:]] == [[], ["noted"]]
    assert [mark.end_ns for mark in daemon.marks] == [0] * 4
    assert [opened.name for opened in daemon.open] == ["long"]

    span.end()
    assert provider.force_flush(5000)
    (ended,) = daemon.spans
    assert ended.attributes == {"a": 3, "b": 2}
    assert [event.name for event in ended.events] == ["noted"]
    assert daemon.open == []


def test_what_the_sampler_leaves_out_stays_out(spans: Capture) -> None:
    """As with the SDK's own exporters."""
    provider = TracerProvider(sampler=ALWAYS_OFF)
    provider.add_span_processor(SidespanSpanProcessor())
    provider.get_tracer("lib").start_span("no").end()

    assert spans.spans == []


def test_limits_hold(provider: TracerProvider, spans: Capture) -> None:
    """A value that is too large is cut; what the SDK dropped is counted with what we did."""
    span = provider.get_tracer("lib").start_span("big")
    span.set_attribute("text", "x" * 2_000_000)
    for n in range(200):
        span.set_attribute(f"k{n}", n)
    span.end()

    assert len(spans.encoded[0]) < 1_500_000
    assert len(spans.named("big").attributes) == 128


def test_what_the_api_does_not_check_is_survived(
    daemon: FakeDaemon, provider: TracerProvider
) -> None:
    """A name that is no text, odd values and an odd status: recorded as well as can be."""
    runtime.init("planner", daemon.address, mark_after_s=0.0)
    odd: Any = object()
    span = provider.get_tracer("lib").start_span(odd, attributes={"x": odd})
    span.set_status(StatusCode.ERROR, odd)
    assert daemon.wait_for(marks=1)
    span.end()
    after = provider.get_tracer("lib").start_span("after")
    after.end()

    assert provider.force_flush(5000)
    assert [found.name for found in daemon.spans] == [repr(odd), "after"]


def test_off_is_off(provider: TracerProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    """With SIDESPAN_DISABLED nothing is recorded or registered, and the SDK goes on."""
    monkeypatch.setenv("SIDESPAN_DISABLED", "1")
    before = trace.get_tracer_provider()
    provider.get_tracer("lib").start_span("one").end()

    assert sidespan.otel.register(service="planner") is None
    assert trace.get_tracer_provider() is before
    assert sidespan.status().state == "off"
    assert provider.force_flush(1000)


@pytest.mark.parametrize("came", ["", "a=1,sidespan=old,b=2"])
def test_the_propagator_carries_the_token(monkeypatch: pytest.MonkeyPatch, came: str) -> None:
    """Leftmost, in place of the one that came; what others say in there stays, once."""
    monkeypatch.setattr(runtime, "token", lambda: "1-new")
    propagator = SidespanPropagator()
    headers = {"traceparent": PARENT, **({"tracestate": came} if came else {})}
    context = propagator.extract(headers)
    assert trace.get_current_span(context).get_span_context().trace_id == TRACE
    onward: dict[str, str] = {}
    propagator.inject(onward, context)

    assert onward["traceparent"] == PARENT
    assert onward["tracestate"] == ("sidespan=1-new,a=1,b=2" if came else "sidespan=1-new")


def test_without_a_token_or_a_span_nothing_is_added() -> None:
    """Then the inner propagator's word stands."""
    onward: dict[str, str] = {}
    SidespanPropagator().inject(onward)
    assert onward == {}
    SidespanPropagator().inject(onward, SidespanPropagator().extract({"traceparent": PARENT}))
    assert onward == {"traceparent": PARENT}


# One line, then a stock instrumentation library and a stock API.
PROGRAM = """
    import sys
    import requests
    import sidespan, sidespan.otel
    from opentelemetry import trace
    from opentelemetry.instrumentation.requests import RequestsInstrumentor

    provider = sidespan.otel.register(service="planner")
    assert sidespan.otel.register(service="planner") is provider
    RequestsInstrumentor().instrument()
    assert sidespan.flush(5)
    with trace.get_tracer("agent").start_as_current_span("plan"):
        requests.get(sys.argv[1], timeout=5)
"""


@pytest.mark.slow
def test_one_line_and_a_real_instrumentation(daemon: FakeDaemon) -> None:
    """The library's span arrives, its request carries trace and token, nothing is printed."""
    seen: list[dict[str, str]] = []

    class Server(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Keep the headers."""
            seen.append({key.lower(): value for key, value in self.headers.items()})
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    server = http.server.HTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_address[1]}/x"
        finished = subprocess.run(
            [sys.executable, "-W", "error::UserWarning", "-c", textwrap.dedent(PROGRAM), url],
            env={"PATH": "/usr/bin:/bin", "SIDESPAN_SOCKET": daemon.address},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "", "")
    by_name = {span.name: span for span in daemon.spans}
    assert set(by_name) == {"plan", "GET"}
    assert by_name["GET"].parent_span_id == by_name["plan"].span_id
    assert by_name["GET"].resource["service.name"] == "planner"
    assert by_name["GET"].span_id in seen[0]["traceparent"]
    assert seen[0]["tracestate"].startswith("sidespan=1-")


EXISTING = """
    import sidespan, sidespan.otel
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    kept = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    trace.set_tracer_provider(provider)
    assert sidespan.otel.register(service="planner") is provider
    trace.get_tracer("lib").start_span("both").end()
    assert [span.name for span in kept.get_finished_spans()] == ["both"]
"""


@pytest.mark.slow
def test_a_provider_that_is_there_stays(daemon: FakeDaemon) -> None:
    """It keeps its own exporters; its spans arrive at its end, under the name that was given."""
    finished = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", textwrap.dedent(EXISTING)],
        env={"PATH": "/usr/bin:/bin", "SIDESPAN_SOCKET": daemon.address},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "", "")
    (span,) = daemon.spans
    assert (span.name, span.resource["service.name"]) == ("both", "planner")


def test_a_program_that_chose_propagators_keeps_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Baggage goes on beside the trace."""
    monkeypatch.setattr(runtime, "token", lambda: "1-new")
    propagator = SidespanPropagator(get_global_textmap())
    context = baggage.set_baggage("user", "7", propagator.extract({"traceparent": PARENT}))
    onward: dict[str, str] = {}
    propagator.inject(onward, context)

    assert onward["baggage"] == "user=7"
    assert {"traceparent", "tracestate", "baggage"} <= propagator.fields


@pytest.mark.parametrize(
    ("missing", "module", "extra"),
    [
        ("opentelemetry", "otel", "'sidespan[otel]'"),
        ("httpx", "httpx", "httpx"),
        ("requests", "requests", "requests"),
    ],
)
def test_a_missing_library_is_named(missing: str, module: str, extra: str) -> None:
    """The import says what to install; the rest of the client works."""
    program = f"""
        import sys
        sys.modules[{missing!r}] = None
        import sidespan, sidespan.asgi, sidespan.wsgi, sidespan.mcp, sidespan.b3
        try:
            import sidespan.{module}
        except ImportError as error:
            print(error)
    """
    finished = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip

    assert finished.stdout.endswith(f"; run: pip install {extra}\n")
