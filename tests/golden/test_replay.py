"""Requests of real frameworks go through the daemon: kept byte for byte, forwarded unchanged."""

import asyncio
import json
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from sidespand.journal.reader import JournalReader
from sidespand.model import Kind, Record
from sidespand.sinks.stamping import HLC_KEY, KEYS, LSN_KEY, PREV_KEY
from tests.bench.servers import free_ports
from tests.collector import collecting
from tests.daemon import Daemon, running

EMITTERS = Path(__file__).parent / "emitters"
DELIVERY_S_MAX = 20.0


def captures() -> list[tuple[dict[str, Any], bytes]]:
    """Return every captured trace request, in order of arrival, with what is known of it."""
    found = []
    for meta in sorted(EMITTERS.glob("*/meta.json")):
        found += [
            (request, (meta.parent / request["file"]).read_bytes())
            for request in json.loads(meta.read_text(encoding="utf-8"))["requests"]
            if request["file"].endswith(".traces.pb")
        ]
    return found


def send(daemon: Daemon, http_port: int, requests: Iterable[tuple[dict[str, Any], bytes]]) -> None:
    """Send each request through the kind of door that it was captured at."""
    with grpc.insecure_channel(f"unix:{daemon.grpc}") as channel:
        for request, body in requests:
            if request["content_type"] == "application/grpc":
                channel.unary_unary(request["path"])(body, timeout=10)
            else:
                http = urllib.request.Request(
                    f"http://127.0.0.1:{http_port}{request['path']}",
                    body,
                    {"content-type": request["content_type"]},
                )
                with urllib.request.urlopen(http, timeout=10) as answer:
                    assert answer.status == 200


def without_stamps(request: ExportTraceServiceRequest) -> ExportTraceServiceRequest:
    """Return a copy of ``request`` that has none of our attributes."""
    bare = ExportTraceServiceRequest()
    bare.CopyFrom(request)
    for resource_spans in bare.resource_spans:
        holders: list[Any] = [resource_spans.resource]
        holders += [span for scope in resource_spans.scope_spans for span in scope.spans]
        for holder in holders:
            kept = [pair for pair in holder.attributes if pair.key not in KEYS]
            del holder.attributes[:]
            holder.attributes.extend(kept)
    return bare


def joined(requests: Iterable[ExportTraceServiceRequest]) -> list[Any]:
    """Return the resource spans of all requests, in order: a sink may join what came apart."""
    return [one for request in requests for one in request.resource_spans]


@pytest.mark.slow
def test_journal_keeps_the_bytes_and_the_sink_forwards_the_messages(tmp_path: Path) -> None:
    """Journal payloads equal what was sent; the collector's messages are equal without stamps."""
    sent = captures()
    assert len(sent) > 20

    async def scenario() -> list[ExportTraceServiceRequest]:
        (http_port,) = free_ports(1)
        async with collecting() as collector:
            config = (
                f'[sinks.out]\ntype = "otlp"\nendpoint = "http://{collector.address}"\n'
                'capture = "full"\n'
            )
            arguments = ["--otlp-http", f"127.0.0.1:{http_port}"]
            with running(tmp_path, arguments, config=config) as daemon:
                await asyncio.to_thread(send, daemon, http_port, sent)
                spans = sum(request["items"] for request, _ in sent)
                async with asyncio.timeout(DELIVERY_S_MAX):
                    while len(collector.lsns()) < spans:
                        await asyncio.sleep(0.02)
            return collector.requests

    forwarded = asyncio.run(scenario())

    reader = JournalReader(tmp_path / "data")
    kept: list[bytes] = []
    position = None
    while batch := reader.read(position):
        for record in batch:
            assert isinstance(record, Record)
            if record.header.kind is Kind.SPANS:
                assert record.payload is not None
                kept.append(record.payload)
        position = batch[-1].position
    reader.close()
    assert kept == [body for _, body in sent]
    originals = joined(ExportTraceServiceRequest.FromString(body) for _, body in sent)
    assert joined(without_stamps(request) for request in forwarded) == originals
    for resource_spans in joined(forwarded):
        stamped = {pair.key for pair in resource_spans.resource.attributes} & KEYS
        assert len(stamped) == 3
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                stamped = {pair.key for pair in span.attributes} & KEYS
                assert stamped - {PREV_KEY} == {LSN_KEY, HLC_KEY}
