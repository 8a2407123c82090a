"""A recorder of the frame contract on a real socket, written with the generated messages."""

import contextlib
import socket
import struct
import threading
from collections import deque
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from sidespan.v1 import recorder_pb2

HEADER = struct.Struct(">IBQ")
HELLO, RECORDS, BYE = 1, 2, 3
HELLO_ACK, ACK, NACK, CONTROL = 16, 17, 18, 19

# What the peer does with the next RECORDS instead of storing and acknowledging it.
LOSE = "close the connection without storing"
STORE_SILENTLY = "store, then close the connection without an answer"
MUTE = "answer nothing and keep the connection"


class Peer:
    """Keeps what it has acknowledged, across ``stop`` and ``start``, as a daemon keeps its journal.

    Args:
        path: Of the socket.

    Attributes:
        arrived: (seq, body) of every RECORDS frame, also of those that were not stored.
        stored: (seq, request) of what is durable.
        hellos: Every HELLO.
        byes: How many sessions ended with BYE.
        instead: What to do with the next RECORDS: a fault of above, a Nack, or raw bytes to answer.
        greeting: Raw bytes to answer a HELLO with, or a Nack, or None for the proper answer.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.token = "1-00000000000000aa-1-000000000000000000000000-" + "0" * 32
        self.arrived: list[tuple[int, bytes]] = []
        self.stored: list[tuple[int, ExportTraceServiceRequest]] = []
        self.hellos: list[recorder_pb2.Hello] = []
        self.byes = 0
        self.instead: deque[str | bytes | recorder_pb2.Nack] = deque()
        self.greeting: bytes | recorder_pb2.Nack | None = None
        self.rejected_items = 0
        self.last_seq: dict[bytes, int] = {}
        self.changed = threading.Condition()
        self._listener: socket.socket | None = None
        self._connections: set[socket.socket] = set()

    def start(self) -> "Peer":
        """Listen, and serve each connection on a thread."""
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen()
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()
        return self

    def stop(self) -> None:
        """Close every socket and take the path away."""
        if self._listener is not None:
            self.path.unlink()
            for open_socket in (self._listener, *self._connections):
                with contextlib.suppress(OSError):
                    open_socket.shutdown(socket.SHUT_RDWR)
                open_socket.close()
            self._listener = None
            self._connections.clear()

    def spans(self) -> list[Span]:
        """Return every stored span, in order."""
        with self.changed:
            return [
                span
                for _, request in self.stored
                for resource_spans in request.resource_spans
                for scope_spans in resource_spans.scope_spans
                for span in scope_spans.spans
            ]

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                self._connections.add(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError), connection.makefile("rb") as reader:
            instance_id = b""
            while header := reader.read(HEADER.size):
                length, kind, seq = HEADER.unpack(header)
                body = reader.read(length - 9)
                with self.changed:
                    if kind == HELLO:
                        hello = recorder_pb2.Hello.FromString(body)
                        self.hellos.append(hello)
                        instance_id = hello.instance_id
                        answer: bytes | None = self._greet(hello)
                    elif kind == RECORDS:
                        answer = self._record(instance_id, seq, body)
                    else:
                        assert kind == BYE
                        self.byes += 1
                        answer = b""
                    self.changed.notify_all()
                if answer is None:
                    break
                connection.sendall(answer)
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()

    def _greet(self, hello: recorder_pb2.Hello) -> bytes:
        if isinstance(self.greeting, bytes):
            return self.greeting
        if self.greeting is not None:
            return frame(NACK, 0, self.greeting.SerializeToString())
        ack = recorder_pb2.HelloAck(
            protocol_version=1,
            last_seq=self.last_seq.setdefault(hello.instance_id, hello.acked_seq),
            token=self.token,
            source_node_ref="node://test",
        )
        return frame(HELLO_ACK, 0, ack.SerializeToString())

    def _record(self, instance_id: bytes, seq: int, body: bytes) -> bytes | None:
        self.arrived.append((seq, body))
        fault = self.instead.popleft() if self.instead else None
        if fault == LOSE:
            return None
        if fault == MUTE:
            return b""
        if isinstance(fault, bytes):
            return fault
        if isinstance(fault, recorder_pb2.Nack):
            if fault.retry_after_ms == 0:
                self.last_seq[instance_id] = seq
            return frame(NACK, seq, fault.SerializeToString())
        if seq > self.last_seq[instance_id] + 1:
            out_of_order = recorder_pb2.Nack(
                code=recorder_pb2.Nack.OUT_OF_ORDER, text="a seq is owed", retry_after_ms=1
            )
            return frame(NACK, seq, out_of_order.SerializeToString())
        if seq == self.last_seq[instance_id] + 1:
            records = recorder_pb2.Records.FromString(body)
            self.stored.append((seq, ExportTraceServiceRequest.FromString(records.traces)))
            self.last_seq[instance_id] = seq
        ack = recorder_pb2.Ack(
            first_lsn=1, last_lsn=1, token=self.token, rejected_items=self.rejected_items
        )
        return None if fault == STORE_SILENTLY else frame(ACK, seq, ack.SerializeToString())


def frame(kind: int, seq: int, body: bytes) -> bytes:
    """Return one frame."""
    return HEADER.pack(9 + len(body), kind, seq) + body
