"""The note that a restored store carries to its first start: of which backup it is, and by whom.

<data>/RESTORED    {"lineage": "<16 hex>", "lsn": "<decimal>", "actor": "uid:1000"}
"""

import json
from dataclasses import dataclass

from sidespand.errors import StoreUnreadable
from sidespand.files import replace_file
from sidespand.journal.layout import Layout
from sidespand.journal.state import Head


@dataclass(frozen=True, slots=True)
class Restored:
    """Where the backup ends, and who restored it.

    Args:
        lineage: 8 bytes.
        lsn: Of its last item.
        actor: ``uid:`` and a number.
    """

    lineage: bytes
    lsn: int
    actor: str

    def is_of(self, head: Head) -> bool:
        """Tell whether the log still ends where the backup did."""
        return (self.lineage, self.lsn) == (head.lineage, head.last_lsn)


def write(layout: Layout, note: Restored) -> None:
    """Leave the note; it is durable when this returns."""
    body = {"lineage": note.lineage.hex(), "lsn": str(note.lsn), "actor": note.actor}
    replace_file(layout.restored_path, json.dumps(body).encode() + b"\n")


def read(layout: Layout) -> Restored | None:
    """Return the note; None when there is none.

    Raises:
        StoreUnreadable: It is damaged. Nothing was changed.
    """
    try:
        body = json.loads(layout.restored_path.read_bytes())
        return Restored(bytes.fromhex(body["lineage"]), int(body["lsn"]), str(body["actor"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreUnreadable(
            f"{layout.restored_path} cannot be read: {error}",
            hint="restore the backup once more; nothing was changed",
        ) from error
