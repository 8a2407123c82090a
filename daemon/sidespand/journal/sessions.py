"""The rows of client instances: what makes a step that was sent twice be in the journal once."""

from collections.abc import Iterable, Mapping

from sidespand.errors import OutOfOrder, PermissionRefused
from sidespand.journal.state import SessionRow
from sidespand.limits import SESSIONS_MAX
from sidespand.model import SessionStep


class Sessions:
    """Rows by instance id, of which at most SESSIONS_MAX are kept.

    Args:
        rows: What the store remembers.
    """

    def __init__(self, rows: Mapping[bytes, SessionRow]) -> None:
        self._rows = dict(sorted(rows.items(), key=lambda item: item[1].touched_ns))

    def row(self, instance_id: bytes, uid: int | None) -> SessionRow | None:
        """Return an instance's row; None when it is unknown.

        Raises:
            PermissionRefused: The instance is bound to another uid.
        """
        row = self._rows.get(instance_id)
        if row is not None and row.uid is not None and uid is not None and row.uid != uid:
            raise PermissionRefused("this instance id belongs to another user")
        return row

    def all(self) -> Iterable[tuple[bytes, SessionRow]]:
        """Return every row, the one untouched for longest first."""
        return self._rows.items()

    def update(self, changed: Mapping[bytes, SessionRow]) -> list[bytes]:
        """Take over the rows of a durable group; return the instances that had to be forgotten for them."""
        for instance_id, row in changed.items():
            self._rows.pop(instance_id, None)
            self._rows[instance_id] = row
        forgotten = list(self._rows)[: max(0, len(self._rows) - SESSIONS_MAX)]
        for instance_id in forgotten:
            del self._rows[instance_id]
        return forgotten


def decide(row: SessionRow | None, step: SessionStep) -> bool:
    """Tell whether ``step`` is new, given the row of its instance; False means that it is durable already.

    Raises:
        OutOfOrder: A step before it is missing. Retryable.
    """
    last = row.last_seq if row is not None else step.acked_seq
    if step.seq <= last:
        return False
    if step.seq > last + 1:
        raise OutOfOrder(f"seq {step.seq} came while seq {last + 1} is owed")
    return True
