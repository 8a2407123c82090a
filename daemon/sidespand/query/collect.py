"""Collects what is recorded of one trace: ends, marks, and what was abandoned of it."""

from collections.abc import Collection
from dataclasses import dataclass

from sidespand.limits import TRACE_SPANS_MAX
from sidespand.model import Kind, SpanKey
from sidespand.query.find import unknown
from sidespand.query.lives import abandonments, settle
from sidespand.query.span import Abandonment, Span
from sidespand.query.spans import begun_items, decode
from sidespand.query.walk import Walk


@dataclass(frozen=True, slots=True)
class FoundTrace:
    """The spans of one trace.

    Args:
        trace_id: 16 bytes.
        spans: Newest end first, then those without an end; at most TRACE_SPANS_MAX recordings
            were looked at.
        truncated: There were more.
    """

    trace_id: bytes
    spans: tuple[Span, ...]
    truncated: bool


def collect_trace(
    walk: Walk, trace_id: bytes, running: Collection[SpanKey] = frozenset()
) -> FoundTrace:
    """Return the recorded spans of one trace, those that have not ended as their marks have them.

    Args:
        walk: Over the journal.
        trace_id: 16 bytes.
        running: The spans that are open now.

    Raises:
        NotFound: There is none. Not retryable.
    """
    ended: list[Span] = []
    marks: list[Span] = []
    abandoned: dict[bytes, Abandonment] = {}
    truncated = False
    for record in walk:
        if record.payload is None or trace_id not in record.payload:
            continue
        for key, abandonment in abandonments(record):
            if key.trace_id == trace_id:
                abandoned.setdefault(key.span_id, abandonment)
        found = ended if record.header.kind is Kind.SPANS else marks
        for item in reversed(list(begun_items(record))):
            if item.span.trace_id != trace_id:
                continue
            walk.found()
            if len(ended) + len(marks) == TRACE_SPANS_MAX:
                truncated = True
                break
            found.append(decode(item))
        if truncated:
            break
    if not ended and not marks:
        raise unknown(trace_id.hex())
    now = {key.span_id for key in running if key.trace_id == trace_id}
    return FoundTrace(trace_id, tuple(settle(ended, marks, abandoned, now)), truncated)
