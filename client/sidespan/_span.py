"""Spans: what a program did, from when to when, within what."""

from collections.abc import Callable, Mapping
from contextvars import Token
from functools import wraps
from time import time_ns
from types import TracebackType
from typing import Any, Literal, Self, TypeVar, cast

from sidespan import _otlp
from sidespan._buffer import Buffer
from sidespan._context import INVALID_CONTEXT, SpanContext, child_context, root_context
from sidespan._current import Activation, current_span, leave
from sidespan._failure import exception_message, exception_type, stacktrace
from sidespan._limits import (
    SMALL_FIELD_BYTES,
    SPAN_ATTRIBUTES_MAX,
    SPAN_EVENTS_MAX,
    SPAN_LARGE_FIELDS_BYTES_MAX,
)
from sidespan._runtime import runtime
from sidespan._values import safe_text

Kind = Literal["internal", "server", "client", "producer", "consumer"]
_KINDS: dict[str, int] = {"internal": 1, "server": 2, "client": 3, "producer": 4, "consumer": 5}

_Function = TypeVar("_Function", bound=Callable[..., Any])


class Span:
    """One operation, recorded when it ends. Made by ``span()``; used once, from any thread.

    No method raises, waits or prints. Before ``start``, after ``end`` and while nothing is recorded
    they do nothing.

    Attributes:
        context: Its identity once it has started; all zero before, and while nothing is recorded.
    """

    __slots__ = (
        "_attributes",
        "_buffer",
        "_dropped_attributes",
        "_dropped_events",
        "_events",
        "_given",
        "_kind",
        "_large_bytes_left",
        "_name",
        "_parent",
        "_start_ns",
        "_status",
        "_token",
        "context",
    )

    def __init__(
        self, name: str, given: Mapping[str, object], kind: Kind, parent: SpanContext | None
    ) -> None:
        self.context = INVALID_CONTEXT
        self._name = name
        self._given = given
        self._kind = kind
        self._parent = parent
        self._start_ns = 0
        # Where it goes when it ends; None while it is not open.
        self._buffer: Buffer | None = None
        self._token: Token[Span | None] | None = None

    @property
    def trace_id(self) -> str:
        """32 lower-case hex digits."""
        return self.context.trace_id

    @property
    def span_id(self) -> str:
        """16 lower-case hex digits."""
        return self.context.span_id

    @property
    def recording(self) -> bool:
        """Whether what is set on it now will be recorded."""
        return self._buffer is not None

    def start(self) -> Self:
        """Begin, a child of the given parent or the current span, without becoming current."""
        buffer = runtime.buffer
        if buffer is None or self._start_ns:
            return self
        try:
            parent = self._parent
            if parent is None:
                enclosing = current_span.get()
                if enclosing is not None:
                    self._parent = parent = enclosing.context
            if parent is None:
                self.context = root_context()
            else:
                self.context = child_context(parent)
            if type(self._name) is not str:
                self._name = safe_text(self._name)
            if type(self._kind) is not str:
                self._kind = "internal"
            self._attributes: dict[str, bytes] = {}
            self._events: list[bytes] = []
            self._status = b""
            self._dropped_attributes = self._dropped_events = 0
            self._large_bytes_left = SPAN_LARGE_FIELDS_BYTES_MAX
            self._start_ns = time_ns()
            self._buffer = buffer
            if self._given:
                self._put(self._given)
        except Exception as error:
            runtime.note(error)
        return self

    def set(self, attributes: Mapping[str, object] | None = None, /, **named: object) -> Self:
        """Set attributes, in place of older ones of the same key.

        Args:
            attributes: For keys with dots.
            **named: For keys without. Values may be anything; they are looked at now, not later.

        Returns:
            The span itself.
        """
        if self._buffer is not None:
            try:
                if attributes:
                    self._put(attributes)
                if named:
                    self._put(named)
            except Exception as error:
                runtime.note(error)
        return self

    def add_event(self, name: str, attributes: Mapping[str, object] | None = None, /) -> Self:
        """Add something that happens now.

        Args:
            name: What happened.
            attributes: Values may be anything.

        Returns:
            The span itself.
        """
        if self._buffer is not None:
            try:
                if type(name) is not str:
                    name = safe_text(name)
                field = _otlp.event(name, time_ns(), attributes or {})
                if len(self._events) < SPAN_EVENTS_MAX and (
                    len(field) <= SMALL_FIELD_BYTES or self._affords(len(field))
                ):
                    self._events.append(field)
                else:
                    self._dropped_events += 1
            except Exception as error:
                runtime.note(error)
        return self

    def fail(self, error: BaseException | str, /) -> Self:
        """Mark the span as failed.

        Args:
            error: A text, or an exception, which becomes an ``exception`` event too. What only
                steers the program (``CancelledError``, ``GeneratorExit``, ``SystemExit``) is such
                an event and no failure.

        Returns:
            The span itself.
        """
        if self._buffer is not None:
            try:
                if isinstance(error, BaseException):
                    self._add_exception(error)
                else:
                    self._status = _otlp.error_status(safe_text(error))
            except Exception as inner:
                runtime.note(inner)
        return self

    def end(self, error: BaseException | None = None, /) -> None:
        """End now and hand the span to the sender.

        Args:
            error: What ended it, treated as ``fail`` does.
        """
        buffer = self._buffer
        if buffer is None:
            return
        end_ns = time_ns()
        if error is not None:
            self.fail(error)
        self._buffer = None
        try:
            status = self._status
            if self._dropped_attributes or self._dropped_events:
                dropped = _otlp.dropped_counts(self._dropped_attributes, self._dropped_events)
                status = dropped + status
            encoded = _otlp.span(
                self.context,
                self._parent,
                self._name,
                kind=_KINDS.get(self._kind, 1),
                start_ns=self._start_ns,
                # A clock that was set back must not make a span of negative length.
                end_ns=max(self._start_ns, end_ns),
                fields=(*self._attributes.values(), *self._events, status),
            )
            buffer.offer(encoded)
        except Exception as inner:
            runtime.note(inner)

    def activate(self) -> Activation:
        """Return a context manager within which the span is current; it does not end it."""
        return Activation(self)

    def __enter__(self) -> Self:
        self.start()
        if self._buffer is not None and self._token is None:
            self._token = current_span.set(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        token = self._token
        if token is not None:
            self._token = None
            leave(token)
        self.end(error)

    def __call__(self, function: _Function) -> _Function:
        """Return ``function`` with each of its calls in a span of its own, made as this one was.

        A coroutine function's span lasts until its coroutine is done. A generator's covers only the
        call that makes it.
        """
        import inspect

        name, given, kind, parent = self._name, self._given, self._kind, self._parent
        if inspect.iscoroutinefunction(function):

            @wraps(function)
            async def coroutine(*args: Any, **kwargs: Any) -> Any:
                with span(name, given, kind=kind, parent=parent):
                    return await function(*args, **kwargs)

            return cast("_Function", coroutine)

        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            with span(name, given, kind=kind, parent=parent):
                return function(*args, **kwargs)

        return cast("_Function", call)

    def _put(self, attributes: Mapping[str, object]) -> None:
        own = self._attributes
        for key, value in attributes.items():
            field = _otlp.attribute(_otlp.SPAN_ATTRIBUTE, key, value)
            if (len(own) < SPAN_ATTRIBUTES_MAX or key in own) and (
                len(field) <= SMALL_FIELD_BYTES or self._affords(len(field), len(own.get(key, b"")))
            ):
                own[key] = field
            else:
                self._dropped_attributes += 1

    def _affords(self, size: int, replaced: int = 0) -> bool:
        """Take the room of a large field, and that of the one it replaces, if there is enough."""
        left = self._large_bytes_left - size
        if replaced > SMALL_FIELD_BYTES:
            left += replaced
        if left >= 0:
            self._large_bytes_left = left
        return left >= 0

    def _add_exception(self, error: BaseException) -> None:
        kind, message = exception_type(error), exception_message(error)
        self.add_event(
            "exception",
            {
                "exception.type": kind,
                "exception.message": message,
                "exception.stacktrace": stacktrace(error),
            },
        )
        if isinstance(error, Exception | KeyboardInterrupt):
            self._put({"error.type": kind})
            self._status = _otlp.error_status(f"{kind}: {message}")


class _Unrecorded(Span):
    """A span of a process that records nothing: it does nothing, but can decorate."""

    __slots__ = ()

    def __init__(
        self, name: str, given: Mapping[str, object], kind: Kind, parent: SpanContext | None
    ) -> None:
        self.context = INVALID_CONTEXT
        self._name = name
        self._given = given
        self._kind = kind
        self._parent = parent

    @property
    def recording(self) -> bool:
        return False

    def start(self) -> Self:
        return self

    def set(self, _: Mapping[str, object] | None = None, /, **_named: object) -> Self:
        return self

    def add_event(self, _name: str, _: Mapping[str, object] | None = None, /) -> Self:
        return self

    def fail(self, _error: BaseException | str, /) -> Self:
        return self

    def end(self, _error: BaseException | None = None, /) -> None:
        return

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return


# Stands for the current span where there is none.
_NO_SPAN = _Unrecorded("", {}, "internal", None)


def span(
    name: str,
    attributes: Mapping[str, object] | None = None,
    /,
    *,
    kind: Kind = "internal",
    parent: "SpanContext | Span | None" = None,
    **named: object,
) -> Span:
    """Make a span, to be entered with ``with`` or used as a decorator.

    An exception that leaves the block or the function marks the span as failed and goes on
    unchanged.

    Args:
        name: What is done, the same for every time it is done.
        attributes: For keys with dots.
        kind: The role of the span between processes.
        parent: A context from ``extract``, or another span; without one, the current span.
        **named: For keys without dots. Values may be anything.
    """
    if parent is not None:
        parent = _parent_context(parent)
    if attributes:
        named = _merged(attributes, named)
    if runtime.buffer is None and (not runtime.undecided or runtime.decide() is None):
        return _Unrecorded(name, named, kind, parent)
    return Span(name, named, kind, parent)


def current() -> Span:
    """Return the current span; without one, a span whose methods do nothing."""
    return current_span.get() or _NO_SPAN


def add_event(name: str, attributes: Mapping[str, object] | None = None, /) -> None:
    """Add an event to the current span; without one do nothing."""
    current().add_event(name, attributes)


def _parent_context(parent: object) -> SpanContext | None:
    context = parent.context if isinstance(parent, Span) else parent
    return context if isinstance(context, SpanContext) and any(context.trace_id_bytes) else None


def _merged(attributes: Mapping[str, object], named: dict[str, object]) -> dict[str, object]:
    try:
        return {**attributes, **named}
    except Exception as error:
        runtime.note(error)
        return named
