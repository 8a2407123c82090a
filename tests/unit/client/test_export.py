"""Finished traces are sent as they are, to a daemon or into a file."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

import sidespan
from sidespan import _offline
from sidespan._otlp_json import request_to_json
from sidespan.testing import FakeDaemon
from tests.daemon import wait_until

WAIT_S = 20.0


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[FakeDaemon]:
    """Return a daemon in a thread."""
    made = FakeDaemon(tmp_path / "ingest.sock").start()
    yield made
    sidespan.shutdown(0)
    made.stop()


def finished() -> list[sidespan.FinishedSpan]:
    """Return a trace of two spans that ended an hour ago."""
    end_ns = time.time_ns() - 3600 * 10**9
    root = sidespan.FinishedSpan("run", end_ns - 100, end_ns, attributes={"a": [1]}, error="no")
    child = root.context._replace(span_id_bytes=b"child-01")
    event = ("thought", end_ns - 50, {"n": 1})
    return [
        root,
        sidespan.FinishedSpan(
            "step", end_ns - 90, end_ns - 10, child, root.context, "client", events=[event]
        ),
    ]


def test_a_finished_trace_arrives_as_it_is(daemon: FakeDaemon) -> None:
    """Ids, times and all; the answer says that it is durable, and names the newest token."""
    sidespan.init("archive", socket=daemon.address)
    trace = finished()
    exported = sidespan.export(trace, timeout_s=WAIT_S)

    run, step = daemon.spans
    assert exported == (True, 2, 0, sidespan.status().token)
    assert exported.token
    assert (run.start_ns, run.end_ns) == (trace[0].start_ns, trace[0].end_ns)
    assert (run.attributes, run.status, run.message) == ({"a": [1]}, "error", "no")
    assert (step.trace_id, step.parent_span_id) == (run.trace_id, run.span_id)
    assert (step.kind, step.events[0].attributes) == ("client", {"n": 1})


def test_what_cannot_be_sent_is_counted(daemon: FakeDaemon) -> None:
    """The rest is sent, and nothing raises."""
    sidespan.init("archive", socket=daemon.address)
    bad = sidespan.SpanContext(b"short", b"s", 1, "", is_remote=False)
    trace = [sidespan.FinishedSpan("x", 1, 2, bad), "no span", *finished()]

    assert sidespan.export(trace, timeout_s=WAIT_S)[:3] == (True, 2, 2)  # type: ignore[arg-type]
    assert sidespan.export(5, timeout_s=WAIT_S)[:3] == (True, 0, 0)  # type: ignore[arg-type]
    assert len(daemon.spans) == 2


def test_off_nothing_is_sent() -> None:
    """The answer says so."""
    assert sidespan.export(finished()) == (False, 0, 0, "")


def test_governed_traffic_names_its_sinks(daemon: FakeDaemon) -> None:
    """As attributes of the process."""
    sidespan.init("archive", socket=daemon.address, governed=True, sinks=["audit"])
    with sidespan.span("a"):
        pass
    assert sidespan.flush(WAIT_S)

    resource = daemon.spans[0].resource
    assert (resource["sidespan.governed"], resource["sidespan.sinks"]) == (True, ["audit"])


def lines(path: Path) -> list[ExportTraceServiceRequest]:
    """Read a file as the OTLP/JSON that it is."""
    return [
        json_format.Parse(_with_base64_ids(line), ExportTraceServiceRequest())
        for line in path.read_text(encoding="utf-8").splitlines()
    ]


def _with_base64_ids(line: str) -> str:
    """Return a line with ids as protobuf's own JSON has them."""

    def hexes(item: dict[str, object]) -> dict[str, object]:
        import base64

        for name in ("traceId", "spanId", "parentSpanId"):
            if name in item:
                item[name] = base64.b64encode(bytes.fromhex(str(item[name]))).decode()
        return item

    return json.dumps(json.loads(line, object_hook=hexes))


def test_a_file_takes_a_recorders_place(tmp_path: Path) -> None:
    """Each line is a request; what was open when the program stopped is there without an end."""
    path = tmp_path / "agent.jsonl"
    sidespan.init("offline", socket=f"file://{path}")
    with sidespan.span(
        "done", text="ü\n", n=-5, x=1.5, data=b"\x00", deep={"a": [None, True]}
    ) as s:
        s.add_event("e", {"k": 1}).fail("no")
        with sidespan.span("pay", durable=True) as durable:
            assert durable.durable
    sidespan.span("open").start()
    sidespan.shutdown(WAIT_S)

    spans = [span for line in lines(path) for span in line.resource_spans[0].scope_spans[0].spans]
    named = {span.name: span for span in spans if span.end_time_unix_nano}
    assert sorted(named) == ["done", "pay"]
    assert {span.name for span in spans if not span.end_time_unix_nano} >= {"pay", "open"}
    values = {pair.key: pair.value for pair in named["done"].attributes}
    assert values["text"].string_value == "ü\n"
    assert (values["n"].int_value, values["x"].double_value) == (-5, 1.5)
    assert values["data"].bytes_value == b"\x00"
    assert named["done"].status.message == "no"
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_that_cannot_be_written_is_tried_again(tmp_path: Path) -> None:
    """The spans wait in the buffer, and the reason is in the status."""
    path = tmp_path / "later" / "agent.jsonl"
    sidespan.init("offline", socket=f"file://{path}")
    with sidespan.span("a"):
        pass
    wait_until(lambda: "No such file" in sidespan.status().last_error, WAIT_S, "the error")
    assert sidespan.status().state == "unreachable"
    path.parent.mkdir()

    assert sidespan.flush(WAIT_S)
    assert len(lines(path)) == 1


def test_a_line_that_was_cut_stands_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk costs at most the line that it cut, and that one is written again."""
    path = tmp_path / "agent.jsonl"
    write, cuts = os.write, [True]

    def full_once(file: int, data: bytes) -> int:
        return write(file, data[:10] if cuts and cuts.pop() else data)

    monkeypatch.setattr(_offline.os, "write", full_once)
    sidespan.init("offline", socket=f"file://{path}")
    with sidespan.span("a"):
        pass
    assert sidespan.flush(WAIT_S)

    cut, whole = path.read_text(encoding="utf-8").splitlines()
    assert len(cut) == 10
    assert json.loads(whole)["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["name"] == "a"


def test_a_full_file_drops_and_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not grow over its limit."""
    monkeypatch.setattr(_offline, "OFFLINE_BYTES_MAX", 10)
    sidespan.init("offline", socket=f"file://{tmp_path / 'agent.jsonl'}")
    with sidespan.span("a"):
        pass

    assert not sidespan.flush(WAIT_S)
    assert sidespan.status().dropped == 1
    assert "larger than 10 bytes" in sidespan.status().last_error


def test_every_kind_of_number_is_otlp_json() -> None:
    """Infinity and NaN have names there."""
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add()
    for number in (float("inf"), float("-inf"), float("nan"), 0.5):
        span.attributes.add(key="k").value.double_value = number
    found = request_to_json(request.SerializeToString())

    attributes = found["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["attributes"]
    values = [pair["value"]["doubleValue"] for pair in attributes]
    assert values == ["Infinity", "-Infinity", "NaN", 0.5]
