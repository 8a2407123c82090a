"""What the record says of one item by itself: its place, its clock, its tokens and its bounds."""

from typing import Any

from sidespand import hlc
from sidespand.evidence.bracket import not_after, not_before
from sidespand.evidence.collection import Citation, Evidence, Item
from sidespand.evidence.explain import bound_document, bound_text
from sidespand.model import Flag


def document(evidence: Evidence, item: Item) -> dict[str, Any]:
    """Return the account of an item as JSON values."""
    header = item.record.header
    fact = evidence.fact(item)
    return {
        "position": str(item),
        "node": evidence.nodes.get(header.lineage),
        "kind": header.kind.name.lower(),
        "trace_id": None if fact is None else fact.trace_id.hex(),
        "span_id": None if fact is None else fact.span_id.hex(),
        "boot_generation": header.boot_generation,
        "hlc": hlc.text(item.stamp),
        "wall_ns": str(header.wall_ns),
        "clock_synced": Flag.CLOCK_SYNCED in header.flags,
        "clock_error_us": header.clock_error_us,
        "merge_rejected": Flag.MERGE_REJECTED in header.flags,
        "tokens": [
            {
                "type": citation.edge.type.name.lower(),
                "item_index": citation.edge.item_index,
                "position": _cited(citation),
                "resolution": citation.resolution.value,
            }
            for citation in evidence.cited_by(item.record)
        ],
        "not_before": [bound_document(bound) for bound in not_before(evidence, item)],
        "not_after": [bound_document(bound) for bound in not_after(evidence, item)],
    }


def text(evidence: Evidence, name: str, item: Item) -> str:
    """Return the account of an item in lines for people."""
    header = item.record.header
    fact = evidence.fact(item)
    lines = [f"{name}  {item}  {header.kind.name.lower()}  generation {header.boot_generation}"]
    if fact is not None:
        lines.append(f"  span {fact.trace_id.hex()}/{fact.span_id.hex()}")
    clock = "vouched for" if Flag.CLOCK_SYNCED in header.flags else "not vouched for"
    lines.append(f"  hlc {hlc.text(item.stamp)}, clock {header.wall_ns} ns ({clock})")
    if Flag.MERGE_REJECTED in header.flags:
        lines.append("  a token's clock was too far ahead and was not merged")
    lines += [
        f"  token {citation.edge.type.name.lower()} of {_cited(citation)}: {citation.resolution}"
        for citation in evidence.cited_by(item.record)
    ]
    lines += [f"  not before {bound_text(bound)}" for bound in not_before(evidence, item)]
    lines += [f"  not after  {bound_text(bound)}" for bound in not_after(evidence, item)]
    return "\n".join(lines) + "\n"


def _cited(citation: Citation) -> str:
    return f"{citation.edge.lineage.hex()}:{citation.edge.lsn}"
