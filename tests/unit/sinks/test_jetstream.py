"""The ``nats`` sink against real servers: subjects, ids, sizes, and ways to log in."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidespand.config import SinkConfig
from sidespand.errors import ConfigError
from sidespand.model import Delivered, Rejected, Retry
from sidespand.ports import Sink
from sidespand.sinks import registry
from sidespand.sinks.jetstream import token
from tests import nats_operator
from tests.certificates import Authority
from tests.journals import LINEAGE, NODE_REF, content, records, run
from tests.nats_servers import NatsServer, add_stream, client_of, lsns, messages, serving
from tests.otlp import encoded, export_request

SUBJECT = "sidespan.node=3A=2F=2Ftest=40host.spans"


def made(place: Path, servers: list[str], **options: Any) -> Sink:
    """Return a sink made of its configuration."""
    config = SinkConfig("fleet", "nats", {"servers": servers, **options})
    (plan,) = registry.parse([config])
    return registry.build(plan, place / "sink", lambda *_: {"source_node_ref": NODE_REF})


def refusal(**options: Any) -> str:
    """Return what is said of a configuration that cannot be used."""
    options = {"servers": ["nats://h"], **options}
    with pytest.raises(ConfigError) as refused:
        registry.parse([SinkConfig("fleet", "nats", options)])
    return str(refused.value)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """Return a server; each test makes its stream anew."""
    with serving(tmp_path_factory.mktemp("nats")) as one:
        yield one


@given(st.text(max_size=50), st.text(max_size=50))
def test_a_token_is_one_token_and_names_one_text(text: str, other: str) -> None:
    """Dots, wildcards, spaces, NUL and letters of other scripts are escaped, each text its own."""
    assert re.fullmatch(r"[A-Za-z0-9_=-]+", token(text))
    assert (token(text) == token(other)) is (text == other)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a-b_C9", "a-b_C9"),
        ("../..", "=2E=2E=2F=2E=2E"),
        (">", "=3E"),
        ("*", "=2A"),
        ("a\0 b", "a=00=20b"),
        ("=", "=3D"),
        ("é", "=C3=A9"),
        ("", "="),
    ],
)
def test_the_escaping_is_fixed(text: str, expected: str) -> None:
    """Consumers subscribe by it: it never changes."""
    assert token(text) == expected


def test_a_message_says_where_it_stands(server: NatsServer, tmp_path: Path) -> None:
    """Subject, id and headers come from the log; hostile spans are in the payload alone."""
    request = export_request(3)
    request.resource_spans[0].resource.attributes[0].value.string_value = "../>.*\0" + "x" * 4096
    (record,) = records([content(request.SerializeToString())], next_lsn=7)

    async def test() -> None:
        async with client_of(server.url) as client:
            await add_stream(client)
            sink = made(tmp_path, [server.url], stream="SIDESPAN")
            assert await sink.deliver([record]) == Delivered()
            await sink.close()
            (message,) = await messages(client)
            await client.jetstream().delete_stream("SIDESPAN")
        assert message.subject == SUBJECT
        headers = dict(message.headers)
        assert headers.pop("Sidespan-Hlc")
        assert headers == {
            "Nats-Msg-Id": f"{LINEAGE.hex()}:9",
            "Nats-Expected-Stream": "SIDESPAN",
            "Content-Type": "application/x-protobuf",
            "Sidespan-Node-Ref": NODE_REF,
            "Sidespan-Lineage": LINEAGE.hex(),
            "Sidespan-Boot-Generation": "3",
            "Sidespan-First-Lsn": "7",
            "Sidespan-Last-Lsn": "9",
        }
        assert lsns([message]) == [7, 8, 9]

    run(test())


def test_what_the_stream_knows_is_not_stored_again(server: NatsServer, tmp_path: Path) -> None:
    """A redelivery within the duplicate window adds nothing."""
    batch = records([content(encoded(2)) for _ in range(150)])

    async def test() -> None:
        async with client_of(server.url) as client:
            await add_stream(client)
            for upto in (100, 150, 150):
                sink = made(tmp_path, [server.url])
                assert await sink.deliver(batch[:upto]) == Delivered()
                await sink.close()
            found = await messages(client)
            await client.jetstream().delete_stream("SIDESPAN")
        assert lsns(found) == list(range(1, 301))

    run(test())


def test_a_large_record_is_cut_between_items(server: NatsServer, tmp_path: Path) -> None:
    """Parts fit, keep their stamps and order; an item that is too large alone is refused."""
    request = export_request(8)
    spans = request.resource_spans[0].scope_spans[0].spans
    for span in spans:
        span.name = "x" * 400_000
    spans[5].name = "x" * 1_200_000
    batch = records([content(request.SerializeToString()), content(encoded(2))])

    async def test() -> None:
        async with client_of(server.url) as client:
            await add_stream(client)
            sink = made(tmp_path, [server.url])
            outcome = await sink.deliver(batch)
            await sink.close()
            found = await messages(client)
            await client.jetstream().delete_stream("SIDESPAN")
        assert isinstance(outcome, Rejected)
        assert outcome.item_count == 1
        assert "the server takes" in outcome.reason
        assert lsns(found) == [1, 2, 3, 4, 5, 7, 8, 9, 10]
        ids = [message.headers["Nats-Msg-Id"] for message in found]
        assert len(set(ids)) == len(ids)
        assert all(len(message.data) < 1 << 20 for message in found)

    run(test())


def test_a_stream_may_take_less_than_its_server(server: NatsServer, tmp_path: Path) -> None:
    """What the stream refuses for its size is refused for good, and named."""

    async def test() -> None:
        async with client_of(server.url) as client:
            await add_stream(client, max_msg_size=200)
            sink = made(tmp_path, [server.url])
            outcome = await sink.deliver(records([content(encoded())]))
            await sink.close()
            await client.jetstream().delete_stream("SIDESPAN")
        assert isinstance(outcome, Rejected)
        assert "the stream takes no message" in outcome.reason

    run(test())


def test_without_a_stream_nothing_is_delivered(server: NatsServer, tmp_path: Path) -> None:
    """A server that stores nothing, another stream and no server at all are each a Retry."""

    async def test() -> None:
        batch = records([content(encoded())])
        sink = made(tmp_path, [server.url], timeout="2s")
        assert isinstance(await sink.deliver(batch), Retry)
        async with client_of(server.url) as client:
            await add_stream(client)
            other = made(tmp_path, [server.url], stream="OTHER")
            assert isinstance(await other.deliver(batch), Retry)
            await other.close()
            assert await sink.deliver(batch) == Delivered()
            await client.jetstream().delete_stream("SIDESPAN")
        await sink.close()
        away = made(tmp_path, ["nats://127.0.0.1:1"], timeout="500ms")
        assert isinstance(await away.deliver(batch), Retry)
        await away.close()

    run(test())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"servers": []}, "servers: expected servers"),
        ({"servers": ["http://h"]}, "servers: expected servers"),
        ({"servers": ["nats://u:hunter2@h"]}, "servers: expected servers without credentials"),
        ({"servers": ["nats://h:x"]}, "servers: expected servers"),
        ({"servers": ["nats://h\0"]}, "servers: expected servers"),
        ({"subject_prefix": "a.>"}, "subject_prefix: expected tokens"),
        ({"subject_prefix": "../x"}, "subject_prefix: expected tokens"),
        ({"subject_prefix": "x" * 4096}, "subject_prefix: expected tokens"),
        ({"stream": "a b"}, "stream: expected the name"),
        ({"timeout": "0s"}, "timeout: expected a duration above 0"),
        ({"message_bytes_max": 0}, "message_bytes_max: expected"),
        ({"ca_file": "/x"}, "servers: ca_file, cert_file and key_file are for tls://"),
        ({"servers": ["tls://h"], "cert_file": "/x"}, "cert_file: goes together"),
        ({"user": "u"}, "user: goes together with password_file"),
        ({"token_file": "/t", "credentials_file": "/c"}, "credentials_file: is one way"),
        ({"token_file": "/missing"}, "token_file: /missing is not there"),
        ({"servers": ["tls://h"], "ca_file": "/missing"}, "ca_file: cannot use /missing"),
    ],
)
def test_a_fault_names_its_key(options: dict[str, Any], message: str) -> None:
    """Every key is checked before anything is connected; secrets are not repeated."""
    found = refusal(**options)
    assert found.startswith(f"sinks.fleet.{message}")
    assert "hunter2" not in found


def test_a_secret_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """A token file must be kept from other users."""
    path = tmp_path / "token"
    path.write_text("hunter2")
    path.chmod(0o644)
    found = refusal(token_file=str(path))
    assert "token_file" in found
    assert "hunter2" not in found


def secret(place: Path, text: str) -> str:
    """Return the path of a file that only its owner reads."""
    path = place / f"secret-{os.urandom(4).hex()}"
    path.touch(0o600)
    path.write_text(text + "\n")
    return str(path)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["token", "password"])
def test_logging_in(tmp_path: Path, way: str) -> None:
    """A token or a password from a file lets it in; a wrong one is a Retry that shows neither."""
    access = {"token": 'token: "hunter2"', "password": 'user: "ann", password: "hunter2"'}[way]
    keys = {
        "token": lambda text: {"token_file": secret(tmp_path, text)},
        "password": lambda text: {"user": "ann", "password_file": secret(tmp_path, text)},
    }[way]
    with serving(tmp_path, f"authorization {{ {access} }}") as server:

        async def test() -> None:
            login = {"token": "hunter2"} if way == "token" else {}
            if way == "password":
                login = {"user": "ann", "password": "hunter2"}
            async with client_of(server.url, **login) as client:
                await add_stream(client)
                batch = records([content(encoded())])
                wrong = made(tmp_path, [server.url], **keys("hunter3"))
                outcome = await wrong.deliver(batch)
                assert isinstance(outcome, Retry)
                assert "hunter" not in outcome.reason
                await wrong.close()
                right = made(tmp_path, [server.url], **keys("hunter2"))
                assert await right.deliver(batch) == Delivered()
                await right.close()

        run(test())


@pytest.mark.slow
def test_tls_on_both_sides(tmp_path: Path) -> None:
    """The server's name is verified, and our certificate is shown; without it nothing passes."""
    authority = Authority(tmp_path)
    theirs, ours = authority.issue("server", ["127.0.0.1"]), authority.issue("sidespan")
    tls = (
        f'tls {{ cert_file: "{theirs.cert}", key_file: "{theirs.key}",'
        f' ca_file: "{authority.cert}", verify: true }}'
    )
    with serving(tmp_path, tls) as server:
        secure = server.url.replace("nats://", "tls://")
        files = {
            "ca_file": str(authority.cert),
            "cert_file": str(ours.cert),
            "key_file": str(ours.key),
        }

        async def test() -> None:
            batch = records([content(encoded())])
            bare = made(tmp_path, [secure], ca_file=str(authority.cert), timeout="2s")
            assert isinstance(await bare.deliver(batch), Retry)
            await bare.close()
            distrusting = made(tmp_path, [secure], timeout="2s")
            assert isinstance(await distrusting.deliver(batch), Retry)
            await distrusting.close()
            sink = made(tmp_path, [secure], **files)
            await add_stream(await sink._connected())  # type: ignore[attr-defined]
            assert await sink.deliver(batch) == Delivered()
            await sink.close()

        run(test())


@pytest.mark.slow
def test_a_credentials_file_lets_it_in(tmp_path: Path) -> None:
    """A JWT and its seed sign the server's challenge; another user's seed does not."""
    config, credentials = nats_operator.made(tmp_path)
    (tmp_path / "other").mkdir()
    _, strange = nats_operator.made(tmp_path / "other")
    with serving(tmp_path, config) as server:

        async def test() -> None:
            batch = records([content(encoded())])
            wrong = made(tmp_path, [server.url], credentials_file=str(strange))
            outcome = await wrong.deliver(batch)
            assert isinstance(outcome, Retry)
            assert "Authorization" in outcome.reason
            await wrong.close()
            async with client_of(server.url, user_credentials=str(credentials)) as client:
                await add_stream(client)
            sink = made(tmp_path, [server.url], credentials_file=str(credentials))
            assert await sink.deliver(batch) == Delivered()
            await sink.close()

        run(test())
