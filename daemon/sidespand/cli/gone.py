"""Tells a reader what was redacted, by whom, when and why."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from sidespand.cli import units
from sidespand.cli.text import safe

if TYPE_CHECKING:
    from sidespand.redaction import Redaction, Target

_LINES_MAX = 20


def lines(gone: "Sequence[tuple[Redaction, Target]]", *, utc: bool) -> Iterator[str]:
    """Yield a line for each stretch of records that one act took, and one for those left out.

    Args:
        gone: In log order.
        utc: Show moments in UTC rather than in local time.
    """
    for told, target in gone[:_LINES_MAX]:
        lsns = str(target.first) if target.first == target.last else f"{target.first}-{target.last}"
        yield f"redacted: {target.lineage.hex()}:{lsns}, {act(told, utc=utc)}"
    if len(gone) > _LINES_MAX:
        yield f"redacted: {len(gone) - _LINES_MAX} further records"


def act(told: "Redaction", *, utc: bool) -> str:
    """Return who redacted something, when and why."""
    return f"by {safe(told.actor)} at {units.moment(told.wall_ns, utc=utc)}: {safe(told.reason)}"
