"""Questions of order: was A before B, what does the record say of both, how does a trace run.

The evidence is gathered by who asks: from one store, from several, from bundles.
"""

from dataclasses import dataclass

from sidespand import hlc
from sidespand.errors import InvalidRequest, NotFound
from sidespand.evidence import account, explain
from sidespand.evidence.collection import Evidence, Item
from sidespand.evidence.order import Ordering, Placed, order
from sidespand.evidence.verdict import About, Comparer, Verdict
from sidespand.journal.reader import JournalReader
from sidespand.limits import ANSWER_EVIDENCE_ITEMS_MAX
from sidespand.query.documents import Document
from sidespand.query.evidence import Gathered, Gathering, entries
from sidespand.query.names import resolve_item, resolve_trace_id
from sidespand.query.redactions import redaction_document
from sidespand.redaction import Redaction, Target


@dataclass(frozen=True, slots=True)
class Compared:
    """Two items and what the record says of them.

    Args:
        a: The first.
        b: The second.
        verdicts: One a question.
    """

    a: Item
    b: Item
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True)
class Ordered:
    """A trace in one line.

    Args:
        trace_id: 16 bytes.
        ordering: Its items.
        redacted: What is known to be gone of it.
    """

    trace_id: bytes
    ordering: Ordering
    redacted: tuple[tuple[Redaction, Target], ...]


def gathered(journal: JournalReader) -> Gathered:
    """Return the newest ANSWER_EVIDENCE_ITEMS_MAX items of a store, about; it takes seconds."""
    gathering = Gathering()
    gathering.add(entries(journal, journal.ends(), ANSWER_EVIDENCE_ITEMS_MAX))
    return gathering.gathered()


def parse_about(text: str | None) -> About | None:
    """Return what a comparison is about; None for whichever answer is the stronger.

    Raises:
        InvalidRequest: It is neither ``commit`` nor ``activity``. Not retryable.
    """
    try:
        return None if text is None else About(text)
    except ValueError:
        raise InvalidRequest('about: expected "commit" or "activity"') from None


def compare(evidence: Evidence, a: str, b: str, about: About | None) -> Compared:
    """Return whether ``a`` was before ``b``.

    Raises:
        NotFound: Nothing that was read answers to one of them. Not retryable.
        UnusableId: One names nothing, or more than one thing. Not retryable.
    """
    one, other = (resolve_item(evidence, text) for text in (a, b))
    return Compared(one, other, (Comparer(evidence).compare(one, other, about),))


def compare_document(evidence: Evidence, found: Compared) -> Document:
    """Return the verdict of ``compare``."""
    (verdict,) = found.verdicts
    return {"a": str(found.a), "b": str(found.b), **explain.document(evidence, verdict)}


def explained(evidence: Evidence, a: str, b: str) -> Compared:
    """Return all that the record says of two items; errors as of ``compare``."""
    one, other = (resolve_item(evidence, text) for text in (a, b))
    comparer = Comparer(evidence)
    asked = [About.COMMIT]
    if evidence.fact(one) is not None and evidence.fact(other) is not None:
        asked.append(About.ACTIVITY)
    return Compared(one, other, tuple(comparer.compare(one, other, about) for about in asked))


def explain_document(evidence: Evidence, found: Compared) -> Document:
    """Return both verdicts of ``explained``, and of each item its tokens and bounds."""
    return {
        "a": account.document(evidence, found.a),
        "b": account.document(evidence, found.b),
        **{one.about.value: explain.document(evidence, one) for one in found.verdicts},
    }


def ordered(found: Gathered, text: str) -> Ordered:
    """Return the items of a trace in an order that contradicts nothing in the record.

    Raises:
        NotFound: Nothing that was read is of it. Not retryable.
        UnusableId: It is no id, or several traces answer to it. Not retryable.
    """
    try:
        trace_id = resolve_trace_id(found.evidence, text)
    except NotFound:
        # Nothing of it can be read, but the log may tell why.
        named = found.redactions.traces(text.lower())
        if len(named) != 1:
            raise
        trace_id = named[0]
    ordering = order(Comparer(found.evidence), trace_id)
    redacted = tuple(found.redactions.of_trace(trace_id))
    if not ordering.placed and not redacted:
        raise NotFound(
            f"nothing that was read is of trace {trace_id.hex()}",
            hint="name its nodes' stores with --store, or read all of them with --all",
        )
    return Ordered(trace_id, ordering, redacted)


def order_document(evidence: Evidence, found: Ordered) -> Document:
    """Return a trace in one line."""
    return {
        "trace_id": found.trace_id.hex(),
        "items": [
            {
                "position": str(one.item),
                "span_id": span_id(evidence, one),
                "hlc": hlc.text(one.item.stamp),
                "node": evidence.nodes.get(one.item.record.header.lineage),
                "strength": one.strength.label,
            }
            for one in found.ordering.placed
        ],
        "by_hlc": found.ordering.by_hlc,
        "circular": found.ordering.circular,
        "redacted": [redaction_document(*one) for one in found.redacted],
    }


def span_id(evidence: Evidence, placed: Placed) -> str:
    """Return the hex digits of the span that an item of a trace is of."""
    fact = evidence.fact(placed.item)
    assert fact is not None
    return fact.span_id.hex()
