"""The client interceptors of ``grpc.aio``, which wants one for each kind of RPC."""

from collections.abc import Callable
from typing import Any

import grpc.aio

from sidespan._runtime import runtime
from sidespan._span import Span
from sidespan.grpc._rpc import client_span, end_client_span, with_headers


def aio_client_interceptors() -> list[grpc.aio.ClientInterceptor]:
    """Return the interceptors for a ``grpc.aio`` channel, for RPCs of all four kinds."""
    return [_UnaryUnary(), _UnaryStream(), _StreamUnary(), _StreamStream()]


async def _intercept(
    _: object, continuation: Callable[..., Any], client_call_details: Any, request: Any
) -> Any:
    opened = client_span(client_call_details.method)
    if not opened.recording:
        return await continuation(client_call_details, request)
    try:
        with opened.activate():
            call = await continuation(_with_headers(client_call_details, opened), request)
    except BaseException as error:
        opened.end(error)
        raise
    _end_when_done(opened, call)
    return call


class _UnaryUnary(grpc.aio.UnaryUnaryClientInterceptor):
    intercept_unary_unary = _intercept


class _UnaryStream(grpc.aio.UnaryStreamClientInterceptor):
    intercept_unary_stream = _intercept


class _StreamUnary(grpc.aio.StreamUnaryClientInterceptor):
    intercept_stream_unary = _intercept


class _StreamStream(grpc.aio.StreamStreamClientInterceptor):
    intercept_stream_stream = _intercept


def _with_headers(details: Any, opened: Span) -> Any:
    try:
        metadata = grpc.aio.Metadata(*with_headers(details.metadata, opened.context))
        return details._replace(metadata=metadata)
    except Exception as error:
        runtime.note(error)
        return details


def _end_when_done(opened: Span, call: Any) -> None:
    def end(done: Any) -> None:
        try:
            end_client_span(opened, _result(done.code()), _result(done.details()))
        except Exception as error:
            runtime.note(error)
            opened.end()

    try:
        call.add_done_callback(end)
    except Exception as error:
        # Another interceptor answered with something that is not a call.
        runtime.note(error)
        opened.end()


def _result(coroutine: Any) -> Any:
    """Return what a coroutine of a call that is done returns: it has nothing left to wait for."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    finally:
        coroutine.close()
    return None
