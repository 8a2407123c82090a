"""Verdicts for people and for programs. Texts hold hex, numbers and our own words alone."""

from collections.abc import Sequence
from typing import Any

from sidespand.evidence.bracket import Bound
from sidespand.evidence.collection import Evidence, Item
from sidespand.evidence.relations import Event, Moment, Step, Strength
from sidespand.evidence.verdict import About, Answer, Verdict
from sidespand.limits import TRACE_ID_BYTES
from sidespand.model import Header

_MEANINGS = {
    (Answer.BEFORE, About.COMMIT): "a was committed before b",
    (Answer.AFTER, About.COMMIT): "a was committed after b",
    (Answer.BEFORE, About.ACTIVITY): "a began before b began",
    (Answer.AFTER, About.ACTIVITY): "a began after b began",
    (Answer.SAME, About.COMMIT): "one record holds a and b",
    (Answer.SAME, About.ACTIVITY): "a and b are items of one span",
    (
        Answer.CONCURRENT_IN_RECORD,
        About.COMMIT,
    ): "both logs are complete, and no path joins a and b",
}
_UNORDERED = "nothing in the record orders a and b; that does not make them concurrent"
_CONTRADICTORY = "the record says both that a is before b and that b is before a"


def text(evidence: Evidence, a: Item, b: Item, verdict: Verdict) -> str:
    """Return a verdict in lines for people, the answer first."""
    lines = [
        f"{verdict.verdict} ({verdict.about}, {verdict.strength.label}): {_meaning(verdict)}",
        f"  a  {a}",
        f"  b  {b}",
    ]
    lines += _section("because", _path(evidence, verdict.path))
    lines += _section("against it", _path(evidence, verdict.opposing))
    lines += _section("if", verdict.assumptions)
    lines += _section("ruled out", verdict.refutations)
    if verdict.not_before is not None:
        lines.append(f"b not before  {bound_text(verdict.not_before)}")
    if verdict.not_after is not None:
        lines.append(f"a not after   {bound_text(verdict.not_after)}")
    hints = ", ".join(f"{name} {value}" for name, value in verdict.hint.items())
    lines.append(f"no evidence, for display: {hints}")
    return "\n".join(lines) + "\n"


def document(evidence: Evidence, verdict: Verdict) -> dict[str, Any]:
    """Return a verdict as JSON values; numbers of 64 bits are strings."""
    return {
        "verdict": verdict.verdict.value,
        "about": verdict.about.value,
        "strength": verdict.strength.label,
        "path": [_step_document(evidence, step) for step in verdict.path],
        "opposing": [_step_document(evidence, step) for step in verdict.opposing],
        "not_before": bound_document(verdict.not_before),
        "not_after": bound_document(verdict.not_after),
        "assumptions": list(verdict.assumptions),
        "refutations": list(verdict.refutations),
        "hint": dict(verdict.hint),
    }


def event_name(evidence: Evidence, event: Event) -> str:
    """Return an event's name: of a record by the positions of its items, of a span by its ids."""
    if event.moment in (Moment.CONTENT, Moment.COMMIT):
        header = evidence.records[event.subject].header
        return f"{event.moment} of {header.lineage.hex()}:{_lsns(header)}"
    trace_id, span_id = event.subject[:TRACE_ID_BYTES], event.subject[TRACE_ID_BYTES:]
    return f"{event.moment} of span {trace_id.hex()}/{span_id.hex()}"


def _lsns(header: Header) -> str:
    # Who asked for one item of several must find it again in the path.
    if header.item_count == 1:
        return str(header.last_lsn)
    return f"{header.first_lsn}-{header.last_lsn}"


def _meaning(verdict: Verdict) -> str:
    if verdict.verdict is Answer.UNORDERED:
        return _UNORDERED
    if verdict.verdict is Answer.CONTRADICTORY:
        return _CONTRADICTORY
    meaning = _MEANINGS[verdict.verdict, verdict.about]
    if verdict.path and verdict.strength is Strength.CRYPTOGRAPHIC:
        earlier, later = ("a", "b") if verdict.verdict is Answer.BEFORE else ("b", "a")
        return f"{earlier} was fixed before {later} was, whatever the clocks said"
    if verdict.path and verdict.path[0].rule == "span":
        return f"{meaning}, and the earlier one was over by then"
    return meaning


def _section(title: str, lines: Sequence[str]) -> list[str]:
    return [f"{title}:", *(f"  {line}" for line in lines)] if lines else []


def _path(evidence: Evidence, path: Sequence[Step]) -> list[str]:
    return [
        f"{event_name(evidence, step.earlier)} < {event_name(evidence, step.later)}"
        f"   {step.rule}, {step.strength.label}"
        for step in path
    ]


def bound_text(bound: Bound) -> str:
    """Return a bound in words."""
    error = "clock not vouched for" if bound.error_us is None else f"± {bound.error_us} µs"
    return f"{bound.wall_ns} ns ({error}), {bound.moment}, by {bound.rule} of {bound.position}"


def _step_document(evidence: Evidence, step: Step) -> dict[str, str]:
    return {
        "earlier": event_name(evidence, step.earlier),
        "later": event_name(evidence, step.later),
        "rule": step.rule,
        "strength": step.strength.label,
    }


def bound_document(bound: Bound | None) -> dict[str, Any] | None:
    """Return a bound as JSON values; None for none."""
    if bound is None:
        return None
    return {
        "wall_ns": str(bound.wall_ns),
        "error_us": bound.error_us,
        "position": bound.position,
        "moment": bound.moment.value,
        "rule": bound.rule,
        "strength": bound.strength.label,
    }
