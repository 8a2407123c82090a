"""Bad input at the HTTP door: what HTTP itself can carry wrongly has its status too."""

import contextlib
import select
import socket
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)

from sidespand.limits import GROUPS_PER_RECORD_MAX, HTTP_HEADER_BYTES_MAX, JSON_BYTES_MAX, MIB
from tests import doors
from tests.daemon import Daemon, running
from tests.journals import records_of
from tests.otlp import encoded

LIMIT = 1 * MIB

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Return a daemon with a low limit that all tests of this module try to hurt."""
    config = '[receivers]\nmessage_bytes_max = "1MiB"\n'
    with running(tmp_path_factory.mktemp("node"), config=config) as started:
        yield started
        assert started.terminate() == 0
        assert "Traceback" not in started.log()


def test_logs_with_wrong_ids_are_left_out_among_good_ones(daemon: Daemon) -> None:
    """Logs need no ids, but those they have must be whole; metrics are not looked into."""
    request = ExportLogsServiceRequest()
    logs = request.resource_logs.add().scope_logs.add().log_records
    logs.add(body={"string_value": "plain"})
    logs.add(trace_id=b"short")
    with contextlib.closing(doors.http_connection(daemon.http)) as connection:
        connection.request("POST", "/v1/logs", request.SerializeToString(), doors.PROTOBUF)
        response = connection.getresponse()
        answer = ExportLogsServiceResponse.FromString(response.read())

    assert response.status == 200
    assert answer.partial_success.rejected_log_records == 1
    assert "trace_id has 5 bytes, not 16" in answer.partial_success.error_message


def post(daemon: Daemon, body: bytes, **headers: str) -> tuple[int, str]:
    """Return the HTTP status and the message of a POST to /v1/traces."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    with contextlib.closing(doors.http_connection(daemon.http)) as connection:
        connection.request("POST", "/v1/traces", body, {**doors.PROTOBUF, **given})
        response = connection.getresponse()
        return response.status, Status.FromString(response.read()).message


def gzipped(body: bytes) -> bytes:
    """Return a gzip stream."""
    deflate = zlib.compressobj(wbits=31)
    return deflate.compress(body) + deflate.flush()


@pytest.mark.parametrize(
    ("body", "coding", "status", "text"),
    [
        (bytes(LIMIT + 1), "gzip", 413, "over 1048576 bytes after decompression"),
        (bytes(1024 * MIB // 8), "gzip", 413, "over 1048576 bytes after decompression"),
        (b"", "br", 400, "content-encoding: 'br' is neither gzip nor deflate"),
    ],
)
def test_a_coded_body_is_judged_by_what_it_holds(
    daemon: Daemon, body: bytes, coding: str, status: int, text: str
) -> None:
    """A bomb is too large and no more of it is unpacked; an unknown coding is invalid."""
    coded = gzipped(body)
    with doors.unharmed(daemon):
        found, said = post(daemon, coded, content_encoding=coding)

        assert found == status
        assert text in said


@pytest.mark.parametrize(
    ("break_", "text"),
    [
        (lambda body: b"x" + body, "the body is not gzip"),
        (lambda body: body[:-1], "the gzip body is cut short"),
        (lambda body: body[:20] + bytes(8) + body[28:], "the body is not gzip"),
        (lambda body: body + b"x", "more follows the gzip body"),
        (lambda body: body + body, "more follows the gzip body"),
        (lambda _: b"", "the gzip body is cut short"),
    ],
    ids=["no gzip", "cut short", "damaged", "more bytes", "two members", "nothing"],
)
def test_a_broken_gzip_body_is_invalid(
    daemon: Daemon, break_: Callable[[bytes], bytes], text: str
) -> None:
    """It is refused whole, never taken for as much of it as can be read."""
    with doors.unharmed(daemon):
        status, said = post(daemon, break_(gzipped(encoded())), content_encoding="gzip")

        assert status == 400
        assert text in said


def test_a_gzip_body_is_stored_unpacked(daemon: Daemon) -> None:
    """The journal holds what was meant."""
    body = encoded(3)

    assert post(daemon, gzipped(body), content_encoding="gzip") == (200, "")

    assert records_of(daemon.data)[-1].payload == body


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("POST", "/v1/traces", {"content-type": "text/plain"}, 415),
        ("POST", "/v1/traces", {}, 415),
        ("GET", "/v1/traces", {}, 405),
        ("PUT", "/v1/traces", doors.PROTOBUF, 405),
        ("POST", "/metrics", doors.PROTOBUF, 405),
        ("PUT", "/healthz", doors.PROTOBUF, 405),
        ("POST", "/v1/trace", doors.PROTOBUF, 404),
        ("POST", "/V1/TRACES", doors.PROTOBUF, 404),
        ("GET", "/../../etc/passwd", {}, 404),
        ("GET", "http://localhost", {}, 404),
        ("OPTIONS", "*", {}, 404),
        ("CONNECT", "localhost:80", {}, 400),
    ],
)
def test_what_http_is_not_served_has_its_status(
    daemon: Daemon, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    """A wrong media type, method or path is told by the status that stands for it."""
    body = encoded() if method in ("POST", "PUT") else None
    with (
        doors.unharmed(daemon),
        contextlib.closing(doors.http_connection(daemon.http)) as connection,
    ):
        connection.request(method, path, body, headers)
        assert connection.getresponse().status == status


def exchange(daemon: Daemon, *pieces: bytes) -> bytes:
    """Send bytes to http.sock and return all that comes back until it closes."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(doors.TIMEOUT_S)
        client.connect(str(daemon.http))
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                client.sendall(piece)
        answer = b""
        with contextlib.suppress(ConnectionError):
            while more := client.recv(65536):
                answer += more
        return answer


def test_json_that_is_dear_holds_up_nobody(daemon: Daemon) -> None:
    """While many empty objects are looked at others are served, and their memory comes back."""
    body = b'{"resourceSpans":[' + b"{}," * (GROUPS_PER_RECORD_MAX - 1) + b"{}]}"
    before = doors.anonymous_bytes(daemon.pid)
    with contextlib.closing(doors.http_connection(daemon.http)) as connection:
        connection.request("POST", "/v1/traces", body, {"content-type": "application/json"})
        with doors.opened("frames", daemon) as other:
            assert other.send(encoded()).code == other.ok
        answered, _, _ = select.select([connection.sock], [], [], 0)
        assert not answered, "it was not dear enough to show anything"
        assert connection.getresponse().status == 200
    assert doors.anonymous_bytes(daemon.pid) - before < doors.GROWTH_BYTES_MAX


def test_json_is_for_small_requests(tmp_path: Path) -> None:
    """Over its own limit JSON is too large where protobuf is not."""
    with running(tmp_path) as daemon, doors.unharmed(daemon):
        for media_type, status in (("json", 413), ("x-protobuf", 400)):
            with contextlib.closing(doors.http_connection(daemon.http)) as connection:
                content_type = {"content-type": f"application/{media_type}"}
                connection.request("POST", "/v1/traces", bytes(JSON_BYTES_MAX + 1), content_type)
                assert connection.getresponse().status == status


POST = b"POST /v1/traces HTTP/1.1\r\n"
NOT_HTTP = {
    "garbage": b"\x00\x01\x02\x03 hello\r\n\r\n",
    "TLS": bytes.fromhex("16030100c8010000c40303") + bytes(200),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "two lengths": POST + b"content-length: 1\r\ncontent-length: 2\r\n\r\n",
    "a length of 80 bits": POST + b"content-length: 999999999999999999999999\r\n\r\n",
    "a negative length": POST + b"content-length: -1\r\n\r\n",
    "length and chunks": POST + b"content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
    "a chunk without size": POST + b"transfer-encoding: chunked\r\n\r\nzz\r\n",
}
LONG_HEADS = {
    "a field": b"GET /healthz HTTP/1.1\r\nx: " + b"a" * HTTP_HEADER_BYTES_MAX + b"\r\n\r\n",
    "many fields": b"GET /healthz HTTP/1.1\r\n" + b"x: y\r\n" * HTTP_HEADER_BYTES_MAX,
    "the target": b"GET /" + b"a" * HTTP_HEADER_BYTES_MAX + b" HTTP/1.1\r\n\r\n",
}


@pytest.mark.parametrize("sent", NOT_HTTP.values(), ids=NOT_HTTP)
def test_what_is_not_http_is_answered_and_closed(daemon: Daemon, sent: bytes) -> None:
    """Garbage and other protocols get a status, and the connection ends."""
    with doors.unharmed(daemon):
        answer = exchange(daemon, sent)

        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"connection: close" in answer
        assert b"not HTTP" in answer


@pytest.mark.parametrize("sent", LONG_HEADS.values(), ids=LONG_HEADS)
def test_a_head_that_is_too_long_is_answered_and_closed(daemon: Daemon, sent: bytes) -> None:
    """So do a target and header fields over their limit, alone and together."""
    with doors.unharmed(daemon):
        answer = exchange(daemon, sent)

        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b"connection: close" in answer
        assert b"the header fields are over" in answer


def test_a_header_without_an_end_is_not_kept(daemon: Daemon) -> None:
    """A field of 100 MB costs its sender the connection, not the daemon its memory."""
    endless = (b"GET /healthz HTTP/1.1\r\nx: ", *[b"a" * MIB] * 100)
    with doors.unharmed(daemon):
        assert exchange(daemon, *endless).startswith(b"HTTP/1.1 413 ")


def test_a_trailer_without_an_end_is_not_kept(daemon: Daemon) -> None:
    """The same holds behind the last chunk of a body."""
    head = POST + b"transfer-encoding: chunked\r\n\r\n0\r\nx: "
    with doors.unharmed(daemon):
        assert exchange(daemon, head, *[b"a" * MIB] * 100).startswith(b"HTTP/1.1 413 ")


def chunked(body: bytes, size: int) -> bytes:
    """Return a POST of ``body`` in chunks of ``size`` bytes, after which the client wants out."""
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    framed = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return (
        POST
        + b"connection: close\r\n"
        + b"content-type: application/x-protobuf\r\ntransfer-encoding: chunked\r\n\r\n"
        + framed
        + b"0\r\n\r\n"
    )


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_a_chunked_body_is_put_together(daemon: Daemon, size: int) -> None:
    """Chunks of any size make the body that was cut."""
    body = encoded(2)

    assert exchange(daemon, chunked(body, size)).startswith(b"HTTP/1.1 200 ")

    assert records_of(daemon.data)[-1].payload == body


def test_a_chunked_body_over_the_limit_is_too_large(daemon: Daemon) -> None:
    """A body of unknown size is refused once it is over, however much would follow."""
    with doors.unharmed(daemon):
        answer = exchange(daemon, chunked(bytes(100 * MIB), MIB // 2))

        assert answer.startswith(b"HTTP/1.1 413 ")


def test_a_client_that_expects_100_is_told_to_go_on(daemon: Daemon) -> None:
    """The body is asked for when it may come, and refused before it comes when it may not."""
    head = POST + (
        b"connection: close\r\nexpect: 100-continue\r\n"
        b"content-type: application/x-protobuf\r\ncontent-length: %d\r\n\r\n"
    )
    body = encoded()
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(doors.TIMEOUT_S)
        client.connect(str(daemon.http))
        client.sendall(head % len(body))
        assert client.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(body)
        assert client.recv(4096).startswith(b"HTTP/1.1 200 OK\r\n")
    with doors.unharmed(daemon):
        assert exchange(daemon, head % (LIMIT + 1)).startswith(b"HTTP/1.1 413 ")
