"""One client for each door, and a running daemon as it looks from outside."""

import contextlib
import http.client
import os
import re
import socket
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import grpc
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from prometheus_client.parser import text_string_to_metric_families

from sidespan.v1.recorder_pb2 import Ack, Nack
from sidespand.limits import MIB
from sidespand.model import Kind
from tests.daemon import Daemon, wait_until
from tests.frame_client import ACK, NACK, FrameClient
from tests.journals import records_of
from tests.otlp import encoded

TIMEOUT_S = 20.0
GROWTH_BYTES_MAX = 32 * MIB
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
PROTOBUF = {"content-type": "application/x-protobuf"}


class Answer(NamedTuple):
    """What a door said to one request.

    Args:
        code: In the door's own terms.
        text: Of a refusal.
        retry: Whether the sender is told to come back.
        rejected: Spans that were refused while others were stored.
        reason: Why they were.
        token: Of what was stored.
    """

    code: object
    text: str = ""
    retry: bool = False
    rejected: int = 0
    reason: str = ""
    token: str = ""


class Door(ABC):
    """A client of one door.

    Attributes:
        ok: The code of success.
        invalid: The code of what is malformed.
        too_large: The code of what is over a size limit.
    """

    ok: object
    invalid: object
    too_large: object

    @abstractmethod
    def send(self, traces: bytes) -> Answer:
        """Export an encoded request and return the answer."""

    @abstractmethod
    def close(self) -> None:
        """Let go."""


class FramesDoor(Door):
    """A session on ingest.sock that counts its seq on, whatever became of the last one."""

    ok, invalid, too_large = "ACK", Nack.INVALID, Nack.TOO_LARGE

    def __init__(self, path: Path) -> None:
        self._path = path
        self._instance_id = os.urandom(16)
        self._seq = 0
        self._client = self._connect()

    def send(self, traces: bytes) -> Answer:
        """Export an encoded request; a refusal must have used its seq up."""
        self._seq += 1
        # A daemon that has seen the length need not read the rest.
        with contextlib.suppress(ConnectionError):
            self._client.records(self._seq, traces)
        number, seq, body = self._client.receive()
        assert seq == self._seq
        if number == ACK:
            ack = Ack.FromString(body)
            return Answer(self.ok, "", False, ack.rejected_items, ack.rejected_reason, ack.token)
        assert number == NACK
        nack = Nack.FromString(body)
        if nack.code == Nack.TOO_LARGE:
            assert self._client.closed()
            self._client.socket.close()
            self._client = self._connect()
        return Answer(nack.code, nack.text, nack.retry_after_ms != 0)

    def close(self) -> None:
        """Let go."""
        self._client.socket.close()

    def _connect(self) -> FrameClient:
        client = FrameClient(self._path, TIMEOUT_S)
        assert client.hello(self._instance_id).last_seq == self._seq
        return client


class GrpcDoor(Door):
    """OTLP over gRPC."""

    ok = grpc.StatusCode.OK
    invalid = grpc.StatusCode.INVALID_ARGUMENT
    too_large = grpc.StatusCode.RESOURCE_EXHAUSTED

    def __init__(self, target: str) -> None:
        self._channel = grpc.insecure_channel(target)
        self._export = self._channel.unary_unary(EXPORT)

    def send(self, traces: bytes) -> Answer:
        """Export an encoded request; a refusal of the daemon's own must carry its Status."""
        call = self._export.future(traces, timeout=TIMEOUT_S)
        code, trailers = call.code(), dict(call.trailing_metadata())
        if code is not self.ok:
            if "grpc-status-details-bin" in trailers:
                status = Status.FromString(trailers["grpc-status-details-bin"])
                assert (status.code, status.message) == (code.value[0], call.details())
            return Answer(code, call.details(), "google.rpc.retryinfo-bin" in trailers)
        partial = ExportTraceServiceResponse.FromString(call.result()).partial_success
        token = trailers["sidespan-token"]
        return Answer(self.ok, "", False, partial.rejected_spans, partial.error_message, token)

    def close(self) -> None:
        """Let go."""
        self._channel.close()


class HttpDoor(Door):
    """OTLP over HTTP/1.1 on one connection, as long as the daemon keeps it."""

    ok, invalid, too_large = 200, 400, 413

    def __init__(self, where: Path | int) -> None:
        self._connection = http_connection(where)

    def send(self, traces: bytes) -> Answer:
        """Export an encoded request."""
        # A daemon that has seen the length need not read the rest.
        with contextlib.suppress(ConnectionError):
            self._connection.request("POST", "/v1/traces", traces, PROTOBUF)
        response = self._connection.getresponse()
        body = response.read()
        assert response.getheader("content-type") == "application/x-protobuf"
        if response.status != self.ok:
            status = Status.FromString(body)
            assert status.code
            return Answer(response.status, status.message, bool(response.getheader("retry-after")))
        partial = ExportTraceServiceResponse.FromString(body).partial_success
        token = response.getheader("sidespan-token") or ""
        return Answer(self.ok, "", False, partial.rejected_spans, partial.error_message, token)

    def close(self) -> None:
        """Let go."""
        self._connection.close()


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket instead of the host."""
        self.sock: Any = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(TIMEOUT_S)
        self.sock.connect(str(self._path))


def http_connection(where: Path | int) -> http.client.HTTPConnection:
    """Return a client of http.sock or of a port of this host."""
    if isinstance(where, Path):
        return _UnixConnection(where)
    return http.client.HTTPConnection("127.0.0.1", where, timeout=TIMEOUT_S)


DOORS = ("frames", "grpc.sock", "grpc port", "http.sock", "http port")


@contextlib.contextmanager
def opened(name: str, daemon: Daemon) -> Iterator[Door]:
    """Yield a client of one of DOORS."""
    door: Door
    if name == "frames":
        door = FramesDoor(daemon.ingest)
    elif name == "grpc.sock":
        door = GrpcDoor(f"unix:{daemon.grpc}")
    elif name == "grpc port":
        door = GrpcDoor(f"127.0.0.1:{ports(daemon).grpc}")
    elif name == "http.sock":
        door = HttpDoor(daemon.http)
    else:
        door = HttpDoor(ports(daemon).http)
    try:
        yield door
    finally:
        door.close()


class Ports(NamedTuple):
    """The TCP ports of a daemon that was started with TCP_FLAGS."""

    grpc: int
    http: int


TCP_FLAGS = ("--otlp-grpc", "127.0.0.1:0", "--otlp-http", "127.0.0.1:0")


def ports(daemon: Daemon) -> Ports:
    """Return the ports that the kernel chose, as the daemon's log names them."""
    found: Sequence[str] = ()

    def named() -> bool:
        nonlocal found
        found = re.findall(r"listening on .*127\.0\.0\.1:(\d+), 127\.0\.0\.1:(\d+);", daemon.log())
        return bool(found)

    wait_until(named, TIMEOUT_S, "the daemon to name its ports")
    grpc_port, http_port = found[-1]
    return Ports(int(grpc_port), int(http_port))


def figure(daemon: Daemon, name: str, **labels: str) -> float:
    """Return one of the daemon's metrics; 0 when it has not been counted yet."""
    connection = http_connection(daemon.http)
    try:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode("utf-8")
    finally:
        connection.close()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == name and sample.labels == labels:
                return sample.value
    return 0.0


def last_lsn(daemon: Daemon) -> int:
    """Return the newest durable LSN."""
    return int(figure(daemon, "sidespan_journal_last_lsn"))


def anonymous_bytes(pid: int) -> int:
    """Return the memory of a process that no file backs."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    found = re.search(r"^RssAnon:\s+(\d+) kB", status, re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


@contextlib.contextmanager
def unharmed(daemon: Daemon) -> Iterator[None]:
    """Fail unless what happens inside writes nothing, keeps memory, and disturbs no other."""
    with FrameClient(daemon.ingest, TIMEOUT_S) as other:
        other.hello(os.urandom(16))
        other.records(1, encoded())
        last_lsn = other.ack(1).last_lsn
        before = anonymous_bytes(daemon.pid)

        yield

        other.records(2, encoded())
        next_lsn = other.ack(2).first_lsn
        between = [
            one.header.kind
            for one in records_of(daemon.data)
            if last_lsn < one.header.first_lsn < next_lsn
        ]
        # The daemon signs what it has, whenever it likes.
        assert set(between) <= {Kind.CHECKPOINT}
        assert anonymous_bytes(daemon.pid) - before < GROWTH_BYTES_MAX
