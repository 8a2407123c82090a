"""A directory of the ``aitrace_file`` sink: whether its pairs are complete, and unaltered.

A receipt holds the hash of its file and is not signed, so a check of the directory alone finds what
was altered by accident or by somebody who left the receipt alone.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from sidespand.audit.report import Fault, Finding, Report
from sidespand.limits import FINDINGS_MAX, RECEIPT_BYTES_MAX

_RECEIPT: Final = ".evidence.json"
_BUNDLES: Final = "replay_bundles"
_LISTED_MAX = 100
# A trace's id, or an alias, and the seconds; our own sink adds the lineage and LSNs.
_ARTIFACT: Final = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}_[0-9]{9,11}(?:_[0-9a-f]{16}_[0-9]+-[0-9]+)?\.json"
)


def looks_like(directory: Path) -> bool:
    """Tell whether a directory holds exports, by the names in it: every receipt may be missing."""
    if (directory / _BUNDLES).is_dir():
        return True
    with os.scandir(directory) as entries:
        names = (entry.name for entry in entries)
        return any(name.endswith(_RECEIPT) or _ARTIFACT.fullmatch(name) for name in names)


def verify(directory: Path) -> Report:
    """Return what is missing and what was altered, in memory for one receipt."""
    report = Report("exports")
    traces = _Pairs(report, directory, "", "trace_artifact")
    bundles = _Pairs(report, directory / _BUNDLES, _BUNDLES + "/", "replay_bundle_artifact")
    for pairs in (traces, bundles):
        pairs.check()
    complete = traces.complete and bundles.complete
    report.facts = {
        "complete?": complete,
        "trace_exports": traces.facts(),
        "replay_bundles": bundles.facts(),
    }
    if not complete:
        report.facts["code"] = "incomplete_export_pairs"
    count = traces.whole + bundles.whole
    if count:
        report.established.append(
            f"{count} files have the hash and the size that stand beside them"
        )
    report.not_established += [
        "that no pair was removed, or altered together with its receipt: receipts are not signed",
        "that a span is what was recorded: `sidespan receipt` and `sidespan prove` ask the journal",
    ]
    return report


class _Pairs:
    """The files of one directory and their receipts.

    Args:
        report: Takes what is wrong.
        directory: It may be missing.
        prefix: Of names in the report.
        field: How a receipt's fields about its file begin.
    """

    def __init__(self, report: Report, directory: Path, prefix: str, field: str) -> None:
        self._report = report
        self._directory = directory
        self._prefix = prefix
        self._field = field
        names = sorted(_names(directory))
        self._receipts = [name for name in names if name.endswith(_RECEIPT)]
        self._artifacts = [name for name in names if not name.endswith(_RECEIPT)]
        expected = {name.removesuffix(".json") + _RECEIPT for name in self._artifacts}
        told = {name.removesuffix(_RECEIPT) + ".json" for name in self._receipts}
        self._without_receipt = sorted(expected - set(self._receipts))
        self._without_artifact = sorted(told - set(self._artifacts))
        self.whole = 0

    @property
    def complete(self) -> bool:
        """Whether every file has a receipt, and every receipt a file."""
        return not (self._without_receipt or self._without_artifact)

    def check(self) -> None:
        """Compare every file with its receipt."""
        for name in self._without_receipt:
            self._fault(Fault.RECEIPT_MISSING, name, "there is no receipt beside its file")
        missing = set(self._without_artifact)
        for name in self._without_artifact:
            self._fault(Fault.ARTIFACT_MISSING, name, "there is a receipt, and no such file")
        for receipt in self._receipts:
            artifact = receipt.removesuffix(_RECEIPT) + ".json"
            if artifact not in missing:
                self._compare(artifact, receipt)

    def facts(self) -> dict[str, Any]:
        """Return the figures under AITrace's names."""
        return {
            "complete?": self.complete,
            "artifact_count": len(self._artifacts),
            "evidence_count": len(self._receipts),
            "missing_evidence_receipts": self._without_receipt[:_LISTED_MAX],
            "missing_trace_artifacts": self._without_artifact[:_LISTED_MAX],
        }

    def _compare(self, artifact: str, receipt: str) -> None:
        try:
            told = _read(self._directory / receipt)
            sha256 = str(told[f"{self._field}_sha256"])
            size = int(told[f"{self._field}_bytes"])
            names = told[f"{self._field}_ref"], told["evidence_receipt_ref"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            self._fault(Fault.RECEIPT_INVALID, receipt, "is no receipt of such an export")
            return
        if names != (artifact, receipt):
            self._fault(Fault.RECEIPT_INVALID, receipt, "was made for files of other names")
        found, length = _digest(self._directory / artifact)
        if (found, length) != (sha256, size):
            self._fault(
                Fault.ARTIFACT_ALTERED,
                artifact,
                f"has {length} bytes of SHA-256 {found}; its receipt says {size} of {sha256[:64]}",
            )
        else:
            self.whole += 1

    def _fault(self, code: Fault, name: str, message: str) -> None:
        if len(self._report.findings) < FINDINGS_MAX:
            self._report.findings.append(Finding(code, self._prefix + name, message))


def _names(directory: Path) -> Iterator[str]:
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                ours = entry.name.endswith(".json") and not entry.name.startswith(".")
                if ours and entry.is_file(follow_symlinks=False):
                    yield entry.name
    except FileNotFoundError:
        return


def _read(path: Path) -> Any:
    with path.open("rb") as file:
        body = file.read(RECEIPT_BYTES_MAX + 1)
    if len(body) > RECEIPT_BYTES_MAX:
        raise ValueError("longer than a receipt")
    return json.loads(body)


def _digest(path: Path) -> tuple[str, int]:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), file.tell()
