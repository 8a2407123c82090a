"""The server interceptor of ``grpc``, and of ``grpc.aio`` for handlers that are plain functions."""

from collections.abc import Callable, Iterator
from typing import Any

import grpc

from sidespan._current import Inside
from sidespan._span import Span
from sidespan.grpc._rpc import (
    behaviour_of,
    end_cancelled_server_span,
    end_server_span,
    replaced,
    server_span,
)


class _ServerInterceptor(grpc.ServerInterceptor):
    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], grpc.RpcMethodHandler | None],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler | None:
        handler = continuation(handler_call_details)
        return handler and traced(handler, handler_call_details)


def server_interceptor() -> grpc.ServerInterceptor:
    """Return an interceptor for ``grpc.server``, for RPCs of all four kinds.

    While a streaming handler makes a response the span is current; it lasts until the last one or
    the RPC's end.
    """
    return _ServerInterceptor()


def traced(handler: Any, details: grpc.HandlerCallDetails) -> Any:
    """Return ``handler`` with each of its RPCs in a span; its behaviour is a plain function."""
    inner = behaviour_of(handler)

    def unary(request: Any, context: grpc.ServicerContext) -> Any:
        opened = server_span(details)
        try:
            with opened.activate():
                response = inner(request, context)
        except BaseException as error:
            end_server_span(opened, context, error)
            raise
        end_server_span(opened, context)
        return response

    def streaming(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        opened = server_span(details)
        inside = Inside(opened)
        outside = inside.enter()
        try:
            responses = iter(inner(request, context))
        except BaseException as error:
            end_server_span(opened, context, error)
            raise
        finally:
            inside.leave(outside)
        return _Responses(opened, inside, responses, context)

    return replaced(handler, streaming if handler.response_streaming else unary)


class _Responses:
    """A handler's stream, in whose span each response is made.

    Not a generator: between two responses the thread serves others, and nothing of the span may
    stay current.
    """

    def __init__(
        self,
        opened: Span,
        inside: Inside,
        responses: Iterator[Any],
        context: grpc.ServicerContext,
    ) -> None:
        self._span = opened
        self._inside = inside
        self._responses = responses
        self._context = context
        # When the client goes away nobody asks for the next response. False: it is gone already.
        if context.add_callback(self._over) is False:
            self._over()

    def __iter__(self) -> "_Responses":
        return self

    def __next__(self) -> Any:
        outside = self._inside.enter()
        try:
            return next(self._responses)
        except StopIteration:
            end_server_span(self._span, self._context)
            raise
        except BaseException as error:
            end_server_span(self._span, self._context, error)
            raise
        finally:
            self._inside.leave(outside)

    def _over(self) -> None:
        end_cancelled_server_span(self._span)
