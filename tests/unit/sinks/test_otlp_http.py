"""OTLP over HTTP against real servers, in the clear and with TLS."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceResponse,
)

from sidespand.config import SinkConfig
from sidespand.errors import ConfigError
from sidespand.limits import SINK_RESPONSE_BYTES_MAX
from sidespand.model import Content, Delivered, Kind, Rejected, Retry
from sidespand.ports import Sink
from sidespand.sinks import registry, stamping
from tests.certificates import Authority
from tests.http_collector import Answer, collecting_http
from tests.journals import NODE_REF, content, records, run
from tests.otlp import encoded, export_request


def sink(place: Path, endpoint: str, **options: Any) -> Sink:
    """Return the sink that a configuration makes."""
    given = {"endpoint": endpoint, "protocol": "http/protobuf", **options}
    (plan,) = registry.parse([SinkConfig("collector", "otlp", given)])
    return registry.build(plan, place / "sink", lambda *_: {"source_node_ref": NODE_REF})


@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("spans", [3, 500])
def test_records_arrive_as_one_request(tmp_path: Path, compression: str, spans: int) -> None:
    """A delivery is one POST of protobuf, under its path, with our headers and every stamp."""

    async def test() -> None:
        batch = records([content(encoded(spans)), content(encoded(2))], next_lsn=99)
        async with collecting_http() as collector:
            headers = {"Authorization": "Bearer x"}
            endpoint = f"http://127.0.0.1:{collector.port}/base/"
            one = sink(tmp_path, endpoint, compression=compression, headers=headers)
            assert await one.deliver(batch) == Delivered()
            assert await one.deliver(batch) == Delivered()
            await one.close()
            await one.close()
        assert collector.paths == ["/base/v1/traces"] * 2
        assert collector.headers[0]["content-type"] == "application/x-protobuf"
        assert collector.headers[0]["authorization"] == "Bearer x"
        assert collector.headers[0]["user-agent"].startswith("sidespan/")
        (request, again) = collector.traces()
        assert request == again
        stamps = [
            pair.value.string_value
            for resource_spans in request.resource_spans
            for span in resource_spans.scope_spans[0].spans
            for pair in span.attributes
            if pair.key == stamping.LSN_KEY
        ]
        assert stamps == [str(lsn) for lsn in range(99, 99 + spans + 2)]

    run(test())


@pytest.mark.slow
def test_answers_become_outcomes(tmp_path: Path) -> None:
    """Partial success, back-pressure, refusal and redirection are told apart."""
    partial = ExportTraceServiceResponse()
    partial.partial_success.rejected_spans = 2
    answers = [
        Answer(body=partial.SerializeToString()),
        Answer(503, (("Retry-After", "3"),), b"busy"),
        Answer(429),
        Answer(400, (), b"no"),
        Answer(413),
        Answer(307, (("Location", "http://127.0.0.1:1/"),)),
        Answer(202),
        Answer(200, (("Content-Encoding", "gzip"),), b"no gzip at all"),
    ]

    async def test() -> None:
        batch = records([content(encoded(5))])
        async with collecting_http() as collector:
            collector.answers += answers
            one = sink(tmp_path, f"http://127.0.0.1:{collector.port}")
            assert [await one.deliver(batch) for _ in answers] == [
                Rejected(2, "no reason given"),
                Retry("HTTP 503: busy", 3.0),
                Retry("HTTP 429: no details given"),
                Rejected(5, "HTTP 400: no", whole=True),
                Rejected(5, "HTTP 413: no details given", whole=True),
                Retry("HTTP 307: no details given"),
                Delivered(),
                Delivered(),
            ]
            await one.close()
        assert len(collector.paths) == len(answers)

    run(test())


def test_a_unix_socket_is_an_endpoint(tmp_path: Path) -> None:
    """HTTP goes over a socket, too."""

    async def test() -> None:
        async with collecting_http(unix=tmp_path / "c.sock") as collector:
            one = sink(tmp_path, f"unix://{tmp_path / 'c.sock'}")
            assert await one.deliver(records([content(encoded())])) == Delivered()
            await one.close()
            assert collector.paths == ["/v1/traces"]

    run(test())


def test_each_signal_has_its_path(tmp_path: Path) -> None:
    """Logs and metrics arrive as they were stored, stamped where they can be."""
    logs, metrics = ExportLogsServiceRequest(), ExportMetricsServiceRequest()
    log_records = logs.resource_logs.add().scope_logs.add().log_records
    log_records.add(severity_text="INFO").body.string_value = "hello"
    log_records.add(severity_text="WARN")
    metrics.resource_metrics.add().scope_metrics.add().metrics.add(name="m")
    contents = [
        Content(Kind.LOGS, logs.SerializeToString(), 2),
        Content(Kind.METRICS, metrics.SerializeToString(), 1),
    ]

    async def test() -> None:
        of_logs, of_metrics = records(contents, next_lsn=7)
        async with collecting_http() as collector:
            one = sink(tmp_path, f"http://127.0.0.1:{collector.port}")
            assert await one.deliver([of_logs]) == Delivered()
            assert await one.deliver([of_metrics]) == Delivered()
            await one.close()
        assert collector.paths == ["/v1/logs", "/v1/metrics"]
        got = ExportLogsServiceRequest.FromString(collector.bodies[0])
        found = [
            {pair.key: pair.value.string_value for pair in record.attributes}
            for record in got.resource_logs[0].scope_logs[0].log_records
        ]
        assert [one[stamping.LSN_KEY] for one in found] == ["7", "8"]
        assert got.resource_logs[0].scope_logs[0].log_records[0].body.string_value == "hello"
        told = ExportMetricsServiceRequest.FromString(collector.bodies[1])
        keys = {pair.key for pair in told.resource_metrics[0].resource.attributes}
        assert keys == {stamping.LINEAGE_KEY, stamping.GENERATION_KEY, stamping.NODE_KEY}
        del told.resource_metrics[0].resource.attributes[:]
        told.resource_metrics[0].ClearField("resource")
        assert told == metrics

    run(test())


@pytest.mark.parametrize(
    ("stamp", "on_resource", "on_span"),
    [("span", 3, 2), ("resource", 3, 0), ("none", 0, 0)],
)
def test_stamps_are_a_choice(tmp_path: Path, stamp: str, on_resource: int, on_span: int) -> None:
    """Every span, or the resources alone, or nothing is stamped."""

    async def test() -> None:
        sent = export_request(2)
        async with collecting_http() as collector:
            one = sink(tmp_path, f"http://127.0.0.1:{collector.port}", stamp=stamp)
            assert await one.deliver(records([content(sent.SerializeToString())])) == Delivered()
            await one.close()
        (got,) = collector.traces()
        resource = got.resource_spans[0].resource
        span = got.resource_spans[0].scope_spans[0].spans[0]
        before = sent.resource_spans[0]
        assert len(resource.attributes) == len(before.resource.attributes) + on_resource
        assert len(span.attributes) == len(before.scope_spans[0].spans[0].attributes) + on_span

    run(test())


def test_what_is_too_long_is_not_sent_whole(tmp_path: Path) -> None:
    """Above request_bytes_max a request is refused here, so that its parts go; one item goes."""

    async def test() -> None:
        big = content(encoded(2, service="x" * 100_000))
        alone = content(encoded(1, service="x" * 100_000))
        async with collecting_http() as collector:
            endpoint = f"http://127.0.0.1:{collector.port}"
            one = sink(tmp_path, endpoint, request_bytes_max="64KiB")
            outcome = await one.deliver(records([big]))
            assert isinstance(outcome, Rejected)
            assert outcome.whole
            assert not collector.paths
            assert await one.deliver(records([alone])) == Delivered()
            await one.close()

    run(test())


def test_headers_come_from_a_file_that_may_change(tmp_path: Path) -> None:
    """A credential is read with each request; without its file nothing is sent."""
    file = tmp_path / "headers"
    file.write_text("Authorization: Bearer one\n\nX-Org: a: b\n")
    file.chmod(0o600)

    async def test() -> None:
        batch = records([content(encoded())])
        async with collecting_http() as collector:
            endpoint = f"http://127.0.0.1:{collector.port}"
            one = sink(tmp_path, endpoint, headers_file=str(file))
            assert await one.deliver(batch) == Delivered()
            file.write_text("authorization: Bearer two")
            assert await one.deliver(batch) == Delivered()
            file.write_text("authorization Bearer three")
            outcome = await one.deliver(batch)
            assert isinstance(outcome, Retry)
            assert "three" not in outcome.reason
            file.unlink()
            assert isinstance(await one.deliver(batch), Retry)
            await one.close()
        assert [one["authorization"] for one in collector.headers] == ["Bearer one", "Bearer two"]
        assert collector.headers[0]["x-org"] == "a: b"

    run(test())


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_a_header_file_that_others_may_read_stops_the_start(tmp_path: Path, protocol: str) -> None:
    """A secret that everybody may read, or that is not there, is found before anything runs."""
    file = tmp_path / "headers"
    options = {"endpoint": "http://h", "protocol": protocol, "headers_file": str(file)}
    with pytest.raises(ConfigError, match=r"collector\.headers_file: .* is not there"):
        registry.parse([SinkConfig("collector", "otlp", options)])
    file.write_text("a: secret")
    file.chmod(0o644)
    with pytest.raises(ConfigError, match="mode 0644") as refused:
        registry.parse([SinkConfig("collector", "otlp", options)])
    assert "secret" not in str(refused.value).replace("it is a secret", "")


@pytest.mark.slow
def test_tls_is_checked_on_both_sides(tmp_path: Path) -> None:
    """The server's certificate is judged by our authority, and ours is shown to it."""
    authority = Authority(tmp_path)
    stranger = Authority(tmp_path, "stranger")
    server = authority.issue("server", ["127.0.0.1"])
    other = authority.issue("elsewhere", ["127.0.0.2"])
    client = authority.issue("client")

    async def test() -> None:
        batch = records([content(encoded())])
        shown = {"cert_file": str(client.cert), "key_file": str(client.key)}
        ours = {"ca_file": str(authority.cert)}
        async with collecting_http(server, authority.cert) as collector:
            endpoint = f"https://127.0.0.1:{collector.port}"
            cases: list[tuple[dict[str, str], type]] = [
                ({**ours, **shown}, Delivered),
                (ours, Retry),
                ({**shown, "ca_file": str(stranger.cert)}, Retry),
                (shown, Retry),
            ]
            for options, expected in cases:
                one = sink(tmp_path, endpoint, **options)
                assert isinstance(await one.deliver(batch), expected), options
                await one.close()
        async with collecting_http(other) as collector:
            one = sink(tmp_path, f"https://127.0.0.1:{collector.port}", **ours)
            outcome = await one.deliver(batch)
            assert isinstance(outcome, Retry)
            assert not collector.paths
            await one.close()

    run(test())


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"protocol": "grpc", "endpoint": "http://h/path"}, "endpoint: OTLP over gRPC has no path"),
        ({"ca_file": "/ca.pem"}, "are for https://"),
        ({"endpoint": "https://h", "cert_file": "/c.pem"}, "goes together with key_file"),
        ({"endpoint": "https://h", "ca_file": "/nowhere/ca.pem"}, "ca_file: cannot use"),
        ({"signals": []}, "signals: expected a list of traces, logs, metrics"),
        ({"signals": ["spans"]}, "signals: expected"),
        ({"request_bytes_max": "1KiB"}, "request_bytes_max: expected 65536"),
        ({"protocol": "http/json"}, "protocol: expected"),
        ({"timeout": "0s"}, "timeout: expected a duration above 0"),
        ({"endpoint": "http://h/v1/traces"}, "leave out what begins with /v1"),
    ],
)
def test_keys_that_do_not_go_together_are_named(options: dict[str, Any], expected: str) -> None:
    """Each is found when the configuration is read."""
    given = {"endpoint": "http://h", "protocol": "http/protobuf", **options}
    with pytest.raises(ConfigError, match=r"sinks\.collector\.") as refused:
        registry.parse([SinkConfig("collector", "otlp", given)])
    assert expected in str(refused.value)


Script = Callable[[asyncio.StreamWriter], Any]


async def _endless(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"10000\r\n" + bytes(0x10000) + b"\r\n")
        await writer.drain()


async def _endless_headers(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"x: " + b"y" * 1000 + b"\r\n")
        await writer.drain()


async def _bomb(writer: asyncio.StreamWriter) -> None:
    import gzip

    body = gzip.compress(bytes(64 << 20))
    head = f"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)


async def _cut(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n" + bytes(10))


async def _nothing(writer: asyncio.StreamWriter) -> None:
    writer.close()


async def _nonsense(writer: asyncio.StreamWriter) -> None:
    writer.write(b"\x00\xff" * 100)


async def _silent(_writer: asyncio.StreamWriter) -> None:
    return


@pytest.mark.fault(36)
@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (_endless, Delivered),
        (_endless_headers, Retry),
        (_bomb, Delivered),
        (_cut, Retry),
        (_nothing, Retry),
        (_nonsense, Retry),
        (_silent, Retry),
    ],
)
def test_a_hostile_response_costs_little_and_ends(
    tmp_path: Path, script: Script, expected: type
) -> None:
    """However a response misbehaves, there is an outcome, and no more is read than the bound."""
    sent = 0
    handlers: list[asyncio.Task[Any]] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.set_write_buffer_limits(high=0)
        write = writer.write

        def counted(data: bytes) -> None:
            nonlocal sent
            sent += len(data)
            write(data)

        writer.write = counted  # type: ignore[method-assign,assignment]
        task = asyncio.current_task()
        assert task is not None
        handlers.append(task)
        with suppress(ConnectionError):
            await script(writer)
            if script is _silent:
                while await reader.read(1 << 16):
                    pass
            writer.close()
            await writer.wait_closed()

    async def test() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        one = sink(tmp_path, f"http://127.0.0.1:{port}", timeout="500ms")
        outcome = await one.deliver(records([content(encoded(2))]))
        assert isinstance(outcome, expected), outcome
        await one.close()
        # What was under way in the kernel's buffers comes on top.
        assert sent < SINK_RESPONSE_BYTES_MAX + (16 << 20)
        server.close()
        await asyncio.gather(*handlers)

    run(test())
