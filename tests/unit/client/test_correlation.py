"""The correlation id of Snakepit's callers, over the gRPC that they speak."""

from concurrent import futures

import grpc
import pytest

import sidespan
import sidespan.grpc
from sidespan.testing import capture


@pytest.mark.parametrize("sent", ["sp-0123456789abcdef01234567", ""])
def test_it_is_kept_on_the_servers_span(sent: str) -> None:
    """As an attribute, beside the trace; without one there is none."""

    def answer(request: bytes, _: grpc.ServicerContext) -> bytes:
        return request

    server = grpc.server(
        futures.ThreadPoolExecutor(1), interceptors=[sidespan.grpc.server_interceptor()]
    )
    handler = grpc.unary_unary_rpc_method_handler(answer)
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler("bridge.Service", {"Call": handler})]
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    metadata = [("x-snakepit-correlation-id", sent)] if sent else []
    try:
        with capture() as spans, grpc.insecure_channel(f"127.0.0.1:{port}") as plain:
            channel = grpc.intercept_channel(plain, sidespan.grpc.client_interceptor())
            assert channel.unary_unary("/bridge.Service/Call")(b"x", metadata=metadata) == b"x"
            server.stop(None).wait()
    finally:
        server.stop(None)

    (served,) = [span for span in spans.spans if span.kind == "server"]
    (made,) = [span for span in spans.spans if span.kind == "client"]
    assert served.parent_span_id == made.span_id
    assert served.attributes.get("sidespan.correlation_id", "") == sent
