"""Making spans, and finding the current one."""

from collections.abc import Callable, Iterable, Mapping
from types import FunctionType
from typing import Any, TypeVar, overload

from sidespan._context import SpanContext
from sidespan._current import current_span
from sidespan._extra import Extra
from sidespan._inert import NO_SPAN, InertSpan
from sidespan._limits import DURABLE_TIMEOUT_S
from sidespan._runtime import runtime
from sidespan._span import NO_PARENT, Kind, Span
from sidespan._values import safe_text

CITES = "sidespan.cites"

# Numbers of SpanKind.
_KINDS: dict[str, int] = {"internal": 1, "server": 2, "client": 3, "producer": 4, "consumer": 5}
_INTERNAL = _KINDS["internal"]
_OPTIONS = frozenset({"kind", "parent", "links", "cites", "durable", "durable_timeout_s"})
_new = object.__new__

_Function = TypeVar("_Function", bound=Callable[..., Any])
_Span = TypeVar("_Span", bound=Span)


@overload
def span(name: _Function, /) -> _Function: ...


@overload
def span(
    name: str,
    attributes: Mapping[str, object] | None = None,
    /,
    *,
    kind: Kind = ...,
    parent: SpanContext | Span | None = ...,
    links: Iterable[SpanContext | Span] = ...,
    cites: str | Iterable[str] = ...,
    durable: bool = ...,
    durable_timeout_s: float = ...,
    **named: object,
) -> Span: ...


def span(name: Any, attributes: Mapping[str, object] | None = None, /, **named: Any) -> Any:
    """Make a span, to be entered with ``with`` or ``async with``, or used as a decorator.

    An exception that leaves the block or the function marks the span as failed and goes on
    unchanged.

    Args:
        name: What is done, the same for every time it is done. Or, as a bare decorator, the
            function, whose qualified name is then the span's.
        attributes: For keys with dots.
        kind: The role of the span between processes.
        parent: A context from ``extract``, or another span; without one, the current span.
        links: Other spans that this one has to do with, or contexts of them.
        cites: A token, or several, of what this work relies on; the recorder then says of it that
            it came after.
        durable: Wait, before the block or the function runs, until the start of the span is on
            disk. ``Span.durable`` tells whether it is.
        durable_timeout_s: For how long at most; then it runs all the same. ``with`` holds up the
            thread, ``async with`` and a coroutine function only themselves.
        **named: For keys without dots. Values may be anything.
    """
    if type(name) is not str:
        if type(name) is FunctionType:
            return span(name.__qualname__)(name)
        name = safe_text(name)
    if runtime.buffer is None and (not runtime.undecided or runtime.decide() is None):
        inert = _new(InertSpan)
        # Looked at only if it is used as a decorator; a tuple of them would cost a tenth more.
        inert.given_name = name
        inert.given_attributes = attributes
        inert.given_named = named
        return inert
    if named and not _OPTIONS.isdisjoint(named):
        return chosen(Span, name, attributes, **named)
    if attributes:
        named = _merged(attributes, named)
    return Span(name, named, _INTERNAL, None, None)


def chosen(
    made: Callable[..., _Span],
    name: str,
    attributes: Mapping[str, object] | None,
    /,
    *,
    kind: object = "internal",
    parent: object = None,
    links: Iterable[SpanContext | Span] = (),
    cites: str | Iterable[str] = (),
    durable: object = False,
    durable_timeout_s: float = DURABLE_TIMEOUT_S,
    **named: object,
) -> _Span:
    """Return a span of the kind that ``made`` makes, from what ``span`` was given.

    Not its signature: Python compares each keyword of a call with each name in it, which would be a
    third of what a span costs while it is off.
    """
    given: Mapping[str, object] = _merged(attributes, named) if attributes else named
    number = _KINDS.get(kind, _INTERNAL) if type(kind) is str else _INTERNAL
    extra = None
    try:
        contexts = tuple(one.context if isinstance(one, Span) else one for one in links)
        if contexts or durable is True:
            extra = Extra(contexts, durable_timeout_s if durable is True else None)
        tokens = [cites] if isinstance(cites, str) else list(cites)
        if tokens:
            given = {CITES: tokens, **given}
    except Exception as error:
        runtime.note(error)
    return made(name, given, number, _parent_context(parent), extra)


@overload
def trace(name: _Function, /) -> _Function: ...


@overload
def trace(
    name: str,
    attributes: Mapping[str, object] | None = None,
    /,
    *,
    kind: Kind = ...,
    parent: SpanContext | Span | None = ...,
    **named: Any,
) -> Span: ...


def trace(name: Any, attributes: Mapping[str, object] | None = None, /, **named: Any) -> Any:
    """Make a span that begins a trace of its own, linked to the current span if there is one.

    Args:
        name: As in ``span``.
        attributes: As in ``span``.
        **named: As in ``span``; with a ``parent``, which began the trace elsewhere, it is no root.
    """
    if type(name) is FunctionType:
        return trace(name.__qualname__)(name)
    named["parent"] = _parent_context(named.get("parent")) or NO_PARENT
    return span(name, attributes, **named)


def current() -> Span:
    """Return the current span; without one, a span whose methods do nothing."""
    return current_span.get() or NO_SPAN


def add_event(name: str, attributes: Mapping[str, object] | None = None, /) -> None:
    """Add an event to the current span; without one do nothing."""
    current().add_event(name, attributes)


def state(name: str, value: object, /) -> None:
    """Take a snapshot of state on the current span, as ``Span.state`` does; else do nothing."""
    current().state(name, value)


def _parent_context(parent: object) -> SpanContext | None:
    if parent is NO_PARENT:
        return NO_PARENT
    context = parent.context if isinstance(parent, Span) else parent
    return context if isinstance(context, SpanContext) and any(context.trace_id_bytes) else None


def _merged(attributes: Mapping[str, object], named: Mapping[str, object]) -> dict[str, object]:
    try:
        return {**attributes, **named}
    except Exception as error:
        runtime.note(error)
        return dict(named)
