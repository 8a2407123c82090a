"""A handler that answers within a span of its own, over real gRPC: each side keeps its own."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

import sidespan
import sidespan.grpc
from sidespan._current import current_span
from tests.daemon import wait_until
from tests.unit.client.conftest import Captured

METHOD = "/tools.Search/Count"
WAIT_S = 20.0


def step() -> None:
    """Record a span, of whatever is current."""
    with sidespan.span("step"):
        pass


def count(request: bytes, _: Any) -> Iterator[bytes]:
    """Answer several times, each within the same span."""
    with sidespan.span("work"):
        for number in range(int(request)):
            step()
            yield b"%d" % number
    step()


async def aio_count(request: bytes, _: Any) -> AsyncIterator[bytes]:
    """Do the same as a coroutine."""
    async with sidespan.span("work"):
        for number in range(int(request)):
            step()
            yield b"%d" % number
    step()


def service(function: Any) -> grpc.GenericRpcHandler:
    """Return a service of bytes that answers with ``function``."""
    handler = grpc.unary_stream_rpc_method_handler(function)
    return grpc.method_handlers_generic_handler("tools.Search", {"Count": handler})


def parents_are_right(captured: Captured) -> None:
    """Every step but the last belongs to the handler's span, and that to the server's."""
    wait_until(lambda: len(captured.spans) == 6, WAIT_S, "all spans")
    server, work = captured.named("tools.Search/Count"), captured.named("work")
    steps = [span.parent_span_id for span in captured.spans if span.name == "step"]
    assert work.parent_span_id == server.span_id
    assert steps == [work.span_id] * 3 + [server.span_id]


def test_a_thread_has_nothing_left_of_the_handler(captured: Captured) -> None:
    """Between two responses and after the last one, the pool's thread has no current span."""
    with ThreadPoolExecutor(1) as pool:
        server = grpc.server(pool, interceptors=[sidespan.grpc.server_interceptor()])
        server.add_generic_rpc_handlers((service(count),))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            assert list(channel.unary_stream(METHOD)(b"3")) == [b"0", b"1", b"2"]
            parents_are_right(captured)
            responses = channel.unary_stream(METHOD)(b"3")
            assert next(responses) == b"0"
            responses.cancel()
            assert pool.submit(current_span.get).result(WAIT_S) is None
        server.stop(None).wait()


def test_asyncio(captured: Captured) -> None:
    """The same for an asynchronous generator."""

    async def main() -> None:
        server = grpc.aio.server(interceptors=[sidespan.grpc.aio_server_interceptor()])
        server.add_generic_rpc_handlers((service(aio_count),))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            responses = channel.unary_stream(METHOD)(b"3")
            assert [response async for response in responses] == [b"0", b"1", b"2"]
        await server.stop(None)

    asyncio.run(asyncio.wait_for(main(), WAIT_S))
    parents_are_right(captured)
