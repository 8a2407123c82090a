"""Stock exporters, unmodified, at doors with TLS and tokens, with compressed requests."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgpack
import pytest

from sidespand.model import Kind
from tests import doors
from tests.certificates import Authority
from tests.daemon import Daemon, running
from tests.e2e.exporters.programs import EXPORTERS, Exporter, emit, install
from tests.journals import records_of

TOKEN = "a-token-of-team-a-0123456789"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Daemon, Path]]:
    """Return a daemon that asks for tokens over TLS, and who signed its certificate."""
    root = tmp_path_factory.mktemp("node")
    authority = Authority(root)
    pair = authority.issue("node", ["localhost", "127.0.0.1"])
    token = root / "token"
    token.touch(0o600)
    token.write_text(TOKEN, encoding="ascii")
    config = (
        f'[receivers.tls]\ncert_file = "{pair.cert}"\nkey_file = "{pair.key}"\n'
        f'[receivers.tenants.team-a]\ntoken_file = "{token}"\n'
    )
    with running(root, doors.TCP_FLAGS, config=config) as daemon:
        yield daemon, authority.cert
        assert daemon.terminate() == 0
        assert "Traceback" not in daemon.log()


def compressions(exporter: Exporter) -> tuple[str, ...]:
    """Return what an exporter offers by its variables."""
    return ("gzip", "deflate") if exporter.name == "Python HTTP" else ("gzip",)


def variables(port: int, authority: Path) -> dict[str, str]:
    """Return what points an exporter at a port with TLS."""
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"https://localhost:{port}",
        "OTEL_EXPORTER_OTLP_CERTIFICATE": str(authority),
        # Python's HTTP exporters put a bundle that the machine has for everything before it.
        "REQUESTS_CA_BUNDLE": "",
        "CURL_CA_BUNDLE": "",
    }


@pytest.mark.parametrize(
    ("exporter", "compression"),
    [(one, compression) for one in EXPORTERS for compression in compressions(one)],
    ids=lambda one: one if isinstance(one, str) else one.name,
)
def test_variables_alone_are_enough(
    node: tuple[Daemon, Path], exporter: Exporter, compression: str
) -> None:
    """Endpoint, certificate, header and compression as the specification names them."""
    install(exporter.language)
    daemon, authority = node
    grpc = exporter.protocol == "grpc"
    port = doors.ports(daemon).grpc if grpc else doors.ports(daemon).http
    settings = variables(port, authority) | {
        "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer%20{TOKEN}",
        "OTEL_EXPORTER_OTLP_COMPRESSION": compression,
    }
    before = len(records_of(daemon.data))

    emitted = asyncio.run(emit(exporter, port, settings))

    assert emitted.ok, emitted.log
    records = records_of(daemon.data)[before:]
    (stored,) = [one for one in records if one.header.kind is Kind.SPANS]
    assert stored.header.item_count == len(emitted.ids)
    (session,) = [
        one
        for one in records_of(daemon.data)
        if one.header.first_lsn == stored.header.producer_session
    ]
    assert session.payload is not None
    assert msgpack.unpackb(session.payload)["tenant"] == "team-a"


@pytest.mark.parametrize("exporter", EXPORTERS, ids=lambda one: one.name)
def test_without_the_token_the_batch_is_lost_at_once(
    node: tuple[Daemon, Path], exporter: Exporter
) -> None:
    """UNAUTHENTICATED and 401 are final for every exporter, and each says so."""
    install(exporter.language)
    daemon, authority = node
    grpc = exporter.protocol == "grpc"
    port = doors.ports(daemon).grpc if grpc else doors.ports(daemon).http
    spans = [one for one in records_of(daemon.data) if one.header.kind is Kind.SPANS]

    emitted = asyncio.run(emit(exporter, port, variables(port, authority)))

    assert not emitted.ok
    after = [one for one in records_of(daemon.data) if one.header.kind is Kind.SPANS]
    assert len(after) == len(spans)
