"""The Python client passes the vectors that every binding must pass."""

import json
import math
import os
import socket
import threading
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from sidespan import _frames, _limits, _otlp, _values, _w3c, _wire
from sidespan._context import SpanContext
from sidespan._frames import FramesTransport
from sidespan._recorder import RecorderTransport
from sidespan._sender import back_off_ceiling_s
from sidespan._transport import PermanentError, RetryableError, Transport, connect
from sidespan.v1 import recorder_pb2
from tests.conformance.write import DIRECTORY
from tests.frame_client import HEAD, HELLO_ACK, frame

INSTANCE = bytes(range(16))


def vectors(name: str) -> dict[str, Any]:
    """Return one file of vectors."""
    document: dict[str, Any] = json.loads((DIRECTORY / name).read_text(encoding="ascii"))
    assert document["format"] == 1
    return document


def cases(name: str, key: str) -> Any:
    """Run a test once a case."""
    found = vectors(name)[key]
    return pytest.mark.parametrize("case", found, ids=[str(c.get("name", "")) for c in found])


@contextmanager
def answering(path: Path, *answers: bytes) -> Iterator[list[bytes]]:
    """Yield what a client sends to a daemon that writes ``answers`` and then ends the connection.

    The first is sent at once, each later one after a frame from the client has come.
    """
    arrived: list[bytes] = []

    def serve() -> None:
        connection, _ = listener.accept()
        with connection, connection.makefile("rb") as reader:
            connection.settimeout(10)
            for number, answer in enumerate(answers):
                if number:
                    head = reader.read(HEAD.size)
                    arrived.append(head + reader.read(HEAD.unpack(head)[0] - 9))
                connection.sendall(answer)

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield arrived
        thread.join(10)
        assert not thread.is_alive()


@cases("frames.json", "encode")
def test_frames_are_written(tmp_path: Path, case: dict[str, Any]) -> None:
    """Type, seq and body give the bytes."""
    path = tmp_path / "s"
    with answering(path, b"", b"") as arrived:
        connection = _frames._Connection(str(path))
        kind = _frames.FrameType[case["type"]]
        connection.write(kind, int(case["seq"]), bytes.fromhex(case["body"]))
    connection.close()

    assert [one.hex() for one in arrived] == [case["frame"]]


@cases("frames.json", "split")
def test_frames_are_cut(tmp_path: Path, case: dict[str, Any]) -> None:
    """However the bytes come, answers are found; CONTROL and half a frame are none."""
    path = tmp_path / "s"
    expected = [one for one in case["frames"] if one["type"] != "CONTROL"]
    with answering(path, *[bytes.fromhex("".join(case["chunks"]))]):
        connection = _frames._Connection(str(path))
        for one in expected:
            number = _frames.FrameType[one["type"]]
            assert connection.read_answer(int(one["seq"])) == (number, bytes.fromhex(one["body"]))
        with pytest.raises(OSError, match="closed"):
            connection.read_answer(0)
    connection.close()


@cases("frames.json", "malformed")
def test_what_is_no_answer_ends_the_connection(tmp_path: Path, case: dict[str, Any]) -> None:
    """The step is kept for another connection."""
    path = tmp_path / "s"
    greeting = recorder_pb2.HelloAck(protocol_version=1, token="t").SerializeToString()
    data = bytes.fromhex(case["bytes"])
    with answering(path, b"", frame(HELLO_ACK, 0, greeting), data):
        transport = FramesTransport(str(path), INSTANCE)
        with pytest.raises(RetryableError):
            transport.send(1, b"")
        assert transport._connection is None


def written() -> list[dict[str, Any]]:
    """Return the cases of messages that this client writes: no logs, and no session on gRPC."""
    return [
        case
        for case in vectors("messages.json")["encode"]
        if case["message"] != "ClientMessage" and not case["fields"].get("logs")
    ]


@pytest.mark.parametrize("case", written(), ids=lambda case: case["name"])
def test_messages_are_written(case: dict[str, Any]) -> None:
    """What the client writes by hand is what the runtime writes."""
    fields, expected = case["fields"], bytes.fromhex(case["bytes"])
    if case["message"] == "Hello":
        encoded = _wire.encode_hello(bytes.fromhex(fields["instance_id"]), int(fields["acked_seq"]))
        hello = recorder_pb2.Hello.FromString(encoded)
        assert hello.SerializeToString() == encoded
        hello.client = fields["client"]
        assert hello.SerializeToString() == expected
    elif case["message"] == "RecordRequest":
        records = records_of(fields["records"])
        instance_id, seq = bytes.fromhex(fields["instance_id"]), int(fields["seq"])
        assert _wire.encode_record_request(instance_id, seq, records) == expected
    else:
        assert records_of(fields) == expected


def records_of(fields: dict[str, str]) -> bytes:
    """Return a Records as the client encodes it."""
    parts = (bytes.fromhex(fields[name]) for name in ("traces", "marks", "ended"))
    return _wire.encode_records(*parts)


@cases("messages.json", "decode")
def test_messages_are_read(case: dict[str, Any]) -> None:
    """Every field that the client looks at has the value that was sent."""
    body, fields = bytes.fromhex(case["bytes"]), case["fields"]
    found: tuple[Any, ...] = ()
    if case["message"] == "HelloAck":
        found = _wire.decode_hello_ack(body)
    elif case["message"] == "Ack":
        found = _wire.decode_ack(body)
    elif case["message"] == "Nack":
        found = _wire.decode_nack(body)
    for name, value in zip(getattr(found, "_fields", ()), found, strict=True):
        assert (value if isinstance(value, str) else str(value)) == fields[name], name


@cases("messages.json", "malformed")
def test_malformed_messages_are_refused(case: dict[str, Any]) -> None:
    """ValueError, which ends a connection."""
    decode = {"Ack": _wire.decode_ack, "Nack": _wire.decode_nack}[case["message"]]
    with pytest.raises(ValueError, match=r"."):
        decode(bytes.fromhex(case["bytes"]))


def plain(value: dict[str, Any]) -> Any:
    """Return a value of the vectors as Python has it."""
    if not value:
        return None
    ((kind, content),) = value.items()
    if kind == "array":
        return [plain(one) for one in content]
    if kind == "map":
        return {key: plain(one) for key, one in content}
    if kind == "bytes":
        return bytes.fromhex(content)
    return {"int": int, "double": float, "bool": bool, "string": str}[kind](content)


@cases("otlp.json", "values")
def test_values_are_written(case: dict[str, Any]) -> None:
    """The same bytes, by either of the two ways in which a value is written."""
    value, expected = plain(case["value"]), bytes.fromhex(case["bytes"])

    assert _values.any_value(value) == expected
    span = Span.FromString(_otlp.attribute(_otlp.SPAN_ATTRIBUTE, "k", value))
    assert span.attributes[0].value == AnyValue.FromString(expected)
    assert not isinstance(value, float) or not math.isnan(value)


def encoded_span(given: dict[str, Any]) -> bytes:
    """Return a span of the vectors as the client encodes it."""
    remote = bool(given["flags"] & 0x200)
    trace_id = bytes.fromhex(given["trace_id"])
    own = SpanContext(
        trace_id,
        bytes.fromhex(given["span_id"]),
        given["flags"] & 0xFF,
        given.get("trace_state", ""),
        is_remote=False,
    )
    parent = None
    if "parent_span_id" in given:
        parent_id = bytes.fromhex(given["parent_span_id"])
        parent = SpanContext(trace_id, parent_id, 1, "", is_remote=remote)
    return _otlp.span(
        own,
        parent,
        given["name"],
        given["kind"],
        int(given["start_ns"]),
        int(given.get("end_ns", "0")),
        [
            _otlp.attribute(_otlp.SPAN_ATTRIBUTE, key, plain(value))
            for key, value in given.get("attributes", ())
        ],
        [
            _otlp.event(
                event["name"],
                int(event["time_ns"]),
                {key: plain(value) for key, value in event["attributes"]},
            )
            for event in given.get("events", ())
        ],
        b"".join(encoded_link(link) for link in given.get("links", ()))
        + (_otlp.error_status(given["status"]["message"]) if "status" in given else b""),
    )


def encoded_link(given: dict[str, Any]) -> bytes:
    """Return a link of the vectors as the client encodes it."""
    context = SpanContext(
        bytes.fromhex(given["trace_id"]),
        bytes.fromhex(given["span_id"]),
        given["flags"] & 0xFF,
        given.get("trace_state", ""),
        is_remote=bool(given["flags"] & 0x200),
    )
    return _otlp.link(context, {key: plain(value) for key, value in given["attributes"]})


@cases("otlp.json", "spans")
def test_spans_are_written(case: dict[str, Any]) -> None:
    """The same message; of a span that has ended the same bytes."""
    made, expected = encoded_span(case["span"]), bytes.fromhex(case["bytes"])

    assert Span.FromString(made) == Span.FromString(expected)
    assert made == expected or "end_ns" not in case["span"]


@cases("otlp.json", "requests")
def test_requests_are_written(case: dict[str, Any]) -> None:
    """The same request."""
    made = _otlp.export_request(
        _otlp.resource({key: plain(value) for key, value in case["resource"]}),
        _otlp.scope(**case["scope"]),
        [encoded_span(span) for span in case["spans"]],
    )

    expected = ExportTraceServiceRequest.FromString(bytes.fromhex(case["bytes"]))
    assert ExportTraceServiceRequest.FromString(made) == expected


@cases("tokens.json", "carried")
def test_tokens_are_opaque(case: dict[str, Any]) -> None:
    """Whatever fits into ``tracestate`` is carried, and nothing else."""
    assert _w3c.is_token(case["text"]) is case["carried"]


@cases("tracestate.json", "traceparent")
def test_traceparent_is_read(case: dict[str, Any]) -> None:
    """The parent that it names, or none."""
    expected = case["expected"]
    parsed = _w3c.parse_traceparent(case["text"])
    if expected is None:
        assert parsed is None
    else:
        ids = bytes.fromhex(expected["trace_id"]), bytes.fromhex(expected["span_id"])
        assert parsed == (*ids, expected["flags"])


@cases("tracestate.json", "traceparent_written")
def test_traceparent_is_written(case: dict[str, Any]) -> None:
    """The same header."""
    ids = bytes.fromhex(case["trace_id"]), bytes.fromhex(case["span_id"])
    assert _w3c.format_traceparent(*ids, case["flags"]) == case["text"]


@cases("tracestate.json", "parse")
def test_tracestate_is_read(case: dict[str, Any]) -> None:
    """Its normal form, or nothing."""
    assert _w3c.parse_tracestate(case["text"]) == case["expected"]


@cases("tracestate.json", "with_token")
def test_the_token_is_put_in(case: dict[str, Any]) -> None:
    """What is injected."""
    assert _w3c.with_token(case["tracestate"], case["token"]) == case["expected"]


@cases("retry.json", "answers")
def test_answers_decide(tmp_path: Path, case: dict[str, Any]) -> None:
    """What the transport makes of each answer to the step under way."""
    answer, decision = case["answer"], case["decision"]
    path = tmp_path / "s"
    greeting = recorder_pb2.HelloAck(protocol_version=1, token="t").SerializeToString()
    refused = answer["type"] == "NACK" and answer["seq"] == "0"
    answers = [answered(answer)] if refused else [frame(HELLO_ACK, 0, greeting), answered(answer)]
    with answering(path, b"", *answers):
        transport = FramesTransport(str(path), INSTANCE)
        try:
            outcome = outcome_of(transport)
        finally:
            kept = transport._connection is not None
            transport.close()

    spans, wait_ms = outcome
    assert spans == decision["spans"]
    if decision["wait_ms"] and wait_ms is not None:
        # The bound on what a daemon may ask for is the sender's.
        assert min(wait_ms, _limits.RETRY_AFTER_MAX_S * 1000) == decision["wait_ms"]
    # After TOO_LARGE the connection's end, which follows, is noticed at the next step.
    assert kept == (decision["connection"] == "keep") or answer.get("code") == "TOO_LARGE"


@contextmanager
def recording(status: str, retry_info_ms: int | None) -> Iterator[str]:
    """Yield the target of a ``Recorder`` that answers every call with one status."""

    def record(_request: bytes, context: Any) -> bytes:
        if status == "OK":
            return recorder_pb2.Ack(token="t").SerializeToString()
        if retry_info_ms is not None:
            info = RetryInfo()
            info.retry_delay.FromMilliseconds(retry_info_ms)
            details = Status(code=grpc.StatusCode[status].value[0])
            details.details.add().Pack(info)
            context.set_trailing_metadata(
                (("grpc-status-details-bin", details.SerializeToString()),)
            )
        context.abort(grpc.StatusCode[status], "no")
        raise AssertionError("abort does not return")

    server = grpc.server(futures.ThreadPoolExecutor(1))
    method = {"Record": grpc.unary_unary_rpc_method_handler(record)}
    service = grpc.method_handlers_generic_handler("sidespan.v1.Recorder", method)
    server.add_generic_rpc_handlers((service,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(0).wait()


@cases("retry.json", "statuses")
def test_statuses_decide(case: dict[str, Any]) -> None:
    """What the transport of gRPC makes of each status of a call."""
    with recording(case["status"], case["retry_info_ms"]) as target:
        transport = RecorderTransport(target, INSTANCE)
        try:
            spans, wait_ms = outcome_of(transport)
        finally:
            transport.close()

    decision = case["decision"]
    assert spans == decision["spans"]
    if spans == "kept":
        assert wait_ms == decision["wait_ms"]


def test_the_back_off_grows_as_it_should() -> None:
    """Ceilings by the number of failures in a row."""
    ceilings_ms = vectors("retry.json")["back_off_ms"]
    found_ms = [back_off_ceiling_s(failures + 1) * 1000 for failures in range(len(ceilings_ms))]
    assert found_ms == pytest.approx(ceilings_ms)


def outcome_of(transport: Transport) -> tuple[str, float | None]:
    """Return what becomes of step 1, and the wait in milliseconds."""
    try:
        transport.send(1, b"")
    except PermanentError:
        return "dropped", 0.0
    except RetryableError as error:
        wait_s = error.retry_after_s
        return "kept", None if wait_s is None else wait_s * 1000
    return "stored", 0.0


def answered(answer: dict[str, Any]) -> bytes:
    """Return the frame of an answer; nothing for the connection's end."""
    if answer["type"] == "EOF":
        return b""
    seq = int(answer["seq"])
    if answer["type"] == "NACK":
        nack = recorder_pb2.Nack(retry_after_ms=answer["retry_after_ms"], text="no")
        code = b"\x08" + bytes([answer["code_number"]])
        return frame(18, seq, nack.SerializeToString() + code)
    if answer["type"] == "CONTROL":
        return frame(19, seq, recorder_pb2.Control(drain=answer["drain"]).SerializeToString())
    rejected = answer.get("rejected_items", 0)
    ack = recorder_pb2.Ack(
        token="t", rejected_items=rejected, duplicate=answer.get("duplicate", False)
    )
    return frame(17, seq, ack.SerializeToString())


@cases("retry.json", "resume")
def test_a_session_goes_on_where_it_is_durable(tmp_path: Path, case: dict[str, Any]) -> None:
    """What HELLO_ACK covers is settled without being sent, the first of the others is sent."""
    path = tmp_path / "s"
    greeting = recorder_pb2.HelloAck(
        protocol_version=1, last_seq=int(case["last_seq"]), token="t"
    ).SerializeToString()
    resend = [int(seq) for seq in case["resend"]]
    ack = recorder_pb2.Ack(token="t").SerializeToString()
    answers = [frame(HELLO_ACK, 0, greeting), *(frame(17, seq, ack) for seq in resend)]
    with answering(path, b"", *answers) as arrived:
        transport = FramesTransport(str(path), INSTANCE)
        for seq in case["pending"]:
            transport.send(int(seq), b"")
        if not case["pending"]:
            transport._connect()
    transport.close()

    assert [HEAD.unpack_from(one)[2] for one in arrived[1:]] == resend


@cases("limits.json", "limits")
def test_limits_are_the_same(case: dict[str, Any]) -> None:
    """The client's bound, where it has one of that name, is that of the vectors."""
    name = case["name"].upper()
    value = case["value"]
    if name.endswith("_MS"):
        name, value = f"{name[:-3]}_S", value / 1000
    assert getattr(_limits, name, value) == value


@cases("limits.json", "cuts")
def test_texts_are_cut_alike(case: dict[str, Any]) -> None:
    """The beginning stays, and a note of the length."""
    assert _values.text_bytes(case["text"], case["bytes_max"]).decode() == case["expected"]


@cases("address.json", "cases")
def test_addresses_lead_to_the_same_place(
    case: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Program, environment and file system choose as they do in every binding."""
    for variable in ("SIDESPAN_SOCKET", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(variable, raising=False)
    for variable, value in case["environment"].items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setattr(os.path, "exists", case["exists"].__contains__)
    address = case["given"] or os.environ.get("SIDESPAN_SOCKET") or ""
    expected = case["expected"]
    if expected is None:
        with pytest.raises(ValueError, match="expected a path"):
            connect(address, INSTANCE)
        return
    transport = connect(address, INSTANCE)
    if isinstance(transport, RecorderTransport):
        assert expected == {"transport": "grpc", "target": transport._target}
    else:
        assert isinstance(transport, FramesTransport)
        path = transport._path or _frames.default_socket()
        assert expected == {"transport": "frames", "target": path}
    transport.close()
