"""What a check of a store establishes, in sentences, and what it cannot."""

from collections.abc import Iterable, Mapping

from sidespand.audit.lineage import LineageAudit
from sidespand.audit.report import Report
from sidespand.evidence.note import Verifier


def summarise(
    report: Report,
    lineages: Mapping[bytes, LineageAudit],
    pinned: Verifier | None,
    *,
    kept_count: int,
) -> None:
    """Add sentences and figures to a report whose findings are complete."""
    report.facts["lineages"] = [_figures(audit) for audit in lineages.values()]
    records = sum(audit.figures.records for audit in lineages.values())
    redacted = sum(len(audit.redacted) for audit in lineages.values())
    if not report.findings:
        report.established.append(
            f"{_counted(records, 'record')}: checksums, commitments, places, stamps and generations"
            " hold"
        )
        for audit in lineages.values():
            report.established += _of_tree(audit, pinned)
    if redacted:
        report.not_established.append(
            f"what the {_counted(redacted, 'redacted record')} held: commitments are all that is"
            " left"
        )
    for audit in lineages.values():
        report.not_established += _limits(audit, pinned)
    if not kept_count:
        report.not_established.append(
            "that the end of the log was not cut off, or the whole store not put back to an earlier"
            " state: that takes a checkpoint, a token or a receipt kept elsewhere (--checkpoint)"
        )
    if pinned is None:
        report.not_established.append(
            "who wrote it: no node key was given, so the log vouches for itself, which is weaker"
            " (--key)"
        )
    report.not_established.append(
        "that a record is true, or that nothing was left out before it was accepted"
    )


def _of_tree(audit: LineageAudit, pinned: Verifier | None) -> list[str]:
    figures = audit.figures
    name = audit.lineage.hex()
    found = []
    if figures.signed is not None:
        whole = figures.rooted == figures.checkpoints
        found.append(
            f"{name}: {_counted(figures.checkpoints, 'checkpoint')} soundly signed; the records"
            f" make {'every root' if whole else f'{figures.rooted} of the roots'}; the last one"
            f" signs the first {figures.covered} of {audit.record_count} records"
        )
    if figures.certified:
        found.append(f"{name}: {_key_name(audit, pinned)} certified {_named(figures.certified)}")
    found += [
        f"{name}: the checkpoint of {size} records that was kept elsewhere is of this log"
        for size, met in sorted(audit.kept_met.items())
        if met
    ]
    return found


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _named(generations: Iterable[int]) -> str:
    numbers = [str(one) for one in sorted(generations)]
    return f"generation{'s' if len(numbers) > 1 else ''} {', '.join(numbers)}"


def _key_name(audit: LineageAudit, pinned: Verifier | None) -> str:
    if pinned is not None:
        return f"the given node key {pinned.name}+{pinned.key_id.hex()}"
    names = {f"{one.name}+{one.key_id.hex()}" for one in audit.authority.certifiers()}
    return f"the node key {', '.join(sorted(names))}, which the log itself names,"


def _limits(audit: LineageAudit, pinned: Verifier | None) -> list[str]:
    figures = audit.figures
    name = audit.lineage.hex()
    found = []
    if figures.trimmed_to:
        found.append(f"{name}: what was before LSN {figures.trimmed_to}: it was trimmed")
    found += [
        f"{name}: whether the checkpoint of {size} records that was kept elsewhere is of this log"
        for size in audit.kept_unknown
    ]
    if audit.uncovered_lsn is not None:
        found.append(
            f"{name}: no checkpoint covers LSN {audit.uncovered_lsn} to {audit.next_lsn - 1}:"
            " these records rest on the node's word"
        )
    uncertified = [one for one in figures.generations if one not in figures.certified]
    if pinned is not None and uncertified and figures.certified:
        found.append(
            f"{name}: {_named(uncertified)} began before the node had its key; only later"
            " checkpoints vouch for them"
        )
    return found


def _figures(audit: LineageAudit) -> dict[str, object]:
    figures = audit.figures
    signed = figures.signed
    uncovered = None
    if audit.uncovered_lsn is not None:
        uncovered = {"first_lsn": str(audit.uncovered_lsn), "last_lsn": str(audit.next_lsn - 1)}
    return {
        "lineage": audit.lineage.hex(),
        "records": str(figures.records),
        "items": str(figures.items),
        "last_lsn": str(audit.next_lsn - 1),
        "trimmed_to_lsn": str(figures.trimmed_to) if figures.trimmed_to else None,
        "generations": figures.generations,
        "certified_generations": sorted(figures.certified),
        "checkpoints": figures.checkpoints,
        "covered_records": str(figures.covered),
        "newest_checkpoint": None if signed is None else signed.text,
        "uncovered": uncovered,
        "redacted_records": len(audit.redacted),
    }
