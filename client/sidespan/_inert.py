"""What a span is while nothing is recorded."""

from collections.abc import Mapping
from typing import Any, Self

from sidespan._context import INVALID_CONTEXT, SpanContext
from sidespan._runtime import runtime
from sidespan._span import Span


class InertSpan(Span):
    """Does nothing, but can decorate. Made without ``__init__``, which would be half its cost."""

    __slots__ = ("given_attributes", "given_name", "given_named")

    # What ``span`` was called with, for the day when a decorated function is recorded.
    given_name: str
    given_attributes: Mapping[str, object] | None
    given_named: dict[str, Any]

    context = INVALID_CONTEXT

    @property
    def recording(self) -> bool:
        return False

    @property
    def durable(self) -> bool:
        return False

    def start(self) -> Self:
        return self

    def set(self, _: Mapping[str, object] | None = None, /, **_named: object) -> Self:
        return self

    def add_event(self, _name: str, _: Mapping[str, object] | None = None, /) -> Self:
        return self

    def link(
        self, _other: SpanContext | Span | None, _: Mapping[str, object] | None = None, /
    ) -> Self:
        return self

    def state(self, _name: str, _value: object, /) -> Self:
        return self

    def fail(self, _error: BaseException | str, /) -> Self:
        return self

    def end(self, _error: BaseException | None = None, /) -> None:
        return

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        return

    async def __aenter__(self) -> Self:
        return self

    def _again(self) -> Span:
        if runtime.buffer is None and (not runtime.undecided or runtime.decide() is None):
            return NO_SPAN
        from sidespan._factory import chosen

        return chosen(Span, self.given_name, self.given_attributes, **self.given_named)


# Stands for the current span where there is none.
NO_SPAN = InertSpan.__new__(InertSpan)
