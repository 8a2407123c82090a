"""The server interceptor of ``grpc.aio``."""

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc.aio

from sidespan._current import Inside
from sidespan.grpc._rpc import behaviour_of, end_server_span, replaced, server_span
from sidespan.grpc._server import traced


class _AioServerInterceptor(grpc.aio.ServerInterceptor):
    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler | None:
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        behaviour = behaviour_of(handler)
        if inspect.isasyncgenfunction(behaviour):
            return _traced_stream(handler, handler_call_details)
        if inspect.iscoroutinefunction(behaviour):
            return _traced_coroutine(handler, handler_call_details)
        return traced(handler, handler_call_details)


def aio_server_interceptor() -> grpc.aio.ServerInterceptor:
    """Return an interceptor for ``grpc.aio.server``, for RPCs and handlers of every kind."""
    return _AioServerInterceptor()


def _traced_coroutine(handler: Any, details: grpc.HandlerCallDetails) -> Any:
    """Return a handler for a coroutine: it returns a response, or writes several."""
    inner = behaviour_of(handler)

    async def coroutine(request: Any, context: Any) -> Any:
        opened = server_span(details)
        try:
            with opened.activate():
                response = await inner(request, context)
        except BaseException as error:
            end_server_span(opened, context, error)
            raise
        end_server_span(opened, context)
        return response

    return replaced(handler, coroutine)


def _traced_stream(handler: Any, details: grpc.HandlerCallDetails) -> Any:
    """Return a handler for an asynchronous generator; a response is made in its span."""
    inner = behaviour_of(handler)

    async def stream(request: Any, context: Any) -> AsyncIterator[Any]:
        opened = server_span(details)
        inside = Inside(opened)
        responses = inner(request, context)
        try:
            while True:
                outside = inside.enter()
                try:
                    response = await anext(responses, _END)
                finally:
                    inside.leave(outside)
                if response is _END:
                    break
                yield response
        except BaseException as error:
            end_server_span(opened, context, error)
            raise
        finally:
            await _closed(responses, inside)
        end_server_span(opened, context)

    return replaced(handler, stream)


async def _closed(responses: Any, inside: Inside) -> None:
    """Close a handler's generator, with what is current in it."""
    outside = inside.enter()
    try:
        await responses.aclose()
    finally:
        inside.leave(outside)


_END = object()
