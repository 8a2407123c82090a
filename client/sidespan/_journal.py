"""The files of ``sidespan.tracer``: JSON lines as steps end, and whole sessions on demand."""

import json
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sidespan._limits import FILE_NAME_CHARACTERS_MAX
from sidespan._runtime import runtime
from sidespan._state import to_json
from sidespan._values import safe_text

# What no name of a file may hold, and what would hide it or lead out of its directory.
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]|^[.-]+")
_LAST_FRAME = re.compile(r"^ +.*\n(?=\S)", re.MULTILINE)
_OWNER_ONLY = 0o600
_MARKS = {"ok": "✅", "error": "❌"}
_ERROR_CHARACTERS_SHOWN = 200


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a bounded copy of ``values`` that JSON can hold, of this moment; never raises."""
    try:
        copied = json.loads(to_json(values))
    except Exception as error:
        runtime.note(error)
        return {}
    return copied if isinstance(copied, dict) else {}


class JournalFiles:
    """Where one session is written. Only the owner may read what this makes.

    Args:
        directory: Of the files, made when it is missing.
        agent: Any text.
        session_id: A part of a file's name.
    """

    def __init__(self, directory: Path, agent: str, session_id: str) -> None:
        self._directory = directory
        self._agent = safe_text(agent)
        self._session_id = session_id
        stem = _UNSAFE.sub("_", self._agent)[:FILE_NAME_CHARACTERS_MAX] or "_"
        self._stem = f"{stem}_{session_id}"
        self._torn = False

    def append(self, step: Mapping[str, Any]) -> None:
        """Add one line, written in one piece; a line that was cut before stays by itself."""
        try:
            data = json.dumps(step, default=safe_text).encode() + b"\n"
            self._directory.mkdir(parents=True, exist_ok=True)
            path = self._directory / f"{self._stem}.jsonl"
            file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, _OWNER_ONLY)
            try:
                whole = b"\n" + data if self._torn else data
                self._torn = os.write(file, whole) < len(whole)
                if self._torn:
                    raise OSError(f"{path}: the disk is full")
            finally:
                os.close(file)
        except Exception as error:
            runtime.note(error)

    def write_json(
        self, meta: Mapping[str, Any], steps: Sequence[Mapping[str, Any]], dropped: int
    ) -> Path | None:
        """Write the session.

        Args:
            meta: Of the session.
            steps: In order.
            dropped: How many older ones are not among them; said when there are any.

        Returns:
            The path; None when it failed.
        """
        session = {
            "agent": self._agent,
            "session_id": self._session_id,
            "saved_at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}Z",
            "meta": plain(meta),
            "steps": steps,
            **({"steps_dropped": dropped} if dropped else {}),
        }
        try:
            text = json.dumps(session, indent=2, default=safe_text)
        except Exception as error:
            runtime.note(error)
            return None
        return self._replace(".json", text)

    def write_markdown(
        self,
        meta: Mapping[str, Any],
        steps: Sequence[Mapping[str, Any]],
        summary: Mapping[str, Any],
    ) -> Path | None:
        """Write the session for people; as ``write_json``."""
        average_ms = summary["avg_duration_ms"]
        average = "—" if average_ms is None else f"{average_ms} ms"
        lines = [
            f"# Trace: {_prose(self._agent)} — {self._session_id}",
            "",
            f"*Generated: {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC*",
            "",
            "## Summary",
            "",
            "| Steps | OK | Errors | Avg duration |",
            "|---|---|---|---|",
            f"| {summary['steps']} | {summary['ok']} | {summary['errors']} | {average} |",
            "",
        ]
        if meta:
            lines += ["## Metadata", ""]
            lines += [f"- **{_prose(k)}**: {_prose(v)}" for k, v in plain(meta).items()]
            lines.append("")
        lines += ["## Steps", ""]
        for number, step in enumerate(steps, start=1):
            lines += [*_step_lines(number, step), ""]
        return self._replace(".md", "\n".join(lines))

    def _replace(self, suffix: str, text: str) -> Path | None:
        path = self._directory / f"{self._stem}{suffix}"
        draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _OWNER_ONLY)
            with open(file, "w", encoding="utf-8", errors="replace") as writer:  # noqa: PTH123 - Of a descriptor.
                writer.write(text)
                writer.flush()
                os.fsync(writer.fileno())
            draft.replace(path)
        except Exception as error:
            runtime.note(error)
            with suppress(OSError):
                draft.unlink(missing_ok=True)
            return None
        return path


def _step_lines(number: int, step: Mapping[str, Any]) -> list[str]:
    duration = step["duration_ms"]
    took = "" if duration is None else f" ({duration} ms)"
    lines = [f"### {number}. {_MARKS.get(step['outcome'], '⏳')} `{_inline(step['name'])}`{took}"]
    if step["context"]:
        lines += ["", "**Context:**", ""]
        lines += [
            f"- `{_inline(key)}`: {_prose(repr(value))}" for key, value in step["context"].items()
        ]
    if step["logs"]:
        lines += ["", "**Logs:**", ""]
        for entry in step["logs"]:
            said = " ".join(
                f"`{_inline(key)}={_inline(repr(value))}`"
                for key, value in entry.items()
                if key != "_t"
            )
            lines.append(f"- `{_clock(entry['_t'])}` — {said}")
    if step["error"]:
        reason = str(step["error"]).strip()
        # What follows the last frame of a traceback says what it was.
        shown = _LAST_FRAME.split(reason)[-1] if reason.startswith("Traceback") else reason
        lines += ["", f"**Error:** `{_inline(shown)[:_ERROR_CHARACTERS_SHOWN]}`"]
        if "\n" in reason:
            lines += ["", *(f"    {_inline(line)}" for line in reason.splitlines())]
    return lines


def _clock(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%H:%M:%S.%f}"[:-3] + "Z"


def _prose(value: object) -> str:
    """Return a text outside a code span, where a tag would be one."""
    return _inline(value).replace("<", "\\<")


def _inline(value: object) -> str:
    """Return a text that stays within its line and its code span."""
    text = value if isinstance(value, str) else str(value)
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text).replace("`", "'")
