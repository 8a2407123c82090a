"""Decorators that make a span of each call, whatever kind of function they are given."""

import inspect
import re
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from functools import wraps
from typing import Any, TypeVar, cast

from sidespan._limits import VALUE_BYTES_MAX
from sidespan._runtime import runtime
from sidespan._usage import INPUT, OUTPUT, usage
from sidespan._values import safe_text
from sidespan.agenttrace._entry import SpanType
from sidespan.agenttrace._records import Span
from sidespan.agenttrace._stepping import AsyncSpanSteps, SpanSteps
from sidespan.agenttrace._tracer import Tracer, get_current_tracer

__all__ = ["trace_decision", "trace_llm", "trace_retrieval", "trace_tool"]

_CHARACTERS_PER_TOKEN = 4
_COUNT = re.compile(
    r"(prompt_tokens|completion_tokens|input_tokens|output_tokens)[\"']?\s*[:=]\s*(\d{1,12})"
)
_COUNTED = {
    "prompt_tokens": INPUT, "input_tokens": INPUT,
    "completion_tokens": OUTPUT, "output_tokens": OUTPUT,
}  # fmt: skip

_Function = TypeVar("_Function", bound=Callable[..., Any])
_Begin = Callable[[tuple[Any, ...], dict[str, Any]], Span]
_Finish = Callable[[Span, Any], None]


def trace_tool(
    tracer: Tracer | None = None, tool_name: str | None = None
) -> Callable[[_Function], _Function]:
    """Return a decorator that records each call as a tool's.

    Args:
        tracer: Without one the current one at the time of the call.
        tool_name: Without one the function's name.
    """
    return _decorator(tracer, SpanType.TOOL_CALL, tool_name)


def trace_decision(
    tracer: Tracer | None = None, decision_name: str | None = None
) -> Callable[[_Function], _Function]:
    """Return a decorator that records each call as a decision; arguments as in ``trace_tool``."""
    return _decorator(tracer, SpanType.DECISION, decision_name)


def trace_retrieval(
    tracer: Tracer | None = None, retriever_name: str | None = None
) -> Callable[[_Function], _Function]:
    """Return a decorator that records each call as a search; arguments as in ``trace_tool``."""
    return _decorator(tracer, SpanType.RETRIEVAL, retriever_name)


def trace_llm(  # noqa: PLR0917 - AgentTrace's signature.
    tracer: Tracer | None = None,
    model: str = "unknown",
    provider: str = "openai",
    cost_per_prompt_token: float = 0.0,
    cost_per_completion_token: float = 0.0,
    feature: str | None = None,
    workflow_id: str | None = None,
) -> Callable[[_Function], _Function]:
    """Return a decorator that records each call as a model's, named ``<model>:<function>``.

    Tokens are those that the result tells of itself; of a text that tells nothing they are guessed
    from its length, and the metadata says ``token_extraction: heuristic``.

    Args:
        tracer: Without one the current one at the time of the call.
        model: As it is asked for.
        provider: As OpenTelemetry's conventions spell it.
        cost_per_prompt_token: US dollars for one token.
        cost_per_completion_token: The same.
        feature: Recorded as metadata.
        workflow_id: The same.
    """
    prices = cost_per_prompt_token, cost_per_completion_token
    metadata = {
        "model": model,
        "provider": provider,
        "feature": feature,
        "workflow_id": workflow_id,
    }
    known = {key: value for key, value in metadata.items() if value is not None}

    def finish(span: Span, result: Any) -> None:
        _count(span, result, prices)

    return _decorator(tracer, SpanType.LLM_CALL, None, known, finish)


def _decorator(
    tracer: Tracer | None,
    kind: SpanType,
    name: str | None,
    metadata: Mapping[str, str] | None = None,
    finish: _Finish = lambda span, result: None,  # noqa: ARG005 - The signature of the others.
) -> Callable[[_Function], _Function]:
    def decorate(function: _Function) -> _Function:
        own = name or str(getattr(function, "__name__", type(function).__name__))
        known = metadata or {}
        model, provider = known.get("model"), known.get("provider")
        shown = own if model is None else f"{model}:{own}"

        def begin(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Span:
            chosen = tracer or get_current_tracer()
            span = chosen.span(shown, kind, metadata, model=model, provider=provider)
            span.input_data = {"args": safe_text(args), "kwargs": safe_text(kwargs)}
            return span

        def done(span: Span, result: Any) -> None:
            span.output_data = result
            try:
                finish(span, result)
            except Exception as error:
                runtime.note(error)

        return _wrapped(function, begin, done)

    return decorate


def _wrapped(function: _Function, begin: _Begin, done: _Finish) -> _Function:
    """Return ``function`` with each call in a span, and otherwise the kind that it was."""
    if isinstance(function, staticmethod | classmethod):
        inner = _wrapped(function.__func__, begin, done)
        return cast("_Function", type(function)(inner))
    if inspect.isasyncgenfunction(function):
        made: Callable[..., Any] = _async_generator(function, begin, done)
    elif inspect.isgeneratorfunction(function):
        made = _generator(function, begin, done)
    elif inspect.iscoroutinefunction(function):
        made = _coroutine(function, begin, done)
    else:
        made = _call(function, begin, done)
    return cast("_Function", made)


def _call(function: Callable[..., Any], begin: _Begin, done: _Finish) -> Callable[..., Any]:
    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        with begin(args, kwargs) as span:
            result = function(*args, **kwargs)
            done(span, result)
            return result

    return call


def _coroutine(function: Callable[..., Any], begin: _Begin, done: _Finish) -> Callable[..., Any]:
    @wraps(function)
    async def coroutine(*args: Any, **kwargs: Any) -> Any:
        with begin(args, kwargs) as span:
            result = await function(*args, **kwargs)
            done(span, result)
            return result

    return coroutine


def _generator(function: Callable[..., Any], begin: _Begin, done: _Finish) -> Callable[..., Any]:
    @wraps(function)
    def generator(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        inner = function(*args, **kwargs)
        return (yield from SpanSteps(begin(args, kwargs), inner, done))

    return generator


def _async_generator(
    function: Callable[..., Any], begin: _Begin, done: _Finish
) -> Callable[..., Any]:
    @wraps(function)
    async def generator(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        steps = AsyncSpanSteps(begin(args, kwargs), function(*args, **kwargs), done)
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


def _count(span: Span, result: Any, prices: tuple[float, float]) -> None:
    """Set the span's tokens and cost from what a model returned."""
    found = usage(result)
    if INPUT not in found and OUTPUT not in found and isinstance(result, str):
        text = result[:VALUE_BYTES_MAX]
        found = {_COUNTED[name]: int(number) for name, number in _COUNT.findall(text)}
        if not found:
            asked = len(str((span.input_data or {}).get("args", "")))
            found = {
                INPUT: asked // _CHARACTERS_PER_TOKEN,
                OUTPUT: len(result) // _CHARACTERS_PER_TOKEN,
            }
            span.metadata |= {"token_extraction": "heuristic"}
    counts = [found.get(key) for key in (INPUT, OUTPUT)]
    if counts == [None, None]:
        return
    prompt, completion = (count if isinstance(count, int) else 0 for count in counts)
    span.token_usage = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }
    if any(prices):
        span.cost_usd = round(prompt * prices[0] + completion * prices[1], 9)
