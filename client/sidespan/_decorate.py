"""Decorators: each call of a function in a span of its own, whatever kind of function it is."""

import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from functools import wraps
from typing import Any, TypeVar, cast

from sidespan._span import Span
from sidespan._steps import AsyncSteps, Steps

_Function = TypeVar("_Function", bound=Callable[..., Any])


def decorate(made: Callable[[], Span], function: _Function) -> _Function:
    """Return ``function`` with each of its calls in a span, and otherwise as it was.

    It stays the kind of function that it is, so that what asks whether it is a coroutine function
    or a generator gets the same answer.

    Args:
        made: Makes the span of one call.
        function: A function, or one that ``staticmethod`` or ``classmethod`` has wrapped.
    """
    if isinstance(function, staticmethod | classmethod):
        return cast("_Function", type(function)(decorate(made, function.__func__)))
    if inspect.isasyncgenfunction(function):
        decorated: Callable[..., Any] = _async_generator(made, function)
    elif inspect.isgeneratorfunction(function):
        decorated = _generator(made, function)
    elif inspect.iscoroutinefunction(function):
        decorated = _coroutine(made, function)
    else:
        decorated = _call(made, function)
    return cast("_Function", decorated)


def _call(made: Callable[[], Span], function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        with made():
            return function(*args, **kwargs)

    return call


def _coroutine(made: Callable[[], Span], function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    async def coroutine(*args: Any, **kwargs: Any) -> Any:
        async with made():
            return await function(*args, **kwargs)

    return coroutine


def _generator(made: Callable[[], Span], function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def generator(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        opened = made().start()
        inner = function(*args, **kwargs)
        if not opened.recording:
            return (yield from inner)
        return (yield from Steps(opened, inner))

    return generator


def _async_generator(made: Callable[[], Span], function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    async def generator(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        steps = AsyncSteps(made().start(), function(*args, **kwargs))
        try:
            item = await anext(steps)
            while True:
                # What ``yield from`` would do, which asynchronous generators do not have.
                try:
                    sent = yield item
                except GeneratorExit:
                    raise
                except BaseException as error:
                    item = await steps.athrow(error)
                else:
                    item = await steps.asend(sent)
        except StopAsyncIteration:
            return
        finally:
            await steps.aclose()

    return generator
