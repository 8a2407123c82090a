"""TLS on both ports: who shows a token or a certificate writes as its tenant, nobody else does."""

import contextlib
import http.client
import os
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import msgpack
import pytest
from google.rpc.status_pb2 import Status

from sidespan.v1.recorder_pb2 import ClientMessage, Hello, Nack, RecorderMessage, Records
from tests import doors
from tests.certificates import Authority, Pair
from tests.daemon import Daemon, running
from tests.journals import newest_spans, records_of
from tests.otlp import encoded

TOKEN = "a-token-of-team-a-0123456789"
BEARER = f"Bearer {TOKEN}"
GRPC, HTTP = "grpc", "http"

pytestmark = pytest.mark.slow


@dataclass(frozen=True, slots=True)
class Node:
    """A daemon with TLS, and what its clients need.

    Args:
        daemon: Running.
        authority: Signed the daemon's certificate.
        clients: Signs those of clients.
    """

    daemon: Daemon
    authority: Authority
    clients: Authority

    def send(self, door: str, authorization: str = "", client: Pair | None = None) -> doors.Answer:
        """Export one span; the code is None where no connection came about."""
        if door == GRPC:
            return self._send_grpc(authorization, client)
        return self._send_http(authorization, client)

    def _send_grpc(self, authorization: str, client: Pair | None) -> doors.Answer:
        shown = (client.key.read_bytes(), client.cert.read_bytes()) if client else (None, None)
        credentials = grpc.ssl_channel_credentials(self.authority.cert.read_bytes(), *shown)
        target = f"localhost:{doors.ports(self.daemon).grpc}"
        metadata = (("authorization", authorization),) if authorization else ()
        with grpc.secure_channel(target, credentials) as channel:
            call = channel.unary_unary(doors.EXPORT).future(
                encoded(), timeout=doors.TIMEOUT_S, metadata=metadata
            )
            code = call.code()
            return doors.Answer(
                None if code is grpc.StatusCode.UNAVAILABLE else code, call.details()
            )

    def _send_http(self, authorization: str, client: Pair | None) -> doors.Answer:
        context = ssl.create_default_context(cafile=str(self.authority.cert))
        if client is not None:
            context.load_cert_chain(client.cert, client.key)
        port = doors.ports(self.daemon).http
        connection = http.client.HTTPSConnection(
            "localhost", port, timeout=doors.TIMEOUT_S, context=context
        )
        headers = {"authorization": authorization} if authorization else {}
        with contextlib.closing(connection):
            try:
                connection.request("POST", "/v1/traces", encoded(), doors.PROTOBUF | headers)
                response = connection.getresponse()
            except (ssl.SSLError, ConnectionError):
                return doors.Answer(None)
            body = response.read()
            text = "" if response.status == 200 else Status.FromString(body).message
            return doors.Answer(response.status, text, reason=response.getheader(
                "www-authenticate") or "")  # fmt: skip


def started(root: Path, receivers: str, *, clients_only: bool) -> Iterator[Node]:
    """Yield a daemon that speaks TLS on both ports."""
    authority, clients = Authority(root), Authority(root, "clients")
    pair = authority.issue("node", ["localhost", "127.0.0.1"])
    config = f'[receivers.tls]\ncert_file = "{pair.cert}"\nkey_file = "{pair.key}"\n'
    if clients_only:
        config += f'client_ca_file = "{clients.cert}"\n'
    with running(root, doors.TCP_FLAGS, config=config + receivers) as daemon:
        yield Node(daemon, authority, clients)
        assert daemon.terminate() == 0
        assert "Traceback" not in daemon.log()


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """Return a node whose clients need a token."""
    root = tmp_path_factory.mktemp("tokens")
    path = root / "token"
    path.touch(0o600)
    path.write_text(f"another-token-0123456789\n{TOKEN}\n", encoding="ascii")
    receivers = f'[receivers.tenants.team-a]\ntoken_file = "{path}"\n'
    yield from started(root, receivers, clients_only=False)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """Return a node whose clients need a certificate."""
    root = tmp_path_factory.mktemp("certificates")
    receivers = '[receivers.tenants.team-b]\ncertificates = ["agent-1", "agent.example"]\n'
    yield from started(root, receivers, clients_only=True)


def newest_tenant(daemon: Daemon) -> str:
    """Return the tenant of the newest record of spans, by way of its SESSION record."""
    newest = newest_spans(daemon.data)
    (session,) = (
        one
        for one in records_of(daemon.data)
        if one.header.first_lsn == newest.header.producer_session
    )
    assert session.payload is not None
    return str(msgpack.unpackb(session.payload)["tenant"])


OK = {GRPC: grpc.StatusCode.OK, HTTP: 200}
UNAUTHENTICATED = {GRPC: grpc.StatusCode.UNAUTHENTICATED, HTTP: 401}
DENIED = {GRPC: grpc.StatusCode.PERMISSION_DENIED, HTTP: 403}


@pytest.mark.parametrize("door", [GRPC, HTTP])
@pytest.mark.parametrize("authorization", [BEARER, f"bearer {TOKEN}"])
def test_a_good_token_writes_as_its_tenant(tokens: Node, door: str, authorization: str) -> None:
    """The journal keeps the tenant's name beside what came."""
    assert tokens.send(door, authorization).code == OK[door]
    assert newest_tenant(tokens.daemon) == "team-a"


@pytest.mark.parametrize("door", [GRPC, HTTP])
@pytest.mark.parametrize(
    ("authorization", "text"),
    [
        ("", "a bearer token is needed"),
        (f"Bearer {TOKEN[:-1]}", "is not known"),
        (f"Bearer {TOKEN}x", "is not known"),
        (f"Basic {TOKEN}", "is not known"),
        (TOKEN, "is not known"),
        ("Bearer ", "is not known"),
    ],
)
def test_without_a_good_token_nothing_is_written(
    tokens: Node, door: str, authorization: str, text: str
) -> None:
    """A missing and a wrong token are told apart from what may not be done at all."""
    with doors.unharmed(tokens.daemon):
        answer = tokens.send(door, authorization)

    assert answer.code == UNAUTHENTICATED[door]
    assert text in answer.text
    assert answer.reason == ("Bearer" if door == HTTP else "")


@pytest.mark.parametrize("authorization", [BEARER, "Bearer wrong-wrong-wrong", ""])
def test_a_session_needs_a_token_too(tokens: Node, authorization: str) -> None:
    """It is told at HELLO, as on ingest.sock; its records bear the tenant."""
    credentials = grpc.ssl_channel_credentials(tokens.authority.cert.read_bytes())
    metadata = (("authorization", authorization),) if authorization else ()
    hello = ClientMessage(
        hello=Hello(instance_id=os.urandom(16), protocol_version_min=1, protocol_version_max=1)
    )
    records = ClientMessage(seq=1, records=Records(traces=encoded()))
    with grpc.secure_channel(
        f"localhost:{doors.ports(tokens.daemon).grpc}", credentials
    ) as channel:
        session = channel.stream_stream("/sidespan.v1.Recorder/Session")
        sent = iter([hello.SerializeToString(), records.SerializeToString()])
        answers = [
            RecorderMessage.FromString(answer)
            for answer in session(sent, timeout=doors.TIMEOUT_S, metadata=metadata)
        ]
    if authorization == BEARER:
        assert [one.WhichOneof("message") for one in answers] == ["hello_ack", "ack"]
        assert newest_tenant(tokens.daemon) == "team-a"
    else:
        (refused,) = answers
        assert (refused.seq, refused.nack.code) == (0, Nack.PERMISSION_DENIED)
        assert "token" in refused.nack.text


def test_a_wrong_token_is_refused_before_its_body_is_read(tokens: Node) -> None:
    """Who may not write cannot make the daemon hold a large body either."""
    context = ssl.create_default_context(cafile=str(tokens.authority.cert))
    with (
        socket.create_connection(("127.0.0.1", doors.ports(tokens.daemon).http)) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as client,
    ):
        client.settimeout(doors.TIMEOUT_S)
        client.sendall(
            b"POST /v1/traces HTTP/1.1\r\nhost: localhost\r\ncontent-length: 60000000\r\n"
            b"content-type: application/x-protobuf\r\nauthorization: Bearer wrong\r\n\r\n"
        )
        assert client.recv(65536).startswith(b"HTTP/1.1 401 ")


def test_probes_need_no_token_and_metrics_do(tokens: Node) -> None:
    """A load balancer may ask whether the node is there; what it holds is for its tenants."""
    context = ssl.create_default_context(cafile=str(tokens.authority.cert))
    port = doors.ports(tokens.daemon).http
    found = {}
    for path, headers in (("/healthz", {}), ("/readyz", {}), ("/metrics", {}),
                          ("/metrics ", {"authorization": BEARER})):  # fmt: skip
        connection = http.client.HTTPSConnection("localhost", port, context=context)
        with contextlib.closing(connection):
            connection.request("GET", path.strip(), headers=headers)
            found[path] = connection.getresponse().status
    assert found == {"/healthz": 200, "/readyz": 200, "/metrics": 401, "/metrics ": 200}


@pytest.mark.parametrize("door", [GRPC, HTTP])
def test_a_token_is_not_needed_on_the_sockets(tokens: Node, door: str) -> None:
    """Their permissions decide there; but a token that is shown must be good."""
    with doors.opened(f"{door}.sock", tokens.daemon) as opened:
        assert opened.send(encoded()).code == opened.ok
    assert newest_tenant(tokens.daemon) == ""
    if door == HTTP:
        with contextlib.closing(doors.http_connection(tokens.daemon.http)) as connection:
            headers = doors.PROTOBUF | {"authorization": "Bearer wrong"}
            connection.request("POST", "/v1/traces", encoded(), headers)
            assert connection.getresponse().status == 401


@pytest.mark.parametrize("door", [GRPC, HTTP])
def test_a_port_with_tls_speaks_nothing_else(tokens: Node, door: str) -> None:
    """Who comes without TLS gets no answer, and disturbs nobody."""
    with doors.unharmed(tokens.daemon):
        if door == GRPC:
            with grpc.insecure_channel(f"127.0.0.1:{doors.ports(tokens.daemon).grpc}") as channel:
                call = channel.unary_unary(doors.EXPORT).future(encoded(), timeout=doors.TIMEOUT_S)
                assert call.code() is grpc.StatusCode.UNAVAILABLE
        else:
            with (
                socket.create_connection(
                    ("127.0.0.1", doors.ports(tokens.daemon).http), timeout=doors.TIMEOUT_S
                ) as client,
                contextlib.suppress(ConnectionError),
            ):
                client.sendall(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
                assert b"HTTP" not in client.recv(65536)


@pytest.mark.long
def test_a_handshake_that_stalls_is_let_go(tokens: Node) -> None:
    """On both ports, after TLS_HANDSHAKE_S; the unit tests do it faster for HTTP."""
    ports = doors.ports(tokens.daemon)
    with contextlib.ExitStack() as stack:
        silent = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30.0))
            for port in ports
            for _ in range(50)
        ]
        # The beginning of a ClientHello that never goes on.
        for client in silent[::2]:
            client.sendall(bytes.fromhex("16030100c8010000c40303"))
        for client in silent:
            with contextlib.suppress(ConnectionError):
                while client.recv(4096):
                    pass
    assert tokens.send(GRPC, BEARER).code == OK[GRPC]


@pytest.mark.parametrize("door", [GRPC, HTTP])
@pytest.mark.parametrize(
    ("name", "alternatives"), [("agent-1", []), ("somebody", ["agent.example"])]
)
def test_a_certificate_writes_as_its_tenant(
    certificates: Node, door: str, name: str, alternatives: list[str]
) -> None:
    """Its common name and its alternative names stand for a tenant."""
    client = certificates.clients.issue(name, alternatives)

    assert certificates.send(door, client=client).code == OK[door]
    assert newest_tenant(certificates.daemon) == "team-b"


@pytest.mark.parametrize("door", [GRPC, HTTP])
def test_a_certificate_of_nobody_is_denied(certificates: Node, door: str) -> None:
    """It is genuine, but stands for no tenant."""
    with doors.unharmed(certificates.daemon):
        answer = certificates.send(door, client=certificates.clients.issue("agent-2"))

    assert answer.code == DENIED[door]
    assert "stands for no tenant" in answer.text


@pytest.mark.parametrize("door", [GRPC, HTTP])
@pytest.mark.parametrize("signer", ["another authority", "nobody"])
def test_a_certificate_of_another_authority_is_no_connection(
    certificates: Node, door: str, signer: str, tmp_path: Path
) -> None:
    """The handshake fails, whatever name the certificate bears, and so it does without one."""
    client = Authority(tmp_path).issue("agent-1") if signer != "nobody" else None
    with doors.unharmed(certificates.daemon):
        assert certificates.send(door, client=client).code is None
