"""What a daemon says of itself: health, readiness, metrics that add up, tokens that hold."""

import contextlib
import os
import signal
from collections.abc import Iterator

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from prometheus_client.parser import text_string_to_metric_families

from sidespan.v1.recorder_pb2 import Ack, Nack, RecordRequest, Records
from sidespand import token
from sidespand.model import Kind
from tests import doors
from tests.daemon import Daemon, running, wait_until
from tests.frame_client import FrameClient
from tests.journals import records_of
from tests.otlp import encoded, export_request, marked

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING

pytestmark = pytest.mark.slow


@pytest.fixture
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Return a daemon with all doors open."""
    with running(tmp_path_factory.mktemp("node"), doors.TCP_FLAGS) as started:
        yield started


def get(daemon: Daemon, path: str) -> tuple[int, str, str]:
    """Return status, content type and body."""
    with contextlib.closing(doors.http_connection(daemon.http)) as connection:
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read().decode("utf-8")
        return response.status, response.getheader("content-type") or "", body


def test_http_says_that_it_lives_and_is_ready(daemon: Daemon) -> None:
    """Once doors are open both probes are green."""
    assert get(daemon, "/healthz") == (200, "text/plain; charset=utf-8", "ok\n")
    assert get(daemon, "/readyz?verbose") == (200, "text/plain; charset=utf-8", "ok\n")
    with contextlib.closing(doors.http_connection(daemon.http)) as connection:
        connection.request("HEAD", "/readyz")
        response = connection.getresponse()
        assert (response.status, response.read()) == (200, b"")


def test_grpc_says_serving_until_the_stop(daemon: Daemon) -> None:
    """Whoever watches hears SERVING, and NOT_SERVING when the daemon stops."""
    with grpc.insecure_channel(f"unix:{daemon.grpc}") as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        watches = []
        for service in ("", "sidespan.v1.Recorder"):
            request = health_pb2.HealthCheckRequest(service=service)
            assert stub.Check(request, timeout=doors.TIMEOUT_S).status == SERVING
            watches.append(stub.Watch(request, timeout=doors.TIMEOUT_S))
        for watch in watches:
            assert next(watch).status == SERVING

        os.kill(daemon.pid, signal.SIGTERM)

        for watch in watches:
            assert next(watch).status == NOT_SERVING
            watch.cancel()
    assert daemon.terminate() == 0


def marks(count: int) -> bytes:
    """Return a request of marks."""
    return marked(os.urandom(16), [os.urandom(8) for _ in range(count)])


def over_frames(daemon: Daemon) -> int:
    """Send good, empty, repeated, partly bad and bad steps; return the newest LSN."""
    partly = export_request(4)
    partly.resource_spans[0].scope_spans[0].spans[0].span_id = b"short"
    with FrameClient(daemon.ingest) as client:
        client.hello(os.urandom(16))
        client.records(1, traces=encoded(2), marks=marks(3))
        assert not client.ack(1).duplicate
        client.records(1, traces=encoded(2), marks=marks(3))
        assert client.ack(1).duplicate
        client.records(2)
        assert client.ack(2).first_lsn == 0
        client.records(3, traces=b"\xff", marks=marks(1))
        assert client.nack(3).code == Nack.INVALID
        client.records(9)
        assert client.nack(9).code == Nack.OUT_OF_ORDER
        client.records(4, traces=partly.SerializeToString(), marks=marks(1))
        ack = client.ack(4)
        assert (ack.rejected_items, ack.last_lsn - ack.first_lsn) == (1, 3)
        return ack.last_lsn


def over_grpc(daemon: Daemon) -> int:
    """Send good and bad requests; return the newest LSN."""
    with grpc.insecure_channel(f"unix:{daemon.grpc}") as channel:
        export = channel.unary_unary(doors.EXPORT)
        export(encoded(5), timeout=doors.TIMEOUT_S)
        assert export.future(b"\xff", timeout=doors.TIMEOUT_S).code() is doors.GrpcDoor.invalid
        record = channel.unary_unary("/sidespan.v1.Recorder/Record")
        request = RecordRequest(records=Records(traces=encoded(6)))
        body = record(request.SerializeToString(), timeout=doors.TIMEOUT_S)
        return int(Ack.FromString(body).last_lsn)


def over_http(daemon: Daemon) -> None:
    """Send good and bad requests of spans, and one of metrics."""
    with doors.opened("http port", daemon) as door:
        assert door.send(encoded(7)).code == 200
        assert door.send(b"\xff").code == 400
    metrics = ExportMetricsServiceRequest()
    metrics.resource_metrics.add().scope_metrics.add().metrics.add().gauge.data_points.add()
    too_long = {**doors.PROTOBUF, "content-length": str(10**9)}
    with contextlib.closing(doors.http_connection(daemon.http)) as connection:
        connection.request("POST", "/v1/metrics", metrics.SerializeToString(), doors.PROTOBUF)
        response = connection.getresponse()
        assert (response.status, response.read()) == (200, b"")
        connection.request("POST", "/v1/traces", b"", too_long)
        assert connection.getresponse().status == 413


def test_metrics_add_up_to_what_was_sent(daemon: Daemon) -> None:
    """Every door counts what it accepted and refused, once, and the journal knows its place."""
    assert over_frames(daemon) < over_grpc(daemon)
    over_http(daemon)
    for door, left in (("ingest", 0), ("http", 1)):
        wait_until(
            lambda: doors.figure(daemon, "sidespan_receiver_connections", door=door) == left,  # noqa: B023
            doors.TIMEOUT_S,
            "closed connections to be forgotten",
        )

    status, content_type, text = get(daemon, "/metrics")

    assert (status, content_type.partition(";")[0]) == (200, "text/plain")
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    assert found["sidespan_receiver_accepted_items_total"] == {
        ("ingest", "spans"): 2 + 3,
        ("ingest", "marks"): 3 + 1,
        ("grpc", "spans"): 5 + 6,
        ("http", "spans"): 7,
        ("http", "metrics"): 1,
    }
    assert found["sidespan_receiver_refused_items_total"] == {("ingest", "spans"): 1}
    refused = found["sidespan_receiver_refused_requests_total"]
    assert {labels: count for labels, count in refused.items() if count} == {
        ("ingest", "InvalidRequest"): 1,
        ("ingest", "OutOfOrder"): 1,
        ("grpc", "InvalidRequest"): 1,
        ("http", "InvalidRequest"): 1,
        ("http", "TooLarge"): 1,
    }
    assert found["sidespan_receiver_connections"] == {("ingest",): 0, ("http",): 1}
    newest = records_of(daemon.data)[-1]
    assert found["sidespan_journal_last_lsn"] == {(): newest.header.last_lsn}
    assert found["sidespan_journal_boot_generation"] == {(): 1}
    assert found["sidespan_journal_inflight_bytes"] == {(): 0}
    assert found["sidespan_journal_durable"] == {(): 1}
    assert found["sidespan_worker_starts_total"] == {(): 1}


@pytest.mark.parametrize("name", doors.DOORS)
def test_the_token_of_an_ack_names_the_stored_record(daemon: Daemon, name: str) -> None:
    """Lineage, LSN and stamp are those of the record's last item, the tag heads its leaf."""
    body = encoded(4)
    with doors.opened(name, daemon) as door:
        answered = token.decode(door.send(body).token)

    assert answered is not None
    record = next(one for one in records_of(daemon.data) if one.payload == body)
    header = record.header
    assert (header.kind, header.item_count) == (Kind.SPANS, 4)
    assert answered == token.Token(
        header.lineage,
        header.last_lsn,
        header.stamp._replace(logical=header.stamp.logical + 3),
        record.leaf[:16],
    )
