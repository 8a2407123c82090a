"""Checks the store in a process of its own, for the API: one check at a time."""

import asyncio
import contextlib
import json
import logging
import sys
import time
from pathlib import Path
from typing import Any

_log = logging.getLogger(__name__)
_NOTHING_YET: dict[str, Any] = {
    "ok": None, "findings": [], "established": [], "not_established": []
}  # fmt: skip


class StoreChecker:
    """Runs ``sidespan verify --json``. Implements ``web.evidence.Checker``.

    Args:
        data_dir: The store's directory.
    """

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._task: asyncio.Task[None] | None = None
        self._found = _NOTHING_YET
        self._at_ns: int | None = None

    def begin(self) -> None:
        """Begin, unless it is at work."""
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._check())

    def document(self) -> dict[str, Any]:
        """Return whether it is at work, and what the last check found."""
        return {
            "running": self._task is not None and not self._task.done(),
            "at_ns": None if self._at_ns is None else str(self._at_ns),
            **self._found,
        }

    async def close(self) -> None:
        """End the check that is at work."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _check(self) -> None:
        command = (sys.executable, "-m", "sidespand", "verify", "--json", str(self._data_dir))
        try:
            child = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
        except OSError as error:
            _log.error("the store cannot be checked: %s", error)
            return
        try:
            told, faults = await child.communicate()
        finally:
            if child.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    child.kill()
                await child.wait()
        try:
            self._found = json.loads(told)
        except ValueError:
            _log.error("the check of the store ended: %s", faults.decode("utf-8", "replace")[:512])
            return
        self._at_ns = time.time_ns()
