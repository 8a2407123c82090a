"""What became of spans that marks announced: running, ended, abandoned, or all of it in turn.

The end of a span stands for all its marks. Without one, its marks are put together in log order:
attributes replace by key, events and links are added, any other field replaces when it is set.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

import msgpack

from sidespand.model import Kind, Position, Record, SpanKey
from sidespand.query.span import Abandonment, Span, State


def abandonments(record: Record) -> Iterator[tuple[SpanKey, Abandonment]]:
    """Yield the spans that an ABANDONED record names; nothing for another kind."""
    if record.header.kind is not Kind.ABANDONED or record.payload is None:
        return
    body = msgpack.unpackb(record.payload)
    abandonment = Abandonment(
        record.position, body["at_ns"], body["reason"], body["pid"], body["uid"]
    )
    for trace_id, span_id, *_ in body["spans"]:
        yield SpanKey(trace_id, span_id), abandonment


def settle(
    ended: Sequence[Span],
    marks: Sequence[Span],
    abandoned: Mapping[bytes, Abandonment],
    running: Collection[bytes],
) -> list[Span]:
    """Return the spans of one trace as they stand.

    Args:
        ended: Recordings of ends, in any order; each is returned.
        marks: Of any spans, in any order; those of a span without an end become one.
        abandoned: The newest abandonment, by span id.
        running: Ids of the spans that are open now.
    """
    settled = []
    for end in ended:
        span = end
        abandonment = abandoned.get(span.span_id)
        if abandonment is not None and span.stamp.position > abandonment.position:
            span = replace(span, state=State.ABANDONED_THEN_ENDED, abandonment=abandonment)
        settled.append(span)
    known = {span.span_id for span in ended}
    unended: dict[bytes, Span] = {}
    newest: dict[bytes, Position] = {}
    for mark in sorted(marks, key=lambda mark: mark.stamp.position):
        if mark.span_id not in known:
            before = unended.get(mark.span_id)
            unended[mark.span_id] = mark if before is None else _added(before, mark)
            newest[mark.span_id] = mark.stamp.position
    for span_id, span in unended.items():
        abandonment = abandoned.get(span_id)
        if span_id in running:
            settled.append(replace(span, state=State.OPEN))
        elif abandonment is not None and abandonment.position > newest[span_id]:
            settled.append(replace(span, state=State.ABANDONED, abandonment=abandonment))
        else:
            settled.append(replace(span, state=State.UNENDED))
    return settled


def _added(span: Span, mark: Span) -> Span:
    # Its stamp stays that of the mark that opened it.
    return replace(
        span,
        parent_span_id=mark.parent_span_id or span.parent_span_id,
        name=mark.name or span.name,
        kind=mark.kind if mark.kind != "unspecified" else span.kind,
        service=mark.service or span.service,
        start_ns=mark.start_ns or span.start_ns,
        status=mark.status if mark.status != "unset" else span.status,
        status_message=mark.status_message or span.status_message,
        attributes={**span.attributes, **mark.attributes},
        events=(*span.events, *mark.events),
        links=(*span.links, *mark.links),
        trace_state=mark.trace_state or span.trace_state,
        resource={**span.resource, **mark.resource},
        scope=mark.scope or span.scope,
    )
