"""What the four interceptors share: how an RPC becomes a span.

Source: OpenTelemetry semantic conventions for gRPC.
"""

from collections.abc import Callable, Iterable
from typing import Any

import grpc
import grpc.aio

from sidespan._context import SpanContext
from sidespan._correlation import correlation
from sidespan._factory import span
from sidespan._propagation import TRACEPARENT, TRACESTATE, extract, headers
from sidespan._runtime import runtime
from sidespan._span import Kind, Span

# To a server only these say that it failed; NOT_FOUND, say, is an answer.
_SERVER_FAILURES = frozenset(
    code.value[0]
    for code in (
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    )
)
_OK: int = grpc.StatusCode.OK.value[0]
_CANCELLED: int = grpc.StatusCode.CANCELLED.value[0]
_UNKNOWN: int = grpc.StatusCode.UNKNOWN.value[0]
_NAMES: dict[int, str] = {code.value[0]: code.name for code in grpc.StatusCode}

_HANDLERS: dict[tuple[bool, bool], tuple[str, Callable[..., Any]]] = {
    (False, False): ("unary_unary", grpc.unary_unary_rpc_method_handler),
    (False, True): ("unary_stream", grpc.unary_stream_rpc_method_handler),
    (True, False): ("stream_unary", grpc.stream_unary_rpc_method_handler),
    (True, True): ("stream_stream", grpc.stream_stream_rpc_method_handler),
}


def client_span(method: str | bytes) -> Span:
    """Return the started span of an RPC that this process makes."""
    return _rpc_span(method, "client", None).start()


def server_span(details: grpc.HandlerCallDetails) -> Span:
    """Return the started span of an RPC that this process serves, a child of its caller's."""
    carrier: dict[str, list[object]] = {}
    for key, value in details.invocation_metadata or ():
        carrier.setdefault(key, []).append(value)
    opened = _rpc_span(details.method, "server", extract(carrier)).start()
    return opened.set(correlation(carrier))


def with_headers(
    metadata: Iterable[tuple[str, str | bytes]] | None, context: SpanContext
) -> list[tuple[str, str | bytes]]:
    """Return ``metadata`` with the trace in it, in place of one that was there."""
    added = headers(context)
    replaced = {TRACEPARENT, TRACESTATE, *(key for key, _ in added)}
    return [*(pair for pair in metadata or () if pair[0] not in replaced), *added]


def end_client_span(opened: Span, code: object, details: object) -> None:
    """End a client's span with the status of its RPC; any but OK is a failure."""
    number = _number(code)
    number = _UNKNOWN if number is None else number
    opened.set({"rpc.grpc.status_code": number})
    if number != _OK:
        opened.fail(_describe(number, details))
    opened.end()


def end_server_span(opened: Span, context: Any, error: BaseException | None = None) -> None:
    """End a server's span with the status that its handler left behind.

    Args:
        opened: The span; when it has ended already nothing happens.
        context: The handler's ``ServicerContext``.
        error: What the handler raised, if it did.
    """
    try:
        number, details = _number(context.code()), context.details()
    except Exception as unknown:
        # A context of another make; the outcome is then what the handler did.
        runtime.note(unknown)
        number, details = None, ""
    aborted = type(error) is Exception and not error.args  # That is what grpc's abort raises.
    aborted = aborted or isinstance(error, grpc.aio.AbortError)
    if number is None or (error is not None and number == _OK):
        number = _OK
        if error is not None:
            number = _UNKNOWN if isinstance(error, Exception) else _CANCELLED
    opened.set({"rpc.grpc.status_code": number})
    if error is not None and not aborted:
        opened.fail(error)
    elif number in _SERVER_FAILURES:
        opened.fail(_describe(number, details))
    opened.end()


def end_cancelled_server_span(opened: Span) -> None:
    """End a server's span whose RPC was over before its handler was."""
    opened.set({"rpc.grpc.status_code": _CANCELLED})
    opened.end()


def behaviour_of(handler: Any) -> Callable[..., Any]:
    """Return the function with which a method handler answers."""
    name, _ = _HANDLERS[handler.request_streaming, handler.response_streaming]
    function: Callable[..., Any] = getattr(handler, name)
    return function


def replaced(handler: Any, behaviour: Callable[..., Any]) -> Any:
    """Return a method handler that answers with ``behaviour`` and is otherwise like ``handler``."""
    _, make = _HANDLERS[handler.request_streaming, handler.response_streaming]
    return make(behaviour, handler.request_deserializer, handler.response_serializer)


def _rpc_span(method: str | bytes, kind: Kind, parent: SpanContext | None) -> Span:
    path = method.decode("utf-8", "replace") if isinstance(method, bytes) else method
    name = path.removeprefix("/")
    service, _, procedure = name.rpartition("/")
    attributes = {"rpc.system": "grpc", "rpc.service": service, "rpc.method": procedure}
    return span(name, attributes, kind=kind, parent=parent)


def _number(code: object) -> int | None:
    if isinstance(code, grpc.StatusCode):
        number: int = code.value[0]
        return number
    return code if isinstance(code, int) else None


def _describe(number: int, details: object) -> str:
    text = details.decode("utf-8", "replace") if isinstance(details, bytes) else str(details or "")
    name = _NAMES.get(number, str(number))
    return f"{name}: {text}" if text else name
