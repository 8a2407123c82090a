"""Bad input: a clear answer or a closed connection, nothing written, nobody else disturbed."""

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from sidespan.v1.recorder_pb2 import Ack, Hello, Nack, RecordRequest, Records
from sidespand.limits import HELLO_BYTES_MAX, MESSAGE_BYTES_MAX, MIB
from sidespand.model import Kind
from tests import doors
from tests.daemon import Daemon, running
from tests.frame_client import BYE, HEAD, HELLO, HELLO_ACK, RECORDS, FrameClient, frame
from tests.journals import records_of
from tests.otlp import encoded, export_request

LIMIT = 1 * MIB
GARBAGE = b"\xff\xffthis is no protobuf"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Return a daemon with a low limit that all tests of this module try to hurt."""
    config = '[receivers]\nmessage_bytes_max = "1MiB"\n'
    with running(tmp_path_factory.mktemp("node"), doors.TCP_FLAGS, config=config) as started:
        yield started
        assert started.terminate() == 0
        stored = [record for record in records_of(started.data) if record.header.kind is Kind.SPANS]
        for record in stored:
            request = ExportTraceServiceRequest.FromString(record.payload or b"")
            ids = [(len(span.trace_id), len(span.span_id)) for span in spans_of(request)]
            assert set(ids) == {(16, 8)}
        assert "Traceback" not in started.log()


@pytest.fixture(params=doors.DOORS)
def door(request: pytest.FixtureRequest, daemon: Daemon) -> Iterator[doors.Door]:
    """Return a client of each door."""
    with doors.opened(request.param, daemon) as opened:
        yield opened


def spans_of(request: ExportTraceServiceRequest) -> list[Span]:
    """Return the spans of a request of one resource and scope."""
    return list(request.resource_spans[0].scope_spans[0].spans)


def sized(payload_bytes: int) -> bytes:
    """Return a good request of exactly so many bytes."""
    request = export_request()
    filler = request.resource_spans[0].scope_spans[0].spans[0].attributes.add()
    filler.key, filler.value.string_value = "filler", "x" * payload_bytes
    filler.value.string_value = "x" * (2 * payload_bytes - request.ByteSize())
    payload = request.SerializeToString()
    assert len(payload) == payload_bytes
    return payload


@pytest.mark.fault(37)
def test_malformed_protobuf_is_refused_for_good(daemon: Daemon, door: doors.Door) -> None:
    """The sender learns what it was not, is not told to come back, and may go on."""
    with doors.unharmed(daemon):
        answer = door.send(GARBAGE)

        assert answer.code == door.invalid
        assert "not an ExportTraceServiceRequest" in answer.text
        assert not answer.retry
    assert door.send(encoded()).code == door.ok


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("trace_id", b"t" * 15, "trace_id has 15 bytes, not 16"),
        ("trace_id", b"", "trace_id has 0 bytes, not 16"),
        ("trace_id", bytes(16), "trace_id is all zero"),
        ("span_id", b"s" * 9, "span_id has 9 bytes, not 8"),
        ("span_id", bytes(8), "span_id is all zero"),
        ("parent_span_id", b"p" * 7, "parent_span_id has 7 bytes, not 8"),
    ],
)
def test_a_wrong_id_is_refused_alone_and_left_out_among_good_spans(
    daemon: Daemon, door: doors.Door, field: str, value: bytes, text: str
) -> None:
    """Alone it makes the request invalid; among others these are stored and it is reported."""
    with doors.unharmed(daemon):
        alone = export_request()
        setattr(alone.resource_spans[0].scope_spans[0].spans[0], field, value)
        answer = door.send(alone.SerializeToString())
        assert answer.code == door.invalid
        assert text in answer.text
        assert not answer.retry

    among = export_request(5)
    spans = among.resource_spans[0].scope_spans[0].spans
    for index in (1, 3):
        setattr(spans[index], field, value)
    answer = door.send(among.SerializeToString())

    assert (answer.code, answer.rejected) == (door.ok, 2)
    assert answer.reason == f"2 of 5 refused; the first: {text}"
    del spans[3], spans[1]
    newest = [one for one in records_of(daemon.data) if one.header.kind is Kind.SPANS][-1]
    assert newest.header.item_count == 3
    assert newest.payload == among.SerializeToString()


@pytest.mark.fault(37)
@pytest.mark.parametrize("request_", [b"", encoded(0)], ids=["no bytes", "no span"])
def test_an_empty_request_succeeds_and_writes_nothing(
    daemon: Daemon, door: doors.Door, request_: bytes
) -> None:
    """The sender learns the newest token all the same."""
    with doors.unharmed(daemon):
        answer = door.send(request_)

        assert (answer.code, answer.rejected) == (door.ok, 0)
        assert f"-{doors.last_lsn(daemon):x}-" in answer.token


@pytest.mark.fault(37)
def test_a_byte_over_the_limit_is_too_large(daemon: Daemon, door: doors.Door) -> None:
    """What fits is stored whole; what does not is refused for good, and the next fits again."""
    # A frame's limit is that of its RECORDS body, which has a tag and a length before the spans.
    overhead = 4 if isinstance(door, doors.FramesDoor) else 0
    assert door.send(sized(LIMIT - overhead)).code == door.ok
    with doors.unharmed(daemon):
        answer = door.send(sized(LIMIT - overhead + 1))

        assert answer.code == door.too_large
        assert not answer.retry
    assert door.send(encoded()).code == door.ok


def test_100_mb_are_too_large_at_the_default_limit(tmp_path: Path) -> None:
    """At every door 64 MiB + 1 and 100 MB are refused for good while memory stays where it was."""
    with running(tmp_path, doors.TCP_FLAGS) as daemon:
        for name in doors.DOORS:
            with doors.unharmed(daemon), doors.opened(name, daemon) as door:
                for size in (MESSAGE_BYTES_MAX + 1, 100_000_000):
                    answer = door.send(bytes(size))
                    assert answer.code == door.too_large, name
                    assert not answer.retry
        kinds = [record.header.kind for record in records_of(daemon.data)]
        # Those of the clients that were to be disturbed.
        assert kinds.count(Kind.SPANS) == len(doors.DOORS) * 2


@contextlib.contextmanager
def session(daemon: Daemon, instance_id: bytes = b"") -> Iterator[FrameClient]:
    """Yield a connection to ingest.sock; with an instance id, a session."""
    with FrameClient(daemon.ingest, doors.TIMEOUT_S) as client:
        if instance_id:
            client.hello(instance_id)
        yield client


def hello(**fields: object) -> bytes:
    """Return a HELLO that is good but for ``fields``."""
    good = {
        "instance_id": os.urandom(16),
        "protocol_version_min": 1,
        "protocol_version_max": 1,
    }
    return Hello(**{**good, **fields}).SerializeToString()  # type: ignore[arg-type]


SHORT_ID = hello(instance_id=b"short")
OFF_PROTOCOL = {
    "an unknown type": (HEAD.pack(9, 99, 1), "frame type 99 is not one that a client sends"),
    "a daemon's type": (HEAD.pack(9, 17, 1), "frame type 17 is not one that a client sends"),
    "an unknown type of 4 GB": (HEAD.pack(0xFFFFFFFF, 0, 1), "frame type 0 is not one"),
    "a length below the head's": (HEAD.pack(8, RECORDS, 1), "frame length 8 is shorter"),
    "BYE with a body": (frame(BYE, 1, b"x"), "a BYE of 1 bytes is over the limit of 0"),
    "HELLO over its limit": (
        HEAD.pack(9 + HELLO_BYTES_MAX + 1, HELLO, 0),
        f"a HELLO of {HELLO_BYTES_MAX + 1} bytes is over the limit of {HELLO_BYTES_MAX}",
    ),
    "no HELLO": (frame(RECORDS, 1, b""), "RECORDS before HELLO"),
    "no HELLO before 4 GB": (HEAD.pack(0xFFFFFFFF, RECORDS, 1), "bytes is over the limit"),
    "a HELLO of garbage": (frame(HELLO, 0, GARBAGE), "HELLO does not parse"),
    "a short instance id": (frame(HELLO, 0, SHORT_ID), "instance_id has 5 bytes, not 16"),
    "HTTP": (b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n", "is not one that a client sends"),
}


@pytest.mark.parametrize(("sent", "text"), OFF_PROTOCOL.values(), ids=OFF_PROTOCOL)
def test_who_leaves_the_protocol_is_told_and_disconnected(
    daemon: Daemon, sent: bytes, text: str
) -> None:
    """The connection ends with NACK PROTOCOL, and the log has the reason and the peer."""
    with doors.unharmed(daemon), session(daemon) as client:
        client.socket.sendall(sent)

        nack = client.nack(0)
        assert nack.code == Nack.PROTOCOL
        assert text in nack.text
        assert client.closed()
    assert f"ingest client pid {os.getpid()} uid {os.getuid()} closed: {nack.text}" in daemon.log()


@pytest.mark.parametrize(
    ("number", "seq", "body", "text"),
    [
        (HELLO, 0, hello(), "a second HELLO on one connection"),
        (RECORDS, 0, Records(traces=encoded()).SerializeToString(), "RECORDS with seq 0"),
    ],
)
def test_a_session_that_leaves_the_protocol_is_closed(
    daemon: Daemon, number: int, seq: int, body: bytes, text: str
) -> None:
    """An open session gets NACK PROTOCOL and is disconnected."""
    with doors.unharmed(daemon), session(daemon, os.urandom(16)) as client:
        client.send(number, seq, body)

        nack = client.nack(0)
        assert nack.code == Nack.PROTOCOL
        assert text in nack.text
        assert client.closed()


@pytest.mark.parametrize(("lowest", "highest"), [(2, 3), (0, 0), (2, 1)])
def test_a_client_of_another_protocol_is_told_which_is_spoken(
    daemon: Daemon, lowest: int, highest: int
) -> None:
    """NACK VERSION names both; what was sent along is not looked at."""
    records = Records(traces=encoded()).SerializeToString()
    with doors.unharmed(daemon), session(daemon) as client:
        body = hello(protocol_version_min=lowest, protocol_version_max=highest)
        client.socket.sendall(frame(HELLO, 0, body) + frame(RECORDS, 1, records))

        nack = client.nack(0)
        assert nack.code == Nack.VERSION
        assert f"protocol 1 is spoken here, the client speaks {lowest} to {highest}" in nack.text
        assert client.closed()


@pytest.mark.parametrize("sent_bytes", [0, 100])
def test_a_frame_that_claims_4_gb_is_refused_at_its_head(daemon: Daemon, sent_bytes: int) -> None:
    """It is too large, its seq is used up, and nothing is reserved for what it claims."""
    instance_id = os.urandom(16)
    with doors.unharmed(daemon):
        with session(daemon, instance_id) as client:
            client.socket.sendall(HEAD.pack(0xFFFFFFFF, RECORDS, 1) + bytes(sent_bytes))

            nack = client.nack(1)
            assert (nack.code, nack.retry_after_ms) == (Nack.TOO_LARGE, 0)
            assert client.closed()
        with session(daemon) as client:
            assert client.hello(instance_id).last_seq == 1


def test_a_frame_too_large_behind_a_hello_uses_its_seq_up(daemon: Daemon) -> None:
    """A client that does not wait for HELLO_ACK is answered like any other."""
    instance_id = os.urandom(16)
    body = hello(instance_id=instance_id)
    with doors.unharmed(daemon):
        with session(daemon) as client:
            client.socket.sendall(frame(HELLO, 0, body) + HEAD.pack(0xFFFFFFFF, RECORDS, 1))
            assert client.receive()[0] == HELLO_ACK
            assert client.nack(1).code == Nack.TOO_LARGE
            assert client.closed()
        with session(daemon) as client:
            assert client.hello(instance_id).last_seq == 1


def test_records_that_do_not_parse_use_their_seq_up(daemon: Daemon) -> None:
    """The frame's own message is refused like the request in it."""
    with doors.unharmed(daemon), session(daemon, os.urandom(16)) as client:
        client.send(RECORDS, 1, GARBAGE)
        client.records(2)

        nack = client.nack(1)
        assert (nack.code, nack.retry_after_ms) == (Nack.INVALID, 0)
        assert "RECORDS does not parse" in nack.text
        assert client.ack(2).first_lsn == 0


@pytest.mark.fault(2)
def test_a_step_is_stored_whole_or_not_at_all(daemon: Daemon) -> None:
    """Good spans beside marks that are malformed are not stored."""
    with doors.unharmed(daemon), session(daemon, os.urandom(16)) as client:
        client.records(1, traces=encoded(3), marks=GARBAGE)

        assert client.nack(1).code == Nack.INVALID


def test_a_client_that_stops_in_a_frame_holds_up_nobody(daemon: Daemon) -> None:
    """While it says nothing others are served, and when it goes the log says how."""
    whole = frame(RECORDS, 1, bytes(1000))
    with session(daemon, os.urandom(16)) as client:
        with doors.unharmed(daemon):
            client.socket.sendall(whole[:500])
        client.socket.shutdown(socket.SHUT_WR)
        assert client.closed()
    assert "ended in the middle of a frame" in daemon.log()


def test_a_wrong_step_over_grpc_is_refused(daemon: Daemon) -> None:
    """A RecordRequest that does not parse, or has a seq without an instance, is invalid."""
    bodies = {
        GARBAGE: "not a RecordRequest",
        RecordRequest(seq=1, instance_id=b"short").SerializeToString(): "instance_id: 16 bytes",
        RecordRequest(records=Records(logs=GARBAGE)).SerializeToString(): "ExportLogsServiceReq",
    }
    with doors.unharmed(daemon), grpc.insecure_channel(f"unix:{daemon.grpc}") as channel:
        record = channel.unary_unary("/sidespan.v1.Recorder/Record")
        for body, text in bodies.items():
            call = record.future(body, timeout=doors.TIMEOUT_S)
            assert call.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert text in call.details()
        assert Ack.FromString(record(b"", timeout=doors.TIMEOUT_S)).first_lsn == 0


def test_an_unknown_method_is_unimplemented(daemon: Daemon) -> None:
    """A gRPC client of something else is told so."""
    with doors.unharmed(daemon), grpc.insecure_channel(f"unix:{daemon.grpc}") as channel:
        call = channel.unary_unary("/some.other.Service/Method").future(b"", timeout=10)

        assert call.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.fault(37)
def test_a_bomb_over_grpc_is_too_large(daemon: Daemon) -> None:
    """What is small compressed and large otherwise is refused by its real size."""
    with doors.unharmed(daemon), grpc.insecure_channel(f"unix:{daemon.grpc}") as channel:
        call = channel.unary_unary(doors.EXPORT).future(
            bytes(100_000_000), timeout=doors.TIMEOUT_S, compression=grpc.Compression.Gzip
        )

        assert call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_what_grpc_refuses_by_itself_is_counted(daemon: Daemon) -> None:
    """A message over the limit reaches no method; a metric tells of its call, and of no other."""
    with doors.opened("grpc.sock", daemon) as door:
        before = doors.figure(daemon, "sidespan_receiver_unread_calls")
        assert door.send(encoded()).code == door.ok
        assert door.send(b"\xff").code == door.invalid
        assert doors.figure(daemon, "sidespan_receiver_unread_calls") == before
        assert door.send(sized(LIMIT + 1)).code == door.too_large
        assert doors.figure(daemon, "sidespan_receiver_unread_calls") == before + 1


def test_bytes_that_are_no_http2_end_that_connection(daemon: Daemon) -> None:
    """The gRPC port closes on a client that speaks something else."""
    port = doors.ports(daemon).grpc
    with (
        doors.unharmed(daemon),
        socket.create_connection(("127.0.0.1", port), timeout=doors.TIMEOUT_S) as client,
    ):
        client.sendall(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while client.recv(4096):
                pass
