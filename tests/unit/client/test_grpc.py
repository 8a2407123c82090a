"""The interceptors make one trace of a call over real gRPC, whatever its kind and outcome."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

import sidespan
import sidespan.grpc
from sidespan._runtime import runtime
from tests.daemon import wait_until
from tests.unit.client.conftest import Captured

SERVICE = "tools.Search"
WAIT_S = 20.0
SERVER, CLIENT = Span.SPAN_KIND_SERVER, Span.SPAN_KIND_CLIENT


def code_of(span: Span) -> int:
    """Return ``rpc.grpc.status_code``."""
    (code,) = [
        pair.value.int_value for pair in span.attributes if pair.key == "rpc.grpc.status_code"
    ]
    return code


def pair_of(captured: Captured, method: str) -> tuple[Span, Span]:
    """Return the client's and the server's span of one call, once both have ended."""

    def of(kind: int) -> list[Span]:
        return [
            span
            for span in captured.spans
            if span.kind == kind and span.name == f"{SERVICE}/{method}"
        ]

    wait_until(lambda: bool(of(CLIENT) and of(SERVER)), WAIT_S, f"both spans of {method}")
    (client,), (server,) = of(CLIENT), of(SERVER)
    texts = {pair.key: pair.value.string_value for pair in server.attributes}
    assert (texts["rpc.system"], texts["rpc.service"], texts["rpc.method"]) == (
        "grpc", SERVICE, method,
    )  # fmt: skip
    assert server.trace_id == client.trace_id
    assert server.parent_span_id == client.span_id
    return client, server


def inner(name: str) -> None:
    """Record a span of the handler's own."""
    with sidespan.span(f"in {name}"):
        pass


def echo(request: bytes, context: grpc.ServicerContext) -> bytes:
    """Answer."""
    inner("Echo")
    return request


def not_found(_: bytes, context: grpc.ServicerContext) -> bytes:
    """Answer with a status by leaving it behind."""
    context.set_code(grpc.StatusCode.NOT_FOUND)
    context.set_details("no such thing")
    return b""


def abort(_: bytes, context: grpc.ServicerContext) -> bytes:
    """Answer with a status by leaving."""
    context.abort(grpc.StatusCode.UNAVAILABLE, "gone fishing")
    return b""


def crash(_: bytes, context: grpc.ServicerContext) -> bytes:
    """Raise."""
    raise ValueError("a bug")


def count(request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
    """Answer several times."""
    for number in range(int(request)):
        inner("Count")
        yield b"%d" % number


def forever(_: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
    """Answer until nobody listens."""
    while True:
        yield b"more"


def crash_midway(_: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
    """Answer once and raise."""
    yield b"one"
    raise ValueError("a bug")


def total(requests: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
    """Answer many with one."""
    return b"%d" % sum(int(request) for request in requests)


def repeat(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
    """Answer each."""
    yield from requests


def handlers(functions: dict[str, tuple[str, Callable[..., Any]]]) -> grpc.GenericRpcHandler:
    """Return a service of bytes."""
    return grpc.method_handlers_generic_handler(
        SERVICE,
        {
            name: getattr(grpc, f"{kind}_rpc_method_handler")(function)
            for name, (kind, function) in functions.items()
        },
    )


SYNC = handlers({
    "Echo": ("unary_unary", echo),
    "NotFound": ("unary_unary", not_found),
    "Abort": ("unary_unary", abort),
    "Crash": ("unary_unary", crash),
    "Count": ("unary_stream", count),
    "Forever": ("unary_stream", forever),
    "CrashMidway": ("unary_stream", crash_midway),
    "Total": ("stream_unary", total),
    "Repeat": ("stream_stream", repeat),
})  # fmt: skip


@pytest.fixture
def channel(captured: Captured) -> Iterator[grpc.Channel]:
    """Return an instrumented channel to an instrumented server."""
    with ThreadPoolExecutor(4) as pool:
        server = grpc.server(pool, interceptors=[sidespan.grpc.server_interceptor()])
        server.add_generic_rpc_handlers((SYNC,))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        with grpc.insecure_channel(f"127.0.0.1:{port}") as plain:
            yield grpc.intercept_channel(plain, sidespan.grpc.client_interceptor())
        server.stop(None).wait()


def method(channel: Any, kind: str, name: str) -> Any:
    """Return a call of the service; bytes in, bytes out."""
    return getattr(channel, kind)(f"/{SERVICE}/{name}")


def test_unary_call(captured: Captured, channel: grpc.Channel) -> None:
    """Client and server span are parent and child, and what the handler does is within."""
    with sidespan.span("plan"):
        assert method(channel, "unary_unary", "Echo")(b"hi", metadata=[("k", "v")]) == b"hi"

    client, server = pair_of(captured, "Echo")
    assert client.parent_span_id == captured.named("plan").span_id
    assert captured.named("in Echo").parent_span_id == server.span_id
    assert (code_of(client), code_of(server)) == (0, 0)
    assert client.status == server.status == Status()
    assert server.flags == 0x301


def test_unary_future(captured: Captured, channel: grpc.Channel) -> None:
    """A call that is waited for later has its span until it is done."""
    future = method(channel, "unary_unary", "Echo").future(b"hi")

    assert future.result(WAIT_S) == b"hi"
    assert code_of(pair_of(captured, "Echo")[0]) == 0


def test_the_token_travels(
    captured: Captured, channel: grpc.Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest token is in the tracestate of the server's span and its children."""
    monkeypatch.setattr(runtime, "token", lambda: "newest")
    method(channel, "unary_unary", "Echo")(
        b"hi", metadata=[("tracestate", "a=1"), ("traceparent", "forged")]
    )

    _, server = pair_of(captured, "Echo")
    assert server.trace_state == captured.named("in Echo").trace_state == "sidespan=newest"


@pytest.mark.parametrize(
    ("name", "code", "server_fails", "events"),
    [
        ("NotFound", grpc.StatusCode.NOT_FOUND, False, []),
        ("Abort", grpc.StatusCode.UNAVAILABLE, True, []),
        ("Crash", grpc.StatusCode.UNKNOWN, True, ["exception"]),
    ],
)
def test_failed_calls(
    captured: Captured,
    channel: grpc.Channel,
    *,
    name: str,
    code: grpc.StatusCode,
    server_fails: bool,
    events: list[str],
) -> None:
    """Both spans have the status; to the client any is a failure, to the server some."""
    with pytest.raises(grpc.RpcError) as caught:
        method(channel, "unary_unary", name)(b"")

    client, server = pair_of(captured, name)
    assert caught.value.code() is code
    assert code_of(client) == code_of(server) == code.value[0]
    assert client.status.code == Status.STATUS_CODE_ERROR
    assert client.status.message.startswith(code.name)
    assert (server.status.code == Status.STATUS_CODE_ERROR) is server_fails
    assert [event.name for event in server.events] == events


def test_streaming_calls(captured: Captured, channel: grpc.Channel) -> None:
    """Every kind of stream is one span on each side, which lasts until its end."""
    assert list(method(channel, "unary_stream", "Count")(b"3")) == [b"0", b"1", b"2"]
    assert method(channel, "stream_unary", "Total")(iter([b"1", b"2"])) == b"3"
    assert list(method(channel, "stream_stream", "Repeat")(iter([b"a", b"b"]))) == [b"a", b"b"]

    for name in ("Count", "Total", "Repeat"):
        client, server = pair_of(captured, name)
        assert (code_of(client), code_of(server)) == (0, 0)
    _, server = pair_of(captured, "Count")
    within = [span for span in captured.spans if span.name == "in Count"]
    assert [span.parent_span_id for span in within] == [server.span_id] * 3


def test_a_stream_that_is_cancelled(captured: Captured, channel: grpc.Channel) -> None:
    """Both spans end when the client has had enough."""
    responses = method(channel, "unary_stream", "Forever")(b"")
    assert next(responses) == b"more"
    responses.cancel()

    client, server = pair_of(captured, "Forever")
    assert code_of(client) == code_of(server) == grpc.StatusCode.CANCELLED.value[0]


def test_a_stream_that_crashes(captured: Captured, channel: grpc.Channel) -> None:
    """What was sent was sent; the error is on both spans."""
    responses = method(channel, "unary_stream", "CrashMidway")(b"")
    assert next(responses) == b"one"
    with pytest.raises(grpc.RpcError):
        next(responses)

    client, server = pair_of(captured, "CrashMidway")
    assert code_of(client) == code_of(server) == grpc.StatusCode.UNKNOWN.value[0]
    assert [event.name for event in server.events] == ["exception"]


def test_a_server_that_is_not_there(captured: Captured) -> None:
    """The client's span tells of it."""
    with grpc.insecure_channel("127.0.0.1:1") as plain:
        channel = grpc.intercept_channel(plain, sidespan.grpc.client_interceptor())
        with pytest.raises(grpc.RpcError):
            method(channel, "unary_unary", "Echo")(b"", timeout=WAIT_S)

    (span,) = captured.spans
    assert code_of(span) == grpc.StatusCode.UNAVAILABLE.value[0]


def test_off_is_out_of_the_way() -> None:
    """Without recording the metadata is as the caller gave it."""
    seen: list[Any] = []

    def look(_: bytes, context: grpc.ServicerContext) -> bytes:
        seen.append([key for key, _ in context.invocation_metadata()])
        return b""

    with ThreadPoolExecutor(1) as pool:
        server = grpc.server(pool, interceptors=[sidespan.grpc.server_interceptor()])
        server.add_generic_rpc_handlers((handlers({"Look": ("unary_unary", look)}),))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        with grpc.insecure_channel(f"127.0.0.1:{port}") as plain:
            channel = grpc.intercept_channel(plain, sidespan.grpc.client_interceptor())
            method(channel, "unary_unary", "Look")(b"")
        server.stop(None).wait()

    assert "traceparent" not in seen[0]


async def aio_echo(request: bytes, context: Any) -> bytes:
    """Answer."""
    await asyncio.sleep(0)
    inner("Echo")
    return request


async def aio_abort(_: bytes, context: Any) -> bytes:
    """Answer with a status by leaving."""
    await context.abort(grpc.StatusCode.UNAVAILABLE, "gone fishing")
    return b""


async def aio_crash(_: bytes, context: Any) -> bytes:
    """Raise."""
    raise ValueError("a bug")


async def aio_hang(_: bytes, context: Any) -> bytes:
    """Never answer."""
    await asyncio.Event().wait()
    return b""


async def aio_count(request: bytes, context: Any) -> AsyncIterator[bytes]:
    """Answer several times."""
    for number in range(int(request)):
        inner("Count")
        yield b"%d" % number


async def aio_write(request: bytes, context: Any) -> None:
    """Answer several times by writing."""
    for number in range(int(request)):
        await context.write(b"%d" % number)


async def aio_total(requests: AsyncIterator[bytes], context: Any) -> bytes:
    """Answer many with one."""
    return b"%d" % sum([int(request) async for request in requests])


async def aio_repeat(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
    """Answer each."""
    async for request in requests:
        yield request


AIO = handlers({
    "Echo": ("unary_unary", aio_echo),
    "Plain": ("unary_unary", lambda request, _: request),
    "Abort": ("unary_unary", aio_abort),
    "Crash": ("unary_unary", aio_crash),
    "Hang": ("unary_unary", aio_hang),
    "Count": ("unary_stream", aio_count),
    "Write": ("unary_stream", aio_write),
    "PlainCount": ("unary_stream", lambda request, _: (b"%d" % n for n in range(int(request)))),
    "Total": ("stream_unary", aio_total),
    "Repeat": ("stream_stream", aio_repeat),
})  # fmt: skip


def with_aio_channel(use: Callable[[grpc.aio.Channel], Awaitable[None]]) -> None:
    """Run ``use`` with an instrumented channel to an instrumented server."""

    async def main() -> None:
        server = grpc.aio.server(interceptors=[sidespan.grpc.aio_server_interceptor()])
        server.add_generic_rpc_handlers((AIO,))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        interceptors = sidespan.grpc.aio_client_interceptors()
        target = f"127.0.0.1:{port}"
        async with grpc.aio.insecure_channel(target, interceptors=interceptors) as channel:
            await use(channel)
        await server.stop(None)

    asyncio.run(asyncio.wait_for(main(), WAIT_S))


def test_aio_unary_call(captured: Captured) -> None:
    """Client and server span are parent and child, and what the handler does is within."""

    async def use(channel: grpc.aio.Channel) -> None:
        with sidespan.span("plan"):
            assert await method(channel, "unary_unary", "Echo")(b"hi") == b"hi"
            metadata = grpc.aio.Metadata(("k", "v"))
            assert await method(channel, "unary_unary", "Plain")(b"hi", metadata=metadata) == b"hi"

    with_aio_channel(use)

    for name in ("Echo", "Plain"):
        client, server = pair_of(captured, name)
        assert client.parent_span_id == captured.named("plan").span_id
        assert (code_of(client), code_of(server)) == (0, 0)
    assert captured.named("in Echo").parent_span_id == pair_of(captured, "Echo")[1].span_id


@pytest.mark.parametrize(
    ("name", "code", "events"),
    [
        ("Abort", grpc.StatusCode.UNAVAILABLE, []),
        ("Crash", grpc.StatusCode.UNKNOWN, ["exception"]),
    ],
)
def test_aio_failed_calls(
    captured: Captured, name: str, code: grpc.StatusCode, events: list[str]
) -> None:
    """Both spans have the status."""

    async def use(channel: grpc.aio.Channel) -> None:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await method(channel, "unary_unary", name)(b"")
        assert caught.value.code() is code

    with_aio_channel(use)

    client, server = pair_of(captured, name)
    assert code_of(client) == code_of(server) == code.value[0]
    assert client.status.code == server.status.code == Status.STATUS_CODE_ERROR
    assert [event.name for event in server.events] == events


def test_aio_cancelled_call(captured: Captured) -> None:
    """Both spans end as cancelled."""

    async def use(channel: grpc.aio.Channel) -> None:
        call = method(channel, "unary_unary", "Hang")(b"", timeout=0.05)
        with pytest.raises(grpc.aio.AioRpcError):
            await call

    with_aio_channel(use)

    client, server = pair_of(captured, "Hang")
    assert code_of(client) == grpc.StatusCode.DEADLINE_EXCEEDED.value[0]
    assert code_of(server) == grpc.StatusCode.CANCELLED.value[0]


def test_aio_streaming_calls(captured: Captured) -> None:
    """Every kind of stream and handler is one span on each side."""

    async def use(channel: grpc.aio.Channel) -> None:
        for name in ("Count", "Write", "PlainCount"):
            call = method(channel, "unary_stream", name)(b"3")
            assert [response async for response in call] == [b"0", b"1", b"2"]
        assert await method(channel, "stream_unary", "Total")(iter([b"1", b"2"])) == b"3"
        call = method(channel, "stream_stream", "Repeat")(iter([b"a", b"b"]))
        assert [response async for response in call] == [b"a", b"b"]

    with_aio_channel(use)

    for name in ("Count", "Write", "PlainCount", "Total", "Repeat"):
        client, server = pair_of(captured, name)
        assert (code_of(client), code_of(server)) == (0, 0), name
    _, server = pair_of(captured, "Count")
    within = [span for span in captured.spans if span.name == "in Count"]
    assert [span.parent_span_id for span in within] == [server.span_id] * 3
