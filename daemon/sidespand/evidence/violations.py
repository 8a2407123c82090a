"""What in a collection contradicts the rules that its evidence rests on, under stable codes.

A violation is a finding, never an error: what it is about stays readable. Claimed times are
compared and reported, never corrected.
"""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from sidespand.evidence.branches import forks
from sidespand.evidence.collection import Citation, Evidence, Resolution, SpanFact
from sidespand.evidence.order import circle
from sidespand.limits import HLC_MERGE_AHEAD_NS_MAX, LATE_NS
from sidespand.model import Flag, Header, Kind, Record


class Code(StrEnum):
    """Names of violations; they are added, never changed."""

    EDGE_HLC_INVERSION = "edge-hlc-inversion"
    UNKNOWN_DOT = "unknown-dot"
    TAG_MISMATCH = "tag-mismatch"
    FORK = "fork"
    GAP = "gap"
    GENERATION_REGRESS = "generation-regress"
    UNDECLARED_LINEAGE = "undeclared-lineage"
    CYCLE = "cycle"
    CHILD_BEFORE_PARENT = "child-before-parent"
    ENDS_AFTER_ACCEPT = "ends-after-accept"
    LATE_RECORD = "late-record"
    HLC_LEAD = "hlc-lead"
    MISSING_BEGIN_MARK = "missing-begin-mark"
    CLOCK_STEP_IN_SPAN = "clock-step-in-span"


@dataclass(frozen=True, slots=True)
class Violation:
    """One finding.

    Args:
        code: What kind it is.
        lineage: 8 bytes, with ``lsn`` the place that it is about.
        lsn: Of the last item of the record, or of the item.
        message: What was found, in hex, numbers and our own words.
    """

    code: Code
    lineage: bytes
    lsn: int
    message: str


@dataclass(frozen=True, slots=True)
class Range:
    """A part of one log.

    Args:
        lineage: 8 bytes.
        first: Inclusive.
        last: Inclusive.
    """

    lineage: bytes
    first: int
    last: int


def violations(
    evidence: Evidence,
    within: Range | None = None,
    *,
    marked_kinds: AbstractSet[str] = frozenset(),
    late_ns: int = LATE_NS,
) -> list[Violation]:
    """Return what was found, by lineage, LSN and code.

    Args:
        evidence: The collection; holes in it count as gaps unless a trim explains them.
        within: Only what is about a place in there; None for everything.
        marked_kinds: Kinds of span that the deployment wants announced by a mark.
        late_ns: An item accepted longer than this after its claimed end is late.
    """
    found = [
        *_of_logs(evidence),
        *(
            Violation(Code.FORK, fork.lineage, fork.lsn, "; ".join(fork.futures))
            for fork in forks(evidence)
        ),
        *_of_tokens(evidence),
        *_of_circles(evidence),
        *_of_spans(evidence, late_ns),
        *_of_marks(evidence, marked_kinds),
        *_of_steps(evidence),
    ]
    if within is not None:
        found = [
            one
            for one in found
            if one.lineage == within.lineage and within.first <= one.lsn <= within.last
        ]
    return sorted(found, key=lambda one: (one.lineage, one.lsn, one.code, one.message))


def _of_logs(evidence: Evidence) -> Iterator[Violation]:
    for lineage, log in evidence.logs.items():
        fork = evidence.forks.get(lineage)
        if fork is not None:
            yield Violation(Code.FORK, lineage, fork, f"two records claim LSN {fork}")
        first = log[0].header
        if first.record_index == 0 and first.kind is not Kind.LINEAGE:
            yield Violation(
                Code.UNDECLARED_LINEAGE,
                lineage,
                first.last_lsn,
                "the log does not say why it began",
            )
        expected = 1
        generation = 0
        for record in log:
            header = record.header
            if header.first_lsn > expected and fork is None:
                yield from _gap(evidence, lineage, expected, header.first_lsn - 1)
            expected = max(expected, header.last_lsn + 1)
            if header.boot_generation < generation and not evidence.is_forked(record):
                yield _about(
                    header,
                    Code.GENERATION_REGRESS,
                    f"generation {header.boot_generation} follows {generation}",
                )
            generation = header.boot_generation
            lead_ns = header.stamp.wall_ns - header.wall_ns
            if lead_ns > HLC_MERGE_AHEAD_NS_MAX:
                yield _about(header, Code.HLC_LEAD, f"the HLC leads the clock by {lead_ns} ns")


def _gap(evidence: Evidence, lineage: bytes, first: int, last: int) -> Iterator[Violation]:
    overlapping = [
        gap
        for gap in evidence.gaps
        if gap.lineage == lineage and gap.first <= last and gap.last >= first
    ]
    if any(
        gap.reason == "trimmed" and gap.first <= first <= last <= gap.last for gap in overlapping
    ):
        return
    reasons = sorted({gap.reason for gap in overlapping}) or ["not in the collection"]
    message = f"LSN {first} to {last}: {', '.join(reasons)}"
    yield Violation(Code.GAP, lineage, last, message)


def _of_tokens(evidence: Evidence) -> Iterator[Violation]:
    for citations in evidence.citations.values():
        for citation in citations:
            header, cited = citation.source.header, _cited(citation)
            if citation.resolution is Resolution.MISMATCHED:
                yield _about(
                    header, Code.TAG_MISMATCH, f"the token of {cited} is not that record's"
                )
            elif citation.resolution is Resolution.BEYOND:
                yield _about(
                    header, Code.UNKNOWN_DOT, f"it cites {cited}, where that log ends before"
                )
            elif _is_inverted(citation):
                yield _about(
                    header, Code.EDGE_HLC_INVERSION, f"it cites {cited}, whose HLC is not below"
                )


def _is_inverted(citation: Citation) -> bool:
    # What was refused as too far ahead may well be above.
    header = citation.source.header
    refused = header.flags & Flag.MERGE_REJECTED
    return citation.target is not None and not refused and citation.edge.stamp >= header.stamp


def _cited(citation: Citation) -> str:
    return f"{citation.edge.lineage.hex()}:{citation.edge.lsn}"


def _of_circles(evidence: Evidence) -> Iterator[Violation]:
    records = circle(evidence)
    if records:
        positions = ", ".join(f"{r.header.lineage.hex()}:{r.header.last_lsn}" for r in records)
        yield _about(records[0].header, Code.CYCLE, f"each is before the next: {positions}")


def _of_spans(evidence: Evidence, late_ns: int) -> Iterator[Violation]:
    for fact in evidence.facts:
        header = _record(evidence, fact).header
        if fact.end_ns:
            late = header.wall_ns - fact.end_ns
            if -late > _error_ns(header):
                yield _about_item(
                    fact, Code.ENDS_AFTER_ACCEPT, f"it ends {-late} ns after it was accepted"
                )
            if late > late_ns:
                yield _about_item(
                    fact, Code.LATE_RECORD, f"it was accepted {late} ns after its end"
                )
        for parent in evidence.by_span.get(fact.parent or b"", ()):
            ahead = parent.start_ns - fact.start_ns
            if ahead > _disagreement_ns(header, _record(evidence, parent).header):
                yield _about_item(
                    fact, Code.CHILD_BEFORE_PARENT, f"it begins {ahead} ns before its parent"
                )
                break


def _of_marks(evidence: Evidence, marked_kinds: AbstractSet[str]) -> Iterator[Violation]:
    for facts in evidence.by_span.values():
        ended = next((fact for fact in facts if fact.end_ns), None)
        if ended is None or ended.kind not in marked_kinds:
            continue
        if not any(_record(evidence, fact).header.kind is Kind.MARKS for fact in facts):
            yield _about_item(
                ended, Code.MISSING_BEGIN_MARK, f"no mark announced this {ended.kind} span"
            )


def _of_steps(evidence: Evidence) -> Iterator[Violation]:
    for log in evidence.logs.values():
        for before, step in pairwise(log):
            same_boot = before.header.boot_generation == step.header.boot_generation
            if step.header.kind is Kind.CLOCK and same_boot:
                yield from _spans_over(evidence, before.header, step.header)


def _spans_over(evidence: Evidence, before: Header, step: Header) -> Iterator[Violation]:
    # What the clock would have read at the step, had it not been made.
    old_ns = before.wall_ns + step.boottime_ns - before.boottime_ns
    new_ns = step.wall_ns
    for fact in evidence.facts:
        header = _record(evidence, fact).header
        if not fact.end_ns or header.lineage != step.lineage or fact.lsn < step.first_lsn:
            continue
        if header.boot_generation != step.boot_generation:
            continue
        # Only what cannot have been read on one side of the step.
        over = fact.start_ns < min(old_ns, new_ns) and fact.end_ns >= max(old_ns, new_ns)
        if over or new_ns <= fact.end_ns < fact.start_ns <= old_ns:
            yield _about_item(
                fact, Code.CLOCK_STEP_IN_SPAN, f"the clock stepped by {new_ns - old_ns} ns in it"
            )


def _record(evidence: Evidence, fact: SpanFact) -> Record:
    return evidence.find(fact.lineage, fact.lsn)[0].record


def _error_ns(header: Header) -> int:
    return 0 if header.clock_error_us is None else header.clock_error_us * 1000


def _disagreement_ns(one: Header, other: Header) -> float:
    # How far readings of two programs may differ while both are honest.
    if one.lineage == other.lineage:
        return 0
    vouched = all(
        header.clock_error_us is not None and header.flags & Flag.CLOCK_SYNCED
        for header in (one, other)
    )
    return _error_ns(one) + _error_ns(other) if vouched else float("inf")


def _about(header: Header, code: Code, message: str) -> Violation:
    return Violation(code, header.lineage, header.last_lsn, message)


def _about_item(fact: SpanFact, code: Code, message: str) -> Violation:
    return Violation(code, fact.lineage, fact.lsn, message)
