"""Interceptors that carry a trace through ``grpc`` and ``grpc.aio``; ``sidespan[grpc]``.

    channel = grpc.intercept_channel(channel, sidespan.grpc.client_interceptor())
    channel = grpc.aio.insecure_channel(target,
    interceptors=sidespan.grpc.aio_client_interceptors()) server = grpc.server(pool,
    interceptors=[sidespan.grpc.server_interceptor()]) server =
    grpc.aio.server(interceptors=[sidespan.grpc.aio_server_interceptor()])

The client's opens a CLIENT span for each RPC, which lasts until the RPC has its status, and puts
the trace into its metadata. The server's opens a SERVER span, a child of what the metadata brought,
which is current in the handler.
"""

try:
    import grpc as _grpc  # noqa: F401 - Only to say in one sentence what is missing.
except ImportError as error:
    raise ImportError("sidespan.grpc needs grpcio; run: pip install 'sidespan[grpc]'") from error

from sidespan.grpc._aio_client import aio_client_interceptors
from sidespan.grpc._aio_server import aio_server_interceptor
from sidespan.grpc._client import client_interceptor
from sidespan.grpc._server import server_interceptor

__all__ = [
    "aio_client_interceptors",
    "aio_server_interceptor",
    "client_interceptor",
    "server_interceptor",
]
