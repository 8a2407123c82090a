"""Tells gRPC clients such as grpcurl which services the door has. Off unless configured."""

import importlib
from collections.abc import Iterable
from typing import Any

from sidespand.errors import ConfigError

# Who describes the services: importing one makes its messages known to protobuf.
_SCHEMAS = (
    "grpc_health.v1.health_pb2",
    "opentelemetry.proto.collector.logs.v1.logs_service_pb2",
    "opentelemetry.proto.collector.metrics.v1.metrics_service_pb2",
    "opentelemetry.proto.collector.trace.v1.trace_service_pb2",
    "sidespan.v1.recorder_pb2",
)


# The server is a grpc.aio.Server, for which grpcio has no types.
def offer_reflection(server: Any) -> None:
    """Add the reflection service to a server that has not started.

    Raises:
        ConfigError: The package that brings it is not installed.
    """
    try:
        from grpc_reflection.v1alpha import reflection
    except ImportError as error:
        raise ConfigError(
            "receivers.grpc_reflection: grpcio-reflection is not installed",
            hint='pip install "sidespan[reflection]"',
        ) from error
    names = (reflection.SERVICE_NAME, *_service_names(map(importlib.import_module, _SCHEMAS)))
    reflection.enable_server_reflection(names, server)


def _service_names(schemas: Iterable[Any]) -> list[str]:
    return [
        service.full_name
        for schema in schemas
        for service in schema.DESCRIPTOR.services_by_name.values()
    ]
