"""What a check found: what holds, what does not, and what nobody can tell from this alone."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Fault(StrEnum):
    """Names of what can be wrong; they are added, never changed."""

    MALFORMED = "malformed"
    RECORD_DAMAGED = "record-damaged"
    HEADER_CHECKSUM = "header-checksum"
    PAYLOAD_CHECKSUM = "payload-checksum"
    PAYLOAD_COMMITMENT = "payload-commitment"
    WRONG_PLACE = "wrong-place"
    GAP = "gap"
    HLC_REGRESS = "hlc-regress"
    GENERATION_BROKEN = "generation-broken"
    LINEAGE_BROKEN = "lineage-broken"
    ROOT_MISMATCH = "root-mismatch"
    NOT_INCLUDED = "not-included"
    KEY_INVALID = "key-invalid"
    KEY_UNCERTIFIED = "key-uncertified"
    CHECKPOINT_INVALID = "checkpoint-invalid"
    CHECKPOINT_REGRESS = "checkpoint-regress"
    CHECKPOINT_AHEAD = "checkpoint-ahead"
    REDACTION_UNDECLARED = "redaction-undeclared"
    STATE_DAMAGED = "state-damaged"
    SEGMENT_DAMAGED = "segment-damaged"
    SEGMENT_MISSING = "segment-missing"
    SEGMENT_UNREGISTERED = "segment-unregistered"
    CURSOR_DAMAGED = "cursor-damaged"
    UNFINISHED = "unfinished"
    STORE_DAMAGED = "store-damaged"
    READER_DIED = "reader-died"
    LINE_DAMAGED = "line-damaged"
    ARTIFACT_ALTERED = "artifact-altered"
    ARTIFACT_MISSING = "artifact-missing"
    RECEIPT_INVALID = "receipt-invalid"
    RECEIPT_MISSING = "receipt-missing"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it was written.

    Args:
        code: What kind it is.
        where: The place: a position, a file, a field.
        message: What was found, in hex, numbers and our own words.
    """

    code: Fault
    where: str
    message: str


@dataclass(slots=True)
class Report:
    """The outcome of one check.

    Args:
        subject: ``bundle``, ``store``, ``lines`` or ``exports``.
        findings: What is wrong; empty when nothing is.
        established: What holds, in sentences.
        not_established: What this check cannot tell, in sentences.
        facts: Figures, as JSON has them.
    """

    subject: str
    findings: list[Finding] = field(default_factory=list)
    established: list[str] = field(default_factory=list)
    not_established: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)


def document(report: Report) -> dict[str, Any]:
    """Return a report as JSON values."""
    return {
        "subject": report.subject,
        "ok": not report.findings,
        "findings": [
            {"code": one.code.value, "where": one.where, "message": one.message}
            for one in report.findings
        ],
        "established": report.established,
        "not_established": report.not_established,
        "facts": report.facts,
    }
