"""What the doctor says, and of whom."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from sidespand.config import Config


class State(StrEnum):
    """How it stands with one thing."""

    GOOD = "ok"
    NOTE = "note"
    BAD = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Args:
        name: What it is, one word.
        state: How it stands.
        text: What was found.
        next: The command that mends it, or says more; empty when there is nothing to do.
    """

    name: str
    state: State
    text: str
    next: str = ""

    def document(self) -> dict[str, Any]:
        """Return it for programs."""
        return {
            "name": self.name,
            "state": self.state.value,
            "text": self.text,
            "next": self.next or None,
        }


@dataclass(frozen=True, slots=True)
class Patient:
    """The daemon and the store that are looked at.

    Args:
        config: What it is told.
    """

    config: Config

    def socket(self, name: str) -> Path:
        """Return where one of its sockets should be."""
        return self.config.runtime_dir / name

    @property
    def serve(self) -> str:
        """The command that starts it."""
        source = self.config.source
        config = f" --config {source}" if source is not None else ""
        return f"sidespan serve{config} --data {self.config.data_dir} --run {self._run}"

    @property
    def _run(self) -> Path:
        return self.config.runtime_dir
