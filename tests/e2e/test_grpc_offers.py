"""What the gRPC door offers beside its services: compression, and reflection if configured."""

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tests import doors
from tests.daemon import Daemon, running
from tests.journals import newest_spans
from tests.otlp import encoded

SERVICES = {
    "grpc.health.v1.Health",
    "grpc.reflection.v1alpha.ServerReflection",
    "opentelemetry.proto.collector.logs.v1.LogsService",
    "opentelemetry.proto.collector.metrics.v1.MetricsService",
    "opentelemetry.proto.collector.trace.v1.TraceService",
    "sidespan.v1.Recorder",
}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Return a daemon."""
    with running(tmp_path_factory.mktemp("node")) as started:
        yield started


@pytest.mark.parametrize("coding", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_a_compressed_message_is_stored_unpacked(daemon: Daemon, coding: grpc.Compression) -> None:
    """The journal holds what was meant, whatever the message was on the way."""
    body = encoded(50)
    with grpc.insecure_channel(f"unix:{daemon.grpc}") as channel:
        export = channel.unary_unary(doors.EXPORT)
        export(body, timeout=doors.TIMEOUT_S, compression=coding)

    assert newest_spans(daemon.data).payload == body


def listed(daemon: Daemon) -> set[str]:
    """Return the services that the daemon tells of.

    Raises:
        grpc.RpcError: It tells nothing.
    """
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    with grpc.insecure_channel(f"unix:{daemon.grpc}") as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        (answer,) = stub.ServerReflectionInfo(iter([request]), timeout=doors.TIMEOUT_S)
    return {service.name for service in answer.list_services_response.service}


def test_reflection_is_off_by_default(daemon: Daemon) -> None:
    """Nobody is told more than they know."""
    with pytest.raises(grpc.RpcError) as caught:
        listed(daemon)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_reflection_names_every_service(tmp_path: Path) -> None:
    """And the messages of each can be asked for."""
    with running(tmp_path, config="[receivers]\ngrpc_reflection = true\n") as daemon:
        assert listed(daemon) == SERVICES
        with grpc.insecure_channel(f"unix:{daemon.grpc}") as channel:
            stub = reflection_pb2_grpc.ServerReflectionStub(channel)
            for name in SERVICES:
                request = reflection_pb2.ServerReflectionRequest(file_containing_symbol=name)
                (answer,) = stub.ServerReflectionInfo(iter([request]), timeout=doors.TIMEOUT_S)
                assert answer.file_descriptor_response.file_descriptor_proto, name
