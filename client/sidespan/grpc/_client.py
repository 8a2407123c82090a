"""The client interceptor of ``grpc``."""

from collections.abc import Callable
from typing import Any, NamedTuple

import grpc

from sidespan._runtime import runtime
from sidespan._span import Span
from sidespan.grpc._rpc import client_span, end_client_span, with_headers


class _CallDetails(NamedTuple):
    """What grpc reads of a ``ClientCallDetails``; it keeps no public class for it."""

    method: str
    timeout: float | None
    metadata: list[tuple[str, str | bytes]]
    credentials: Any
    wait_for_ready: bool | None
    compression: Any


class _ClientInterceptor(
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
    grpc.StreamUnaryClientInterceptor,
    grpc.StreamStreamClientInterceptor,
):
    def _intercept(self, continuation: Callable[..., Any], details: Any, request: Any) -> Any:
        opened = client_span(details.method)
        if not opened.recording:
            return continuation(details, request)
        try:
            with opened.activate():
                call = continuation(_with_headers(details, opened), request)
        except BaseException as error:
            opened.end(error)
            raise
        _end_when_done(opened, call)
        return call

    intercept_unary_unary = _intercept
    intercept_unary_stream = _intercept
    intercept_stream_unary = _intercept
    intercept_stream_stream = _intercept


def client_interceptor() -> grpc.UnaryUnaryClientInterceptor:
    """Return an interceptor for ``grpc.intercept_channel``, for RPCs of all four kinds.

    The span of a streaming RPC lasts until the stream is exhausted, cancelled or garbage.
    """
    return _ClientInterceptor()


def _with_headers(details: Any, opened: Span) -> Any:
    try:
        return _CallDetails(
            details.method,
            details.timeout,
            with_headers(details.metadata, opened.context),
            getattr(details, "credentials", None),
            getattr(details, "wait_for_ready", None),
            getattr(details, "compression", None),
        )
    except Exception as error:
        runtime.note(error)
        return details


def _end_when_done(opened: Span, call: Any) -> None:
    def end(done: Any) -> None:
        end_client_span(opened, done.code(), done.details())

    try:
        call.add_done_callback(end)
    except Exception as error:
        # Another interceptor answered with something that is not a call.
        runtime.note(error)
        opened.end()
