"""Spans: what a program did, from when to when, within what."""

from collections.abc import Callable, Mapping
from time import time_ns
from types import TracebackType
from typing import Any, Final, Literal, Self, TypeVar

from sidespan import _otlp
from sidespan._buffer import MarkedSpan
from sidespan._context import INVALID_CONTEXT, SpanContext, child_context, root_context
from sidespan._current import Activation, current_span
from sidespan._extra import Extra
from sidespan._failure import exception_message, exception_type, stacktrace
from sidespan._limits import SMALL_FIELD_BYTES, SPAN_EVENTS_MAX, SPAN_LARGE_FIELDS_BYTES_MAX
from sidespan._open_span import OpenSpan
from sidespan._runtime import runtime
from sidespan._values import safe_text

Kind = Literal["internal", "server", "client", "producer", "consumer"]

# As a parent: the span begins a trace, whatever is current. None means the current span.
NO_PARENT: Final = SpanContext(bytes(16), bytes(8), 0, "", is_remote=False)

_NO_ATTRIBUTES: Mapping[str, object] = {}
_NOT_ENTERED: Final[Any] = object()

_Function = TypeVar("_Function", bound=Callable[..., Any])


class Span(OpenSpan):
    """One operation, recorded when it ends. Made by ``span()``; used once, from any thread.

    A span that stays open is announced to the recorder by a mark, and so is what is set on it
    later: should this process die, the record shows how far it came.

    No method raises, prints or waits (except for the start of a durable one). Before ``start``,
    after ``end`` and while nothing is recorded they do nothing.

    Attributes:
        context: Its identity once it has started; all zero before, and while nothing is recorded.
    """

    __slots__ = ("_given", "_outer")

    def __init__(
        self,
        name: str,
        given: Mapping[str, object],
        kind: int,
        parent: SpanContext | None,
        extra: Extra | None,
    ) -> None:
        self.context = INVALID_CONTEXT
        self._name = name
        self._given = given
        self._kind = kind
        self._parent = parent
        self._extra = extra
        self._mark = None
        self._start_ns = 0
        self._buffer = None
        # What was current when it was entered.
        self._outer: Span | None = _NOT_ENTERED

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

    @property
    def durable(self) -> bool:
        """Whether its start is on the node's disk."""
        return self._mark is not None and self._mark.durable

    def start(self) -> Self:
        """Begin, a child of the given parent or the current span, without becoming current.

        A durable span waits here until its start is on disk.
        """
        if self._begin(current_span.get()) and self._extra is not None:
            self._wait(self._extra)
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
                if self._mark is not None:
                    self._mark.touch(self, self._buffer)
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
                field = _otlp.event(name, time_ns(), attributes or _NO_ATTRIBUTES)
                if len(field) <= SMALL_FIELD_BYTES and len(self._events) < SPAN_EVENTS_MAX:
                    self._events.append(field)
                else:
                    self._put_event(field)
                if self._mark is not None:
                    self._mark.touch(self, self._buffer)
            except Exception as error:
                runtime.note(error)
        return self

    def link(
        self,
        other: "SpanContext | Span | None",
        attributes: Mapping[str, object] | None = None,
        /,
    ) -> Self:
        """Link to another span, of this trace or another; nothing happens for an inert one.

        Args:
            other: The span, or a context from ``extract``.
            attributes: What the link means.

        Returns:
            The span itself.
        """
        if self._buffer is not None:
            try:
                context = other.context if isinstance(other, Span) else other
                self._extras().link(context, attributes or {})
            except Exception as error:
                runtime.note(error)
        return self

    def state(self, name: str, value: object, /) -> Self:
        """Take a snapshot of a part of the program's state, before and after this span's work.

        The first call for a name takes the one before. Another call with that name takes the one
        after; without any it is taken of the same object when the span ends.

        Args:
            name: Of that part, such as ``memory``. At most STATES_MAX names a span.
            value: Anything; recorded as JSON of at most STATE_BYTES_MAX, in the attributes
                ``sidespan.state.<name>.before`` and ``….after``.

        Returns:
            The span itself.
        """
        if self._buffer is not None:
            try:
                self.set(self._extras().snapshot(safe_text(name), value))
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
        end_ns, start_ns = time_ns(), self._start_ns
        if error is not None:
            self.fail(error)
        try:
            rest = self._rest() if self._extra is not None else self._status
            if self._dropped_attributes or self._dropped_events:
                dropped = _otlp.dropped_counts(self._dropped_attributes, self._dropped_events)
                rest = dropped + rest
            self._buffer = None
            encoded = _otlp.span(
                self.context,
                self._parent,
                self._name,
                self._kind,
                start_ns,
                # A clock that was set back must not make a span of negative length.
                max(start_ns, end_ns),
                self._attributes.values(),
                self._events,
                rest,
            )
            if buffer.young.pop(self, self) is self:
                encoded = MarkedSpan(encoded)
            buffer.offer(encoded)
        except Exception as inner:
            self._buffer = None
            runtime.note(inner)

    def activate(self) -> Activation:
        """Return a context manager within which the span is current; it does not end it."""
        return Activation(self)

    def __enter__(self) -> Self:
        enclosing = current_span.get()
        if self._begin(enclosing) and self._extra is not None:
            self._wait(self._extra)
        if self._outer is _NOT_ENTERED and self._buffer is not None:
            self._outer = enclosing
            current_span.set(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        outer = self._outer
        if outer is not _NOT_ENTERED:
            self._outer = _NOT_ENTERED
            # A generator that is closed from elsewhere: that other context is not ours to change.
            if current_span.get() is self:
                current_span.set(outer)
        self.end(error)

    async def __aenter__(self) -> Self:
        """As ``with``; a durable one lets the loop go on while it waits."""
        begun = self._begin(current_span.get())
        if begun and self._extra is not None and self._extra.durable_timeout_s is not None:
            from sidespan._durable import wait_for_mark_async

            await wait_for_mark_async(self, self._extra.durable_timeout_s)
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, traceback)

    def __call__(self, function: _Function) -> _Function:
        """Return ``function`` with each of its calls in a span of its own, made as this one was.

        The span of a coroutine function lasts until its coroutine is done, that of a generator,
        asynchronous or not, until it is exhausted or closed; it is current while the generator
        runs, and not between.
        """
        from sidespan._decorate import decorate

        return decorate(self._again, function)

    def _again(self) -> "Span":
        """Return a span that is made as this one was."""
        extra = self._extra.again() if self._extra is not None else None
        return type(self)(self._name, self._given, self._kind, self._parent, extra)

    def _begin(self, enclosing: "Span | None") -> bool:
        """Start unless it has; tell whether it did."""
        buffer = runtime.buffer
        if buffer is None or self._start_ns:
            return False
        try:
            parent = self._parent
            if parent is None:
                if enclosing is not None:
                    self._parent = parent = enclosing.context
            elif parent is NO_PARENT:
                self._parent = parent = None
                if enclosing is not None:
                    self._extras().link(enclosing.context, {})
            self.context = root_context() if parent is None else child_context(parent)
            self._attributes = {}
            self._events = []
            self._dropped_attributes = self._dropped_events = 0
            self._large_bytes_left = SPAN_LARGE_FIELDS_BYTES_MAX
            self._status = b""
            self._start_ns = time_ns()
            self._buffer = buffer
            if self._given:
                self._put(self._given)
            # A durable one is announced by who waits for that, not by its age.
            if self._extra is None or self._extra.durable_timeout_s is None:
                buffer.young[self] = None
                if not buffer.watched:
                    buffer.watch()
        except Exception as error:
            runtime.note(error)
        return True

    def _wait(self, extra: Extra) -> None:
        if extra.durable_timeout_s is not None:
            from sidespan._durable import wait_for_mark

            wait_for_mark(self, extra.durable_timeout_s)

    def _rest(self) -> bytes:
        """Return the fields that few spans have, and take the last snapshots."""
        extra = self._extras()
        self._put(extra.last_snapshots())
        return extra.links() + self._status

    def _extras(self) -> Extra:
        if self._extra is None:
            self._extra = Extra()
        return self._extra

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
