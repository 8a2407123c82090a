"""A whole trace: as a tree of its spans, and as columns."""

from sidespand.answers.cutting import Cutter
from sidespand.answers.recordings import Recordings
from sidespand.answers.rows import ai_document, skeleton_document
from sidespand.answers.spans import span_cut
from sidespand.answers.stock import Stock
from sidespand.errors import NotFound, TooLarge
from sidespand.limits import ANSWER_SPANS_MAX
from sidespand.query.documents import Document, gap_document, trace_document
from sidespand.query.redactions import redaction_document
from sidespand.query.traces import assemble


def trace_answer(stock: Stock, text: str, *, cut: bool = True) -> Document:
    """Return the tree of the trace that an id, a prefix, a span's id or ``last`` names.

    Args:
        stock: With an index.
        text: As the index resolves it.
        cut: Let ``{"$content", "bytes", "preview"}`` stand for large values.

    Raises:
        NotFound: Nothing answers to it. Not retryable.
        InvalidRequest: It is no id, or several traces answer to it. Not retryable.
        TooLarge: It has more than ANSWER_SPANS_MAX spans. Not retryable.
    """
    trace_id = stock.index.resolve_trace(text)
    places = stock.index.span_places(trace_id)
    if len(places) > ANSWER_SPANS_MAX:
        raise TooLarge(
            f"trace {trace_id.hex()} has {len(places)} spans, a tree at most {ANSWER_SPANS_MAX}",
            hint=f"ask for /v1/traces/{trace_id.hex()}/skeleton, and for spans one by one",
        )
    spans = [one.span for one in Recordings(stock).spans(places)]
    redacted = stock.redactions(trace_id).of_trace(trace_id)
    if not spans and not redacted:
        raise NotFound(f"nothing recorded has the id {text}")
    attributes = {span.span_id: span.attributes for span in spans}
    document = trace_document(trace_id, assemble(spans), stock.node_ref)
    cutter = Cutter(wanted=cut)
    document["spans"] = [
        {
            **span_cut(cutter, "/span", span),
            "ai": ai_document(stock.normalise(attributes[bytes.fromhex(span["span_id"])])),
        }
        for span in document["spans"]
    ]
    document["redacted"] = [redaction_document(*one) for one in redacted]
    return document


def skeleton_answer(stock: Stock, text: str) -> Document:
    """Return a trace in columns, of any size; names as of ``trace_answer``.

    Raises:
        NotFound: Nothing answers to it, or all of it was redacted; the message says which. Not
            retryable.
        InvalidRequest: It is no id, or several traces answer to it. Not retryable.
    """
    trace_id = stock.index.resolve_trace(text)
    skeleton = stock.index.skeleton(trace_id)
    if skeleton is None:
        raise _gone(stock, trace_id, text)
    row = stock.index.trace_row(trace_id)
    gaps = () if row is None else stock.index.gaps(row.first, row.last)
    return skeleton_document(skeleton, [gap_document(gap) for gap in gaps])


def _gone(stock: Stock, trace_id: bytes, text: str) -> NotFound:
    redacted = stock.redactions(trace_id).of_trace(trace_id)
    if not redacted:
        return NotFound(f"nothing recorded has the id {text}")
    acts = {told.position: f"by {told.actor}: {told.reason}" for told, _ in redacted}
    return NotFound(
        f"all of trace {trace_id.hex()} was redacted {'; '.join(acts.values())}",
        hint=f"`sidespan show {trace_id.hex()}` has when, and what was taken",
    )
