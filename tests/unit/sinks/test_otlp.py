"""The otlp sink against a real gRPC server."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)

from sidespand.limits import SINK_RESPONSE_BYTES_MAX, SINK_TRAILERS_BYTES_MAX
from sidespand.model import Delivered, Kind, Rejected, Retry
from sidespand.sinks import stamping
from sidespand.sinks.otlp import OtlpSink
from sidespand.sinks.otlp_grpc import GrpcExporter
from sidespand.sinks.otlp_options import Endpoint, Headers, Tls, parse_endpoint, parse_headers
from tests.collector import Failure, collecting
from tests.journals import LINEAGE, NODE_REF, content, records, run
from tests.otlp import encoded, export_request


def otlp_sink(
    address: str,
    *,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = 20.0,
    compression: str = "none",
    tls: bool = False,
) -> OtlpSink:
    """Return a sink for the collector at ``address``, which speaks gRPC."""
    if address.startswith("unix:"):
        endpoint = Endpoint(socket=address.removeprefix("unix:"))
    else:
        host, _, port = address.rpartition(":")
        endpoint = Endpoint(tls, host, int(port))
    return OtlpSink(
        GrpcExporter(endpoint, Tls(), timeout_s, compression),
        kinds=frozenset({Kind.SPANS, Kind.LOGS, Kind.METRICS}),
        stamp="span",
        headers=Headers(headers or {}),
        request_bytes_max=4 << 20,
        node_ref=lambda *_: NODE_REF,
    )


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_records_arrive_as_one_request_with_their_stamps(compression: str) -> None:
    """Several records are one export; without its stamps each message is what was sent."""

    async def test() -> None:
        sent = [export_request(3), export_request(2)]
        batch = records([content(request.SerializeToString()) for request in sent], next_lsn=99)
        async with collecting() as collector:
            sink = otlp_sink(collector.address, compression=compression)
            assert await sink.deliver(batch) == Delivered()
            await sink.close()
            assert collector.lsns() == [99, 100, 101, 102, 103]
            (request,) = collector.requests
        resources = [
            {pair.key: pair.value for pair in resource_spans.resource.attributes}
            for resource_spans in request.resource_spans
        ]
        for attributes in resources:
            assert attributes["sidespan.lineage"].string_value == LINEAGE.hex()
            assert attributes["sidespan.boot_generation"].int_value == 3
            assert attributes["sidespan.node_ref"].string_value == NODE_REF
        for got, original in zip(request.resource_spans, sent, strict=True):
            del got.resource.attributes[-3:]
            for span in got.scope_spans[0].spans:
                assert [pair.key for pair in span.attributes[-2:]] == [
                    stamping.LSN_KEY,
                    stamping.HLC_KEY,
                ]
                del span.attributes[-2:]
            assert got == original.resource_spans[0]

    run(test())


def test_a_unix_socket_and_headers_are_used(tmp_path: Path) -> None:
    """An endpoint may be a socket; headers go with every request, beside our user agent."""

    async def test() -> None:
        async with collecting(f"unix:{tmp_path / 'c.sock'}") as collector:
            sink = otlp_sink(collector.address, headers={"authorization": "Bearer x"})
            assert await sink.deliver(records([content(encoded())])) == Delivered()
            await sink.close()
            assert collector.metadata[0]["authorization"] == "Bearer x"
            assert str(collector.metadata[0]["user-agent"]).startswith("sidespan/")

    run(test())


def test_answers_become_outcomes() -> None:
    """Partial success, back-pressure and refusal are told apart on the wire."""
    partial = ExportTracePartialSuccess(rejected_spans=2, error_message="old")
    info = RetryInfo(retry_delay=Duration(seconds=2)).SerializeToString()
    trailers = (("google.rpc.retryinfo-bin", info),)

    async def test() -> None:
        batch = records([content(encoded(5))])
        async with collecting() as collector:
            collector.answers += [
                ExportTraceServiceResponse(partial_success=partial).SerializeToString(),
                Failure(grpc.StatusCode.UNAVAILABLE, "busy", trailers),
                Failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "full", trailers),
                Failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "too large"),
                Failure(grpc.StatusCode.INVALID_ARGUMENT, "no"),
            ]
            sink = otlp_sink(collector.address)
            assert [await sink.deliver(batch) for _ in range(6)] == [
                Rejected(2, "old"),
                Retry("UNAVAILABLE: busy", 2.0),
                Retry("RESOURCE_EXHAUSTED: full", 2.0),
                Rejected(5, "RESOURCE_EXHAUSTED: too large", whole=True),
                Rejected(5, "INVALID_ARGUMENT: no", whole=True),
                Delivered(),
            ]
            await sink.close()
            await sink.close()

    run(test())


@pytest.mark.slow
def test_an_answer_over_our_own_bounds_refuses_no_record() -> None:
    """RESOURCE_EXHAUSTED of our own channel is not the collector's, of too large a request."""
    over = SINK_TRAILERS_BYTES_MAX + 1

    async def test() -> None:
        batch = records([content(encoded(5))])
        async with collecting() as collector:
            collector.answers += [
                Failure(grpc.StatusCode.UNAVAILABLE, "x" * over),
                Failure(grpc.StatusCode.UNAVAILABLE, "", (("x-bin", b"x" * over),)),
                b"\x12" + bytes(SINK_RESPONSE_BYTES_MAX),
                Failure(grpc.StatusCode.INVALID_ARGUMENT, "x" * (over // 2)),
            ]
            sink = otlp_sink(collector.address)
            outcomes = [await sink.deliver(batch) for _ in range(4)]
            await sink.close()
        assert [type(outcome) for outcome in outcomes] == [Retry, Retry, Delivered, Rejected]

    run(test())


@pytest.mark.fault(31)
def test_a_collector_that_is_away_is_a_retry() -> None:
    """Nobody listening, and a collector that answers too late, are waited out."""

    async def test() -> None:
        batch = records([content(encoded())])
        async with collecting() as collector:
            address = collector.address
        away = otlp_sink(address)
        outcome = await away.deliver(batch)
        assert isinstance(outcome, Retry)
        assert outcome.reason.startswith("UNAVAILABLE")
        await away.close()
        async with collecting() as collector:
            collector.answers.append(asyncio.Event())
            late = otlp_sink(collector.address, timeout_s=0.05)
            outcome = await late.deliver(batch)
            assert isinstance(outcome, Retry)
            assert outcome.reason.startswith("DEADLINE_EXCEEDED")
            await late.close()

    run(test())


def test_tls_is_spoken_to_an_https_endpoint() -> None:
    """A collector without TLS is not talked to in the clear."""

    async def test() -> None:
        async with collecting() as collector:
            sink = otlp_sink(collector.address, tls=True)
            assert isinstance(await sink.deliver(records([content(encoded())])), Retry)
            await sink.close()
            assert not collector.metadata

    run(test())


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("http://127.0.0.1:4317", Endpoint(host="127.0.0.1", port=4317)),
        ("http://collector", Endpoint(host="collector")),
        ("http://collector/", Endpoint(host="collector")),
        ("https://collector.example:443", Endpoint(tls=True, host="collector.example", port=443)),
        ("http://[::1]:4317", Endpoint(host="::1", port=4317)),
        ("unix:///run/collector.sock", Endpoint(socket="/run/collector.sock")),
        (
            "https://cloud.example/api/otel/",
            Endpoint(tls=True, host="cloud.example", path="/api/otel"),
        ),
    ],
)
def test_endpoints_that_can_be_used(value: str, expected: Endpoint) -> None:
    """TCP with and without TLS, sockets, and paths."""
    assert parse_endpoint(value) == expected


def test_a_port_that_is_not_given_is_the_protocols() -> None:
    """OTLP's port is 4317 over gRPC and 4318 over HTTP; an address of IPv6 has brackets."""
    assert Endpoint(host="collector").authority("grpc") == "collector:4317"
    assert Endpoint(host="::1").authority("http/protobuf") == "[::1]:4318"


@pytest.mark.parametrize(
    "value",
    [
        "",
        "127.0.0.1:4317",
        "ftp://host",
        "http://",
        "http://host:99999",
        "http://host:x",
        "http://host/v1/traces",
        "http://host?x=1",
        "http://host#x",
        "http://user:secret@host",
        "unix://relative/path",
        "unix:",
        "http://ho\nst",
        "http://[::1",
        4317,
        None,
        ["http://host"],
        b"http://host",
    ],
)
def test_endpoints_that_cannot_be_used(value: Any) -> None:
    """Anything else is refused with an example of what is expected."""
    with pytest.raises(ValueError, match="expected"):
        parse_endpoint(value)


def test_header_keys_are_metadata_keys() -> None:
    """Keys are lowered, as HTTP/2 wants them."""
    assert parse_headers({"X-Scope-OrgID": "a b"}) == {"x-scope-orgid": "a b"}


@pytest.mark.parametrize(
    "value",
    [
        "authorization=x",
        {"": "x"},
        {"a b": "x"},
        {"grpc-timeout": "1S"},
        {"key-bin": "x"},
        {"Content-Encoding": "x"},
        {"key": 5},
        {"key": "secret\n"},
        {"key": "sécret"},
    ],
)
def test_headers_that_cannot_be_used_are_refused_without_their_values(value: Any) -> None:
    """Keys that gRPC keeps and what is not ASCII are refused; a secret is not repeated."""
    with pytest.raises(ValueError, match=r"header|expected|printable") as refused:
        parse_headers(value)
    assert "cret" not in str(refused.value)
