"""Taking the current span along into other threads; tasks take it by themselves."""

import inspect
from collections.abc import Callable
from concurrent import futures
from contextvars import copy_context
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from sidespan._current import current_span

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")


def wrap(function: Callable[_Given, _Result], /) -> Callable[_Given, _Result]:
    """Return ``function`` so that it runs in the context of this moment, in whatever thread.

        threading.Thread(target=sidespan.wrap(work)).start()

    The whole context goes with it, so what other libraries keep by contextvars too. It may run any
    number of times, also at once; what it sets in its context stays its own. A coroutine function
    takes the current span alone.
    """
    if inspect.iscoroutinefunction(function):
        return _wrapped_coroutine(function)
    context = copy_context()

    @wraps(function)
    def within(*args: _Given.args, **kwargs: _Given.kwargs) -> _Result:
        # A context can be entered once at a time; a copy costs next to nothing.
        return context.copy().run(function, *args, **kwargs)

    return within


def _wrapped_coroutine(function: Callable[..., Any]) -> Callable[..., Any]:
    taken = current_span.get()

    @wraps(function)
    async def within(*args: Any, **kwargs: Any) -> Any:
        outside = current_span.get()
        current_span.set(taken)
        try:
            return await function(*args, **kwargs)
        finally:
            current_span.set(outside)

    return within


class ThreadPoolExecutor(futures.ThreadPoolExecutor):
    """A pool whose functions run in the context of the moment in which they were submitted."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> futures.Future[Any]:
        """As the standard library's; ``map`` and ``run_in_executor`` come this way too."""
        return super().submit(copy_context().run, fn, *args, **kwargs)
