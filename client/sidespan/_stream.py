"""Streams of a model's answer, followed chunk by chunk."""

from collections.abc import AsyncIterable, Iterable
from time import time_ns
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from sidespan._steps import AsyncSteps, Stepping, Steps
from sidespan._usage import usage

if TYPE_CHECKING:
    from sidespan._genai import LlmSpan

FIRST_CHUNK = "gen_ai.response.time_to_first_chunk"


def follow(span: "LlmSpan", chunks: Iterable[Any] | AsyncIterable[Any]) -> Any:
    """Return ``chunks`` as an iterator that tells ``span`` what comes; it ends the span.

    Args:
        span: Started.
        chunks: When it is neither an iterable nor an asynchronous one it is returned as it is.
    """
    if hasattr(chunks, "__aiter__"):
        return _AsyncChunks(span, chunks.__aiter__(), chunks)
    if hasattr(chunks, "__iter__"):
        return _Chunks(span, iter(chunks), chunks)
    span.end_with_stream()
    return chunks


class _Following(Stepping):
    """What both kinds share; whatever else the stream can do is passed on to it."""

    def __init__(self, span: "LlmSpan", inner: Any, source: Any) -> None:
        super().__init__(span, inner)
        self._llm = span
        self._source = source
        self._seen: dict[str, object] = {}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._source, name)

    def _observe(self, chunk: Any) -> Any:
        if self._items == 1:
            self._llm.set({FIRST_CHUNK: self._llm.age_s(time_ns())})
        self._seen |= usage(chunk)
        return chunk

    def _end(self, error: BaseException | None) -> None:
        self._llm.tell(self._seen)
        self._llm.end_with_stream(error)


class _Chunks(_Following, Steps):
    def __next__(self) -> Any:
        return self._observe(super().__next__())

    def __enter__(self) -> Self:
        if hasattr(self._source, "__enter__"):
            self._source.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> Any:
        self._finish(error, exhausted=False)
        leave = getattr(self._source, "__exit__", None)
        return leave(kind, error, traceback) if leave is not None else None


class _AsyncChunks(_Following, AsyncSteps):
    async def __anext__(self) -> Any:
        return self._observe(await super().__anext__())

    async def __aenter__(self) -> Self:
        if hasattr(self._source, "__aenter__"):
            await self._source.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> Any:
        self._finish(error, exhausted=False)
        leave = getattr(self._source, "__aexit__", None)
        return await leave(kind, error, traceback) if leave is not None else None
