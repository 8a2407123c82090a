"""What every transport promises, against every recorder that there is."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

import sidespan
from sidespan import _wire
from sidespan._transport import PermanentError, RetryableError, Transport, connect
from sidespan._w3c import is_token
from sidespan.testing import FakeDaemon
from sidespand.journal.reader import JournalReader
from sidespand.model import Kind, Record
from tests.bench.servers import free_ports
from tests.certificates import Authority
from tests.daemon import Daemon, wait_until
from tests.otlp import export_request
from tests.unit.client.peer import Peer

WAIT_S = 30.0


class Side(Protocol):
    """A recorder: where it is, what it holds, and how it goes away and comes back."""

    address: str

    def start(self) -> object:
        """Begin, or begin again with what is durable."""
        ...

    def kill(self) -> None:
        """End without a word."""
        ...

    def stored(self) -> list[bytes]:
        """Return the ids of all spans that are durable, in order."""
        ...


def span_ids(requests: Iterator[ExportTraceServiceRequest]) -> list[bytes]:
    """Return the id of each span of these requests."""
    return [
        span.span_id
        for request in requests
        for resource_spans in request.resource_spans
        for scope_spans in resource_spans.scope_spans
        for span in scope_spans.spans
    ]


class DaemonSide:
    """The real daemon at one of its doors."""

    def __init__(self, root: Path, door: str, config: str = "") -> None:
        (port,) = free_ports(1)
        self._daemon = Daemon(root, ("--otlp-grpc", f"127.0.0.1:{port}"), config=config)
        self.address = {
            "frames": f"unix://{self._daemon.ingest}",
            "gRPC": f"grpc+unix://{self._daemon.grpc}",
            "gRPC over TCP": f"grpc://127.0.0.1:{port}",
        }[door]

    def start(self) -> object:
        """Start the process and wait until its doors are open."""
        return self._daemon.start()

    def kill(self) -> None:
        """End it as a power cut does."""
        self._daemon.kill()

    def end(self) -> None:
        """Stop it if it runs."""
        if self._daemon.process is not None and self._daemon.process.poll() is None:
            self._daemon.terminate()

    def stored(self) -> list[bytes]:
        """Read the journal."""
        reader = JournalReader(self._daemon.data)
        found: list[Record] = []
        while batch := reader.read(found[-1].position if found else None):
            found += [entry for entry in batch if isinstance(entry, Record)]
        reader.close()
        return span_ids(
            ExportTraceServiceRequest.FromString(entry.payload or b"")
            for entry in found
            if entry.header.kind is Kind.SPANS
        )


class TlsSide(DaemonSide):
    """The real daemon's TCP door with TLS, where a bearer token says who writes."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        authority = Authority(root)
        pair = authority.issue("node", ["localhost"])
        secret = root / "secret"
        secret.touch(0o600)
        secret.write_text("a-token-of-team-a-0123456789\n", encoding="ascii")
        config = (
            f'[receivers.tls]\ncert_file = "{pair.cert}"\nkey_file = "{pair.key}"\n'
            f'[receivers.tenants.team-a]\ntoken_file = "{secret}"\n'
        )
        super().__init__(root, "gRPC over TCP", config)
        self.address = f"grpcs://localhost:{self.address.rpartition(':')[2]}"
        monkeypatch.setenv("SIDESPAN_TLS_CA", str(authority.cert))
        monkeypatch.setenv("SIDESPAN_BEARER_FILE", str(secret))


class MutualTlsSide(DaemonSide):
    """The same door where a client's certificate says who writes."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        authority = Authority(root)
        pair = authority.issue("node", ["localhost"])
        own = authority.issue("agent", ["agent.example"])
        config = (
            f'[receivers.tls]\ncert_file = "{pair.cert}"\nkey_file = "{pair.key}"\n'
            f'client_ca_file = "{authority.cert}"\n'
            '[receivers.tenants.team-a]\ncertificates = ["agent.example"]\n'
        )
        super().__init__(root, "gRPC over TCP", config)
        self.address = f"grpcs://localhost:{self.address.rpartition(':')[2]}"
        monkeypatch.setenv("SIDESPAN_TLS_CA", str(authority.cert))
        monkeypatch.setenv("SIDESPAN_TLS_CERT", str(own.cert))
        monkeypatch.setenv("SIDESPAN_TLS_KEY", str(own.key))


class PeerSide:
    """A fake that tests use: it has to keep the same promises."""

    def __init__(self, peer: Peer | FakeDaemon) -> None:
        self._peer = peer
        self.address = f"unix://{peer.path}"

    def start(self) -> object:
        """Listen."""
        return self._peer.start()

    def kill(self) -> None:
        """Close everything; what is stored stays."""
        self._peer.stop()

    def end(self) -> None:
        """Stop listening."""
        self._peer.stop()

    def stored(self) -> list[bytes]:
        """Ask the fake."""
        if isinstance(self._peer, FakeDaemon):
            return [bytes.fromhex(span.span_id) for span in self._peer.spans]
        return [span.span_id for span in self._peer.spans()]


@pytest.fixture(
    params=[
        "frames to a fake", "frames to sidespan.testing", "frames", "gRPC", "gRPC over TCP",
        "gRPC over TLS", "gRPC over mutual TLS",
    ]
)  # fmt: skip
def side(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Side]:
    """Return a recorder that runs."""
    made: DaemonSide | PeerSide
    if request.param == "frames to a fake":
        made = PeerSide(Peer(tmp_path / "ingest.sock"))
    elif request.param == "frames to sidespan.testing":
        made = PeerSide(FakeDaemon(tmp_path / "ingest.sock"))
    elif request.param == "gRPC over TLS":
        made = TlsSide(tmp_path, monkeypatch)
    elif request.param == "gRPC over mutual TLS":
        made = MutualTlsSide(tmp_path, monkeypatch)
    else:
        made = DaemonSide(tmp_path, request.param)
    made.start()
    yield made
    sidespan.shutdown(0)
    made.end()


@pytest.fixture
def instance_id() -> bytes:
    """Return the id of a new client."""
    return os.urandom(16)


@pytest.fixture
def transport(side: Side, instance_id: bytes) -> Iterator[Transport]:
    """Return a transport to the recorder, not connected yet."""
    made = connect(side.address, instance_id)
    yield made
    made.close()


def records(ids: list[bytes]) -> bytes:
    """Return an encoded step with one span for each id."""
    request = export_request(len(ids), span_ids=ids)
    return _wire.encode_records(request.SerializeToString())


def marked(ids: list[bytes]) -> bytes:
    """Return an encoded step that announces one span for each id."""
    request = export_request(len(ids), span_ids=ids)
    for span in request.resource_spans[0].scope_spans[0].spans:
        span.end_time_unix_nano = 0
    return _wire.encode_records(b"", request.SerializeToString())


def two_ids() -> list[bytes]:
    """Return the ids of two spans."""
    return [os.urandom(8), os.urandom(8)]


def settled(transport: Transport, seq: int, body: bytes) -> _wire.Ack:
    """Send until it is decided, as the sender does."""
    answers: list[_wire.Ack] = []

    def sent() -> bool:
        try:
            answers.append(transport.send(seq, body))
        except RetryableError:
            return False
        return True

    wait_until(sent, WAIT_S, f"an answer to seq {seq}")
    return answers[0]


pytestmark = pytest.mark.slow


def test_greeting_brings_the_newest_token_and_writes_nothing(
    side: Side, transport: Transport
) -> None:
    """Seq 0 is a question, not a step."""
    assert is_token(transport.send(0, b"").token)
    assert side.stored() == []


def test_an_ack_means_durable(side: Side, transport: Transport) -> None:
    """What is acked is there, in the order of its seqs, at its LSNs."""
    first, second = two_ids(), two_ids()
    ack = transport.send(1, records(first))
    assert side.stored() == first
    later = transport.send(2, records(second))

    assert side.stored() == first + second
    assert is_token(later.token)
    assert ack.rejected_items == 0
    assert 0 < ack.first_lsn <= ack.last_lsn <= later.last_lsn


def test_the_same_seq_is_written_once(side: Side, transport: Transport, instance_id: bytes) -> None:
    """On the same connection, on a new one, and from a new transport of the same client."""
    ids = two_ids()
    transport.send(1, records(ids))
    assert is_token(transport.send(1, records(ids)).token)
    transport.close()
    again = connect(side.address, instance_id)
    assert is_token(again.send(1, records(ids)).token)
    again.send(2, records([b"12345678"]))
    again.close()

    assert side.stored() == [*ids, b"12345678"]


def test_marks_are_no_spans(side: Side, transport: Transport) -> None:
    """An announcement is acked like a span and stored as what it is; then its span may end."""
    ids = two_ids()
    ack = transport.send(1, marked(ids))
    assert 0 < ack.first_lsn <= ack.last_lsn
    assert side.stored() == []
    request = export_request(2, span_ids=ids)
    traces = [span.trace_id for span in request.resource_spans[0].scope_spans[0].spans]
    ended = b"".join(trace + span for trace, span in zip(traces, ids, strict=True))
    transport.send(2, _wire.encode_records(request.SerializeToString(), b"", ended))

    assert side.stored() == ids


def test_a_durable_span_is_told_so(side: Side) -> None:
    """Whatever the door, its start is on disk before its body runs."""
    sidespan.init("contract", socket=side.address)
    with sidespan.span("pay", durable=True, durable_timeout_s=WAIT_S) as s:
        assert s.durable
    assert sidespan.flush(WAIT_S)

    assert side.stored() == [bytes.fromhex(s.span_id)]


def test_two_clients_count_for_themselves(side: Side, transport: Transport) -> None:
    """Each has its own seq 1."""
    one, other = two_ids(), two_ids()
    transport.send(1, records(one))
    second = connect(side.address, os.urandom(16))
    second.send(1, records(other))
    second.close()

    assert side.stored() == one + other


def test_a_recorder_that_comes_back_goes_on(side: Side, transport: Transport) -> None:
    """After a kill what was acked is there, and a repeated seq is still written once."""
    first, second = two_ids(), two_ids()
    transport.send(1, records(first))
    side.kill()
    with pytest.raises(RetryableError) as caught:
        transport.send(2, records(second))
    assert caught.value.retry_after_s is None
    side.start()
    settled(transport, 1, records(first))
    settled(transport, 2, records(second))

    assert side.stored() == first + second


def test_through_the_public_calls(side: Side) -> None:
    """A program's spans arrive, and its token is known."""
    sidespan.init("contract", socket=side.address)
    with sidespan.span("outer") as outer, sidespan.span("inner") as inner:
        pass
    assert sidespan.flush(WAIT_S)

    assert side.stored() == [bytes.fromhex(inner.span_id), bytes.fromhex(outer.span_id)]
    assert is_token(sidespan.status().token)


def test_spans_across_a_kill_arrive_exactly_once(side: Side) -> None:
    """Whatever was under way when the recorder died, afterwards each span is there once."""
    ids: list[bytes] = []
    sidespan.init("contract", socket=side.address, buffer_bytes_max=64 * 2**20)
    assert sidespan.flush(WAIT_S)
    enough = threading.Event()

    def work() -> None:
        while len(ids) < 4000 or (len(ids) < 20_000 and not enough.is_set()):
            with sidespan.span("step") as s:
                ids.append(bytes.fromhex(s.span_id))

    worker = threading.Thread(target=work)
    worker.start()
    wait_until(lambda: sidespan.status().acked > 500, WAIT_S, "the first spans")
    side.kill()
    side.start()
    enough.set()
    worker.join()
    assert sidespan.flush(WAIT_S), sidespan.status()

    assert side.stored() == ids
    assert sidespan.status()[:4] == (len(ids), len(ids), 0, 0)


def test_what_the_daemon_refuses_is_final(tmp_path: Path) -> None:
    """Malformed records use their seq up on every door, and the next seq is taken."""
    daemon = Daemon(tmp_path).start()
    try:
        for address in (str(daemon.ingest), f"grpc+unix://{daemon.grpc}"):
            transport = connect(address, os.urandom(16))
            with pytest.raises(PermanentError):
                transport.send(1, _wire.encode_records(b"\xff\xff\xff"))
            assert transport.send(2, records(two_ids())).last_lsn > 0
            transport.close()
    finally:
        daemon.terminate()


def test_without_its_certificate_a_client_is_not_let_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The handshake fails, and the spans wait for one that succeeds."""
    side = MutualTlsSide(tmp_path, monkeypatch)
    monkeypatch.delenv("SIDESPAN_TLS_CERT")
    monkeypatch.delenv("SIDESPAN_TLS_KEY")
    side.start()
    try:
        transport = connect(side.address, os.urandom(16))
        with pytest.raises(RetryableError):
            transport.send(1, records(two_ids()))
        transport.close()
        assert side.stored() == []
    finally:
        side.end()
