"""Tells a reader what was redacted, by whom, when and why."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sidespand.cli import units
from sidespand.cli.text import safe

_LINES_MAX = 20


def lines(gone: Sequence[Mapping[str, Any]], *, utc: bool) -> Iterator[str]:
    """Yield a line for each stretch of records that one act took, and one for those left out.

    Args:
        gone: In log order, as ``query.redactions.redaction_document`` has them.
        utc: Show moments in UTC rather than in local time.
    """
    for one in gone[:_LINES_MAX]:
        first, last = str(one["first"]), str(one["last"])
        upto = "" if first == last else f"-{last.rpartition(':')[2]}"
        moment = units.moment(int(one["time_ns"]), utc=utc)
        act = f"by {safe(one['actor'])} at {moment}: {safe(one['reason'])}"
        yield f"redacted: {safe(first + upto)}, {act}"
    if len(gone) > _LINES_MAX:
        yield f"redacted: {len(gone) - _LINES_MAX} further records"
