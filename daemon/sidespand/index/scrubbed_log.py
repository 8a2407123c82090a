"""The journal as the index reads it: without the secrets that go nowhere."""

from collections.abc import Sequence

from sidespand.model import Gap, Position, Record
from sidespand.ports import Log
from sidespand.scrubbing import Secrets, without_secrets


class ScrubbedLog:
    """A log whose spans, marks and logs hold no configured secret. Implements ``ports.Log``.

    Args:
        log: The whole.
        secrets: What is left out.
    """

    def __init__(self, log: Log, secrets: Secrets) -> None:
        self._log = log
        self._secrets = secrets

    def read(self, after: Position | None, upto: Position | None = None) -> Sequence[Record | Gap]:
        """Return what ``ports.Log`` says."""
        return [
            without_secrets(entry, self._secrets) if isinstance(entry, Record) else entry
            for entry in self._log.read(after, upto)
        ]

    def tail(self) -> Position | None:
        """Return what ``ports.Log`` says."""
        return self._log.tail()

    def close(self) -> None:
        """Let go of every file."""
        self._log.close()
