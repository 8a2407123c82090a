"""One step of an agent, as ``sidespan.tracer`` keeps it."""

from collections.abc import Mapping
from time import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from sidespan._factory import span
from sidespan._failure import stacktrace
from sidespan._genai import KIND
from sidespan._journal import plain
from sidespan._limits import STEP_LOGS_MAX
from sidespan._values import safe_text

if TYPE_CHECKING:
    from sidespan.tracer import Tracer

OUTCOME = "sidespan.step.outcome"
_MILLISECONDS = 1000


class Step:
    """One step of an agent: what it saw, what it logged, how it ended. Made by ``Tracer.step``.

    Attributes:
        name: What is done.
        context: What it was made with, as JSON has it.
        logs: What was logged, as JSON has it; ``_t`` is when, in seconds since the Unix epoch. At
            most STEP_LOGS_MAX.
        outcome: ``ok``, ``error`` or what ``finish`` was given; None while it runs.
        error: The reason that ``fail`` was given, or the traceback of what left the block; at most
            32 KiB, the end of it.
    """

    def __init__(self, tracer: "Tracer", name: str, context: Mapping[str, Any]) -> None:
        self._tracer = tracer
        self._span = span(name, {KIND: "step"} | dict(context))
        self._started_at: float | None = None
        self._finished_at: float | None = None
        self.name = name
        self.context: dict[str, Any] = plain(context)
        self.logs: list[dict[str, Any]] = []
        self.outcome: str | None = None
        self.error: str | None = None

    def start(self) -> Self:
        """Begin, without becoming current; returns itself, as all methods do."""
        self._started_at = time()
        self._tracer.begin(self._span)
        return self

    def log(self, **values: Any) -> Self:
        """Add what became known; values may be anything and are looked at now."""
        if len(self.logs) < STEP_LOGS_MAX:
            self.logs.append({"_t": time()} | plain(values))
        self._span.add_event("log", values)
        return self

    def finish(self, outcome: str = "ok") -> Self:
        """End. Only the first end counts."""
        return self._end(outcome)

    def fail(self, reason: str) -> Self:
        """End with a failure. Only the first end counts."""
        text = safe_text(reason)
        if self._finished_at is None:
            self._span.fail(text)
        return self._end("error", text)

    @property
    def duration_ms(self) -> float | None:
        """From start to end, to two decimals; None before, and for a step that never started."""
        if self._started_at is None or self._finished_at is None:
            return None
        # A clock that was set back must not make a negative one.
        return round(max(0.0, self._finished_at - self._started_at) * _MILLISECONDS, 2)

    def to_dict(self) -> dict[str, Any]:
        """Return the step as the files have it."""
        return {
            "name": self.name,
            "context": dict(self.context),
            "started_at": self._started_at,
            "finished_at": self._finished_at,
            "duration_ms": self.duration_ms,
            "outcome": self.outcome,
            "error": self.error,
            "logs": [dict(entry) for entry in self.logs],
        }

    def __enter__(self) -> Self:
        self._started_at = time()
        self._tracer.begin(self._span)
        self._span.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self._end("ok")
        else:
            self._end("error", stacktrace(error), error)
        self._span.__exit__(kind, error, traceback)

    def _end(
        self, outcome: str, error: str | None = None, raised: BaseException | None = None
    ) -> Self:
        if self._finished_at is None:
            self._finished_at = time()
            self.outcome, self.error = outcome, error
            self._tracer.record(self)
            self._span.set({OUTCOME: outcome}).end(raised)
        return self
