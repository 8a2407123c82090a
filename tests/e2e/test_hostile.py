"""Hostile shapes at every door of a live daemon: refused or stored as specified, bounded memory.

Peaks are those of the daemon's whole memory between two requests, as the kernel counts them.
"""

import http.client
import json
import os
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from sidespan.v1.recorder_pb2 import Nack
from sidespand.limits import MESSAGE_BYTES_MAX, MIB, PARSED_BYTES_MAX
from sidespand.model import Kind
from tests import doors
from tests.daemon import Daemon, running
from tests.frame_client import FrameClient
from tests.hostile import BLOW_UPS, METRICS_BLOW_UPS, delimited, in_span, nested
from tests.journals import records_of
from tests.otlp import export_request

pytestmark = pytest.mark.slow
SIZE = 8 * MIB
# Of what may be refused or stored; a body is copied on its way from a socket to the disk.
PEAK_BYTES_MAX = PARSED_BYTES_MAX + 6 * SIZE + 32 * MIB
# The allocator keeps some of what is free.
AFTER_BYTES_MAX = 2 * MESSAGE_BYTES_MAX
THREE_DOORS = ("frames", "grpc.sock", "http.sock")


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Return a daemon with its default limits that all tests of this module try to hurt."""
    with running(tmp_path_factory.mktemp("node"), doors.TCP_FLAGS) as started:
        yield started
        assert started.terminate() == 0
        assert "Traceback" not in started.log()


@pytest.fixture(params=THREE_DOORS)
def door(request: pytest.FixtureRequest, daemon: Daemon) -> Iterator[doors.Door]:
    """Return a client of each kind of door."""
    with doors.opened(request.param, daemon) as opened:
        yield opened


class Watched:
    """Watches a daemon's memory from here on."""

    def __init__(self, daemon: Daemon) -> None:
        self._pid = daemon.pid
        self._anonymous = doors.anonymous_bytes(self._pid)
        # proc(5): from here on VmHWM is the peak.
        Path(f"/proc/{self._pid}/clear_refs").write_text("5", encoding="ascii")
        self._whole = self._resident("VmRSS")

    def _resident(self, field: str) -> int:
        status = Path(f"/proc/{self._pid}/status").read_text(encoding="ascii")
        found = re.search(rf"^{field}:\s+(\d+) kB", status, re.MULTILINE)
        assert found is not None
        return int(found[1]) * 1024

    def check(self) -> None:
        """Fail if it grew by more than it may, at its peak and now."""
        peak = self._resident("VmHWM") - self._whole
        kept = doors.anonymous_bytes(self._pid) - self._anonymous
        assert peak < PEAK_BYTES_MAX, f"{peak / MIB:.0f} MiB at the peak"
        assert kept < AFTER_BYTES_MAX, f"{kept / MIB:.0f} MiB afterwards"


def post(daemon: Daemon, path: str, body: bytes, content_type: str) -> int:
    """Return the status of a request to http.sock."""
    connection = doors.http_connection(daemon.http)
    try:
        connection.request("POST", path, body, {"content-type": content_type})
        response: http.client.HTTPResponse = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()


def newest(daemon: Daemon) -> bytes:
    """Return the newest record of spans."""
    spans = [one for one in records_of(daemon.data) if one.header.kind is Kind.SPANS]
    return spans[-1].payload or b""


@pytest.mark.parametrize("name", BLOW_UPS)
def test_megabytes_of_empty_parts(daemon: Daemon, name: str) -> None:
    """What would take hundreds of megabytes is refused for good; memory stays within its bound."""
    watched = Watched(daemon)
    status = post(daemon, "/v1/traces", BLOW_UPS[name](SIZE), "application/x-protobuf")

    # Spans without ids are refused one way or the other.
    assert status in (200, 400, 413)
    watched.check()


@pytest.mark.parametrize("name", METRICS_BLOW_UPS)
def test_megabytes_of_empty_metrics(daemon: Daemon, name: str) -> None:
    """The same for metrics, whose packed numbers grow too."""
    watched = Watched(daemon)
    body = METRICS_BLOW_UPS[name](SIZE)

    assert post(daemon, "/v1/metrics", body, "application/x-protobuf") in (200, 413)
    watched.check()


@pytest.mark.parametrize("name", ["grpc.sock", "http.sock"])
def test_what_would_blow_up_is_too_large(daemon: Daemon, name: str) -> None:
    """For good, and the next request is taken."""
    watched = Watched(daemon)
    with doors.opened(name, daemon) as door:
        answer = door.send(BLOW_UPS["spans"](SIZE))

        assert answer.code == door.too_large
        assert "once parsed" in answer.text
        assert not answer.retry
        watched.check()
        assert door.send(export_request().SerializeToString()).code == door.ok


def test_a_frame_that_would_blow_up_is_too_large(daemon: Daemon) -> None:
    """Its seq is used up, and the session goes on."""
    watched = Watched(daemon)
    with FrameClient(daemon.ingest, doors.TIMEOUT_S) as client:
        client.hello(os.urandom(16))
        client.records(1, BLOW_UPS["spans"](SIZE))
        nack = client.nack(1)
        assert (nack.code, nack.retry_after_ms) == (Nack.TOO_LARGE, 0)
        watched.check()
        client.records(2, export_request().SerializeToString())
        assert client.ack(2).first_lsn


def test_many_keys_are_stored_within_bounds(daemon: Daemon, door: doors.Door) -> None:
    """Half a million attributes on one span are many, and theirs."""
    watched = Watched(daemon)
    attribute = delimited(9, delimited(1, b"a key") + delimited(2, delimited(1, b"")))
    body = in_span(attribute * 500_000)

    assert door.send(body).code == door.ok
    watched.check()
    assert newest(daemon) == body


@pytest.mark.fault(37)
@pytest.mark.parametrize("kind", [5, 6], ids=["arrays", "maps"])
def test_a_deeply_nested_attribute_is_malformed(
    daemon: Daemon, door: doors.Door, kind: int
) -> None:
    """64 values in one another are over protobuf's depth of 100 messages; 20 are stored."""
    watched = Watched(daemon)
    with doors.unharmed(daemon):
        answer = door.send(nested(64, kind))
        assert answer.code == door.invalid
        assert not answer.retry
    body = nested(20, kind)
    assert door.send(body).code == door.ok
    assert newest(daemon) == body
    watched.check()


@pytest.mark.fault(37)
def test_text_that_is_no_utf_8_is_malformed(daemon: Daemon, door: doors.Door) -> None:
    """As protobuf has it, wherever the text stands."""
    with doors.unharmed(daemon):
        for field in (delimited(5, b"\xff\xfe"), delimited(9, delimited(1, b"\xc3("))):
            answer = door.send(in_span(field))
            assert answer.code == door.invalid
            assert "not an ExportTraceServiceRequest" in answer.text


@pytest.mark.parametrize("clock_ns", [0, 1, 2**63, 2**64 - 1])
def test_clocks_are_stored_as_they_came(daemon: Daemon, door: doors.Door, clock_ns: int) -> None:
    """A sender's clock is its own: nothing is refused, and nothing is rewritten."""
    request = export_request()
    span = request.resource_spans[0].scope_spans[0].spans[0]
    span.start_time_unix_nano = span.end_time_unix_nano = clock_ns
    span.events.add(name="event", time_unix_nano=clock_ns)
    body = request.SerializeToString()

    assert door.send(body).code == door.ok
    assert newest(daemon) == body


class TestJson:
    """The same in OTLP/JSON."""

    def post(self, daemon: Daemon, body: bytes) -> int:
        """Return the status."""
        return post(daemon, "/v1/traces", body, "application/json")

    def span(self, **fields: object) -> bytes:
        """Return a request of one span."""
        span = {"traceId": os.urandom(16).hex(), "spanId": os.urandom(8).hex(), **fields}
        document = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}
        return json.dumps(document).encode()

    def test_megabytes_of_empty_objects_are_too_large(self, daemon: Daemon) -> None:
        """They are counted before they are made."""
        watched = Watched(daemon)
        head = b'{"resourceSpans":[{"scopeSpans":[{"spans":['
        assert self.post(daemon, head + b",".join([b"{}"] * 1_300_000) + b"]}]}]}") == 413
        assert self.post(daemon, head + b",".join([b"{}"] * 200_000) + b"]}]}]}") == 400
        watched.check()

    @pytest.mark.fault(37)
    def test_a_deeply_nested_attribute_is_malformed(self, daemon: Daemon) -> None:
        """64 values in one another are; 20 are stored."""
        for depth, status in ((64, 400), (20, 200)):
            value: object = {"stringValue": "the core"}
            for _ in range(depth):
                value = {"arrayValue": {"values": [value]}}
            body = self.span(attributes=[{"key": "k", "value": value}])
            assert self.post(daemon, body) == status
        assert self.post(daemon, b"[" * 100_000) == 400

    @pytest.mark.fault(37)
    def test_text_that_is_no_utf_8_is_malformed(self, daemon: Daemon) -> None:
        """Nor is half of a surrogate pair."""
        assert self.post(daemon, self.span(name="x").replace(b'"x"', b'"\xff"')) == 400
        assert self.post(daemon, self.span(name="\ud800")) == 400

    def test_clocks_are_stored_as_they_came(self, daemon: Daemon) -> None:
        """0 and 2^63 are; what is over 64 bits is no clock."""
        for clock_ns, status in ((0, 200), (2**63, 200), (2**64 - 1, 200), (2**64, 400), (-1, 400)):
            body = self.span(startTimeUnixNano=str(clock_ns), endTimeUnixNano=clock_ns)
            assert self.post(daemon, body) == status
            if status == 200:
                stored = ExportTraceServiceRequest.FromString(newest(daemon))
                span = stored.resource_spans[0].scope_spans[0].spans[0]
                assert span.start_time_unix_nano == span.end_time_unix_nano == clock_ns

    def test_ids_of_another_length_are_refused(self, daemon: Daemon) -> None:
        """Short, long, odd, or not hex at all."""
        for wrong in ("5b8e", "5b8efff798038103d269b633813fc60c00", "5b8", "zz" * 16, 7):
            assert self.post(daemon, self.span(traceId=wrong)) == 400


@pytest.mark.fault(37)
def test_a_bomb_of_every_coding_is_refused_by_its_real_size(daemon: Daemon) -> None:
    """What is small packed and twice the limit unpacked takes no more than a message may."""
    watched = Watched(daemon)
    for bits, coding in ((31, "gzip"), (15, "deflate")):
        squeeze = zlib.compressobj(9, zlib.DEFLATED, bits)
        bomb = b"".join(squeeze.compress(bytes(16 * MIB)) for _ in range(8)) + squeeze.flush()
        connection = doors.http_connection(daemon.http)
        connection.request(
            "POST", "/v1/traces", bomb, {**doors.PROTOBUF, "content-encoding": coding}
        )
        assert connection.getresponse().status == 413
        connection.close()
    with grpc.insecure_channel(f"unix:{daemon.grpc}") as channel:
        call = channel.unary_unary(doors.EXPORT).future(
            bytes(2 * MESSAGE_BYTES_MAX), timeout=doors.TIMEOUT_S, compression=grpc.Compression.Gzip
        )
        assert call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    watched.check()
