"""OTLP over gRPC with TLS: whose certificate is judged by whom."""

from pathlib import Path

import grpc
import pytest

from sidespand.config import SinkConfig
from sidespand.model import Delivered, Retry
from sidespand.ports import Sink
from sidespand.sinks import registry
from tests.certificates import Authority, Pair
from tests.collector import collecting
from tests.journals import NODE_REF, content, records, run
from tests.otlp import encoded

pytestmark = pytest.mark.slow


def sink(place: Path, address: str, **files: Path) -> Sink:
    """Return the sink that a configuration makes."""
    given = {"endpoint": f"https://{address}", "timeout": "5s"}
    given |= {key: str(path) for key, path in files.items()}
    (plan,) = registry.parse([SinkConfig("collector", "otlp", given)])
    return registry.build(plan, place / "sink", lambda *_: {"source_node_ref": NODE_REF})


def credentials(server: Pair, client_ca: Path | None = None) -> grpc.ServerCredentials:
    """Return a server's credentials; with ``client_ca``, clients must show a certificate."""
    return grpc.ssl_server_credentials(
        [(server.key.read_bytes(), server.cert.read_bytes())],
        root_certificates=client_ca.read_bytes() if client_ca else None,
        require_client_auth=client_ca is not None,
    )


def test_the_collector_is_judged_by_our_authority_alone(tmp_path: Path) -> None:
    """Ours is trusted; a stranger's, the system's, and a certificate for elsewhere are not."""
    authority, stranger = Authority(tmp_path), Authority(tmp_path, "stranger")
    server = authority.issue("server", ["127.0.0.1"])
    elsewhere = authority.issue("elsewhere", ["127.0.0.2"])

    async def test() -> None:
        batch = records([content(encoded(3))])
        async with collecting(credentials=credentials(server)) as collector:
            trusted = sink(tmp_path, collector.address, ca_file=authority.cert)
            assert await trusted.deliver(batch) == Delivered()
            await trusted.close()
            assert collector.lsns() == [1, 2, 3]
            for files in ({"ca_file": stranger.cert}, {}):
                wary = sink(tmp_path, collector.address, **files)
                assert isinstance(await wary.deliver(batch), Retry)
                await wary.close()
            assert len(collector.requests) == 1
        async with collecting(credentials=credentials(elsewhere)) as collector:
            wary = sink(tmp_path, collector.address, ca_file=authority.cert)
            assert isinstance(await wary.deliver(batch), Retry)
            await wary.close()
            assert not collector.metadata

    run(test())


def test_a_certificate_of_ours_is_shown_to_a_collector_that_asks(tmp_path: Path) -> None:
    """With it the records are taken; without it, or with a stranger's, they come again."""
    authority, stranger = Authority(tmp_path), Authority(tmp_path, "stranger")
    server = authority.issue("server", ["127.0.0.1"])
    client, forged = authority.issue("client"), stranger.issue("forged")

    async def test() -> None:
        batch = records([content(encoded(2))])
        async with collecting(credentials=credentials(server, authority.cert)) as collector:
            for pair, taken in ((None, False), (forged, False), (client, True)):
                shown = {"cert_file": pair.cert, "key_file": pair.key} if pair else {}
                one = sink(tmp_path, collector.address, ca_file=authority.cert, **shown)
                outcome = await one.deliver(batch)
                assert isinstance(outcome, Delivered if taken else Retry), outcome
                await one.close()
            assert collector.lsns() == [1, 2]

    run(test())
