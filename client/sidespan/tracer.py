"""A journal of an agent's decisions: files on this machine, and spans at the recorder.

    from sidespan.tracer import Tracer

    tracer = Tracer("planner", meta={"model": "scripted-1"})
    with tracer.step("choose", options=2) as step:
        step.log(choice="noodles", reason="cold outside")
    tracer.save_markdown()

A line of JSON is appended when a step ends, so the steps before a crash are in the file. Each step
is a span as well; while it is open the recorder knows of it, should the process die within it.

The calls and the files are those of the decision tracer ``ai_trace``: programs written for it need
another import alone. Nothing raises or prints; what went wrong is in ``sidespan.status()``.
"""

import atexit
import os
import threading
from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from weakref import WeakSet

from sidespan._context import root_context
from sidespan._factory import current
from sidespan._genai import agent
from sidespan._journal import JournalFiles
from sidespan._limits import TRACER_STEPS_MAX
from sidespan._runtime import runtime
from sidespan._span import Span
from sidespan._step import Step

__all__ = ["Step", "Tracer"]


class Tracer:
    """The journal of one session of one agent.

    Args:
        agent: Names the agent, and with the session its files; what a file's name cannot hold
            becomes ``_`` there.
        trace_dir: Of the files; made when there is something to write.
        auto_save: Append each step to the session's JSON lines when it ends.
        meta: Of the session: model, version and the like.
    """

    def __init__(
        self,
        agent: str,
        trace_dir: str | os.PathLike[str] = "traces",
        auto_save: bool = True,  # noqa: FBT001, FBT002 - The seed's signature.
        meta: Mapping[str, Any] | None = None,
    ) -> None:
        self.agent = agent
        self.trace_dir = Path(trace_dir)
        self.auto_save = auto_save
        self.meta: dict[str, Any] = dict(meta) if isinstance(meta, Mapping) else {}
        # Two sessions that begin in one second are told apart.
        suffix = root_context().span_id[:8]
        self.session_id = f"{datetime.now(UTC):%Y%m%d_%H%M%S}_{suffix}"
        self._files = JournalFiles(self.trace_dir, agent, self.session_id)
        self._steps: deque[dict[str, Any]] = deque(maxlen=TRACER_STEPS_MAX)
        self._counted = {"steps": 0, "ok": 0, "error": 0, "timed": 0}
        self._total_ms = 0.0
        self._session: Span | None = None
        self._lock = threading.Lock()

    def step(self, name: str, **context: Any) -> Step:
        """Make a step: a context manager, or with ``start``, ``log``, ``finish`` and ``fail``.

        Its span is a child of the current span; without one, of the session's.

        Args:
            name: What is done.
            **context: What the agent sees at this point; values may be anything.
        """
        return Step(self, name, context)

    def save(self) -> Path | None:
        """Write the session as JSON, at once or not at all.

        Returns:
            Where; None when it could not be written, as ``sidespan.status().last_error`` says.
        """
        dropped = self._counted["steps"] - len(self._steps)
        return self._files.write_json(self.meta, tuple(self._steps), max(0, dropped))

    def save_markdown(self) -> Path | None:
        """Write the session as Markdown, at once or not at all; changes nothing of it.

        Returns:
            As ``save``.
        """
        return self._files.write_markdown(self.meta, tuple(self._steps), self.summary())

    def summary(self) -> dict[str, Any]:
        """Return agent, session_id, steps, ok, errors, avg_duration_ms (None without any)."""
        with self._lock:
            counted, total_ms = dict(self._counted), self._total_ms
        timed = counted["timed"]
        return {
            "agent": self.agent,
            "session_id": self.session_id,
            "steps": counted["steps"],
            "ok": counted["ok"],
            "errors": counted["error"],
            "avg_duration_ms": round(total_ms / timed, 2) if timed else None,
        }

    def begin(self, step: Span) -> None:
        """Start a step's span where it belongs; for ``Step``."""
        try:
            if runtime.buffer is None or current().recording:
                step.start()
            else:
                with self._session_span().activate():
                    step.start()
        except Exception as error:
            runtime.note(error)

    def record(self, step: Step) -> None:
        """Keep a step that has ended; for ``Step``."""
        duration_ms = step.duration_ms
        with self._lock:
            self._counted["steps"] += 1
            if step.outcome in ("ok", "error"):
                self._counted[step.outcome] += 1
            if duration_ms is not None:
                self._counted["timed"] += 1
                self._total_ms += duration_ms
        record = step.to_dict()
        self._steps.append(record)
        if self.auto_save:
            self._files.append(record)

    def end_session(self) -> None:
        """End the session's span; happens by itself at exit and when nobody holds the tracer."""
        session, self._session = self._session, None
        if session is not None:
            session.end()

    def _session_span(self) -> Span:
        with self._lock:
            if self._session is None or not self._session.recording:
                self._session = agent(self.agent).start()
                if self._session.recording:
                    self._session.set(
                        {"session.id": self.session_id, "sidespan.session.meta": self.meta}
                    )
                    _end_at_exit(self)
            return self._session

    def __repr__(self) -> str:
        counted = self._counted
        return f"<Tracer agent={self.agent!r} steps={counted['steps']} errors={counted['error']}>"

    def __del__(self) -> None:
        # Not there when ``__init__`` did not come so far.
        if getattr(self, "_session", None) is not None:
            self.end_session()


_recording: "WeakSet[Tracer]" = WeakSet()
_hooked = threading.Event()


def _end_at_exit(tracer: Tracer) -> None:
    """Have the session's span end before the client says goodbye, whose hook is an older one."""
    _recording.add(tracer)
    if not _hooked.is_set():
        _hooked.set()
        atexit.register(_end_sessions)


def _end_sessions() -> None:
    for tracer in tuple(_recording):
        tracer.end_session()
