"""A file of the ``jsonl`` sink: what its lines show of one another.

A line carries the stamp of its span and no leaf, so a file alone cannot show that a span is as it
was recorded. It can show that the file fits together.
"""

import json
from typing import Any, BinaryIO

from sidespand import hlc
from sidespand.audit.report import Fault, Finding, Report
from sidespand.limits import FINDINGS_MAX, MESSAGE_BYTES_MAX

_PREFIX = b'{"trace_id":"'


def looks_like(file: BinaryIO) -> bool:
    """Tell whether a file begins as one of the sink's; its place is moved."""
    return file.read(len(_PREFIX)) == _PREFIX


def verify(file: BinaryIO) -> Report:
    """Return what the lines show, in memory for one line."""
    file.seek(0)
    report = Report("lines")
    last: dict[str, tuple[int, hlc.Hlc]] = {}
    count = 0
    while line := file.readline(MESSAGE_BYTES_MAX):
        count += 1
        try:
            lineage, lsn, stamp = _stamp(line)
        except (ValueError, KeyError, TypeError, RecursionError):
            _fault(report, count, "is cut short, or none of the sink's")
            continue
        before = last.get(lineage)
        if before is not None and lsn <= before[0]:
            _fault(report, count, f"LSN {lsn} of {lineage} does not follow {before[0]}")
        if before is not None and lsn > before[0] and stamp <= before[1]:
            _fault(report, count, f"the HLC of {lineage}:{lsn} is not above the one before")
        last[lineage] = lsn, stamp
    report.facts = {
        "lines": str(count),
        "lineages": [{"lineage": name, "last_lsn": str(lsn)} for name, (lsn, _) in last.items()],
    }
    if not report.findings:
        report.established.append(
            f"{count} lines parse; in each lineage LSN and HLC rise from line to line"
        )
    report.not_established += [
        "that a line is what was recorded: it carries no leaf (`sidespan prove` makes what does)",
        "that no line is missing: the sink writes spans alone, and LSNs of other items lie between",
    ]
    return report


def _stamp(line: bytes) -> tuple[str, int, hlc.Hlc]:
    if not line.endswith(b"\n"):
        raise ValueError("cut short")
    stamp: Any = json.loads(line)["stamp"]
    lineage, lsn = stamp["lineage"], stamp["lsn"]
    if len(bytes.fromhex(lineage)) != 8 or not lsn.isdigit():  # noqa: PLR2004 - bytes of a lineage.
        raise ValueError("no stamp")
    return lineage, int(lsn), hlc.parse(stamp["hlc"])


def _fault(report: Report, number: int, message: str) -> None:
    if len(report.findings) < FINDINGS_MAX:
        report.findings.append(Finding(Fault.LINE_DAMAGED, f"line {number}", message))
