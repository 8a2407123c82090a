"""An operator's trim as it crosses the channel, and what became of it.

{"before": [ordinal, lineage, lsn] or nil, "before_ns": n or nil, "actor", "force", "dry_run"}
"""

from typing import Any

from sidespand.errors import InvalidRequest
from sidespand.journal.retention import Decision, Order
from sidespand.model import ControlBody, Position


def body(order: Order, *, dry_run: bool) -> dict[str, Any]:
    """Return an order as it crosses the channel."""
    return {
        "actor": order.actor,
        "before": None if order.before is None else list(order.before),
        "before_ns": order.before_ns,
        "force": order.force,
        "dry_run": dry_run,
    }


def parse_body(found: ControlBody) -> tuple[Order, bool]:
    """Return the order that ``body`` made.

    Raises:
        InvalidRequest: It is none.
    """
    try:
        place = found["before"]
        before = None
        if place is not None:
            before = Position(int(place[0]), bytes(place[1]), int(place[2]))
        order = Order(str(found["actor"]), before, found["before_ns"], bool(found["force"]))
        return order, bool(found["dry_run"])
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise InvalidRequest(f"trim: {error!r}") from error


def answer(decision: Decision, *, dry_run: bool) -> dict[str, Any]:
    """Return what became of it, as JSON holds it: one entry a lineage, in log order."""
    removed: dict[bytes, dict[str, Any]] = {}
    lost: set[str] = set()
    for removal in decision.removals:
        one = removal.closed
        fresh = {
            "lineage": one.segment.lineage.hex(),
            "first_lsn": str(one.segment.first_lsn),
            "last_lsn": "",
            "segments": 0,
            "bytes": 0,
        }
        entry = removed.setdefault(one.segment.lineage, fresh)
        entry["last_lsn"] = str(one.last_lsn)
        entry["segments"] += 1
        entry["bytes"] += one.size_bytes
        lost.update(removal.lost_to)
    return {
        "dry_run": dry_run,
        "removed": list(removed.values()),
        "lost_to": sorted(lost),
        "kept_by": decision.full,
    }
