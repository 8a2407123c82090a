"""The rows of client instances: what makes a step that was sent twice be in the journal once."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from itertools import islice

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
        # Another thread looks rows up meanwhile: one that moves to the end is never absent.
        self._rows = OrderedDict(sorted(rows.items(), key=lambda item: item[1].touched_ns))

    def row(self, instance_id: bytes, uid: int | None) -> SessionRow | None:
        """Return an instance's row; None when it is unknown.

        Raises:
            PermissionRefused: The instance is bound to another uid.
        """
        row = self._rows.get(instance_id)
        check_owner(row, uid)
        return row

    def all(self) -> Iterable[tuple[bytes, SessionRow]]:
        """Return every row, the one untouched for longest first."""
        return self._rows.items()

    def surplus(self, changed: Mapping[bytes, SessionRow]) -> list[bytes]:
        """Return the instances that ``changed`` leaves no room for, the longest untouched first."""
        if len(self._rows) + len(changed) <= SESSIONS_MAX:
            return []
        over = len(self._rows) + sum(one not in self._rows for one in changed) - SESSIONS_MAX
        untouched = (one for one in self._rows if one not in changed)
        return list(islice(untouched, max(0, over)))

    def update(self, changed: Mapping[bytes, SessionRow], forgotten: Iterable[bytes]) -> None:
        """Take over the rows of a durable group, and forget those that it deleted."""
        for instance_id, row in changed.items():
            self._rows[instance_id] = row
            self._rows.move_to_end(instance_id)
        for instance_id in forgotten:
            del self._rows[instance_id]


def check_owner(row: SessionRow | None, uid: int | None) -> None:
    """Raise PermissionRefused when ``row`` is bound to another uid than ``uid``."""
    if row is not None and row.uid is not None and uid is not None and row.uid != uid:
        raise PermissionRefused("this instance id belongs to another user")


def decide(row: SessionRow | None, step: SessionStep) -> bool:
    """Tell whether ``step`` is new, given its instance's row; False means durable already.

    Raises:
        OutOfOrder: A step before it is missing. Retryable.
    """
    last = row.last_seq if row is not None else step.acked_seq
    if step.seq <= last:
        return False
    # A client may hold acknowledgements that the store has lost since, put back to an earlier
    # state: it goes on after them, and what it sends is stored.
    owed = max(last, step.acked_seq) + 1
    if step.seq > owed:
        raise OutOfOrder(f"seq {step.seq} came while seq {owed} is owed")
    return True
