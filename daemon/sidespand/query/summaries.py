"""Summaries of the newest traces, in memory that does not grow with the traces."""

from dataclasses import dataclass

from sidespand.limits import SUMMARY_SERVICES_MAX
from sidespand.model import Kind, Position
from sidespand.query.spans import Item, begun_items
from sidespand.query.walk import Walk


@dataclass(frozen=True, slots=True)
class TraceSummary:
    """What a list says of one trace, as far as it was read.

    Args:
        trace_id: 16 bytes.
        position: Of its newest span.
        start_ns: The earliest start.
        end_ns: The latest end; 0 when no span has one.
        span_count: Recordings of ends; one that was sent twice counts twice. 0 while there are
            marks only.
        error_count: Those with status ``error``.
        services: Their names, sorted, at most SUMMARY_SERVICES_MAX.
        root_name: Name of the root span, or of the earliest span while no root is recorded.
        root_recorded: Whether it is the root's.
    """

    trace_id: bytes
    position: Position
    start_ns: int
    end_ns: int
    span_count: int
    error_count: int
    services: tuple[str, ...]
    root_name: str
    root_recorded: bool


def newest_traces(walk: Walk, count: int) -> list[TraceSummary]:
    """Return the traces that were written to last, the newest first.

    Args:
        walk: Over the journal; it is told when the listed traces appear in it.
        count: At most so many.
    """
    drafts: dict[bytes, _Draft] = {}
    for record in walk:
        touched = False
        for item in reversed(list(begun_items(record))):
            trace_id = item.span.trace_id
            draft = drafts.get(trace_id)
            if draft is None:
                if len(drafts) >= count:
                    continue
                draft = drafts[trace_id] = _Draft(item)
            draft.add(item, ended=record.header.kind is Kind.SPANS)
            touched = True
        if touched and len(drafts) >= count:
            walk.found()
    return [draft.summary() for draft in drafts.values()]


class _Draft:
    """A summary that still grows."""

    def __init__(self, newest: Item) -> None:
        self._newest = newest.stamp.position
        self._trace_id = newest.span.trace_id
        self._start_ns = newest.span.start_time_unix_nano
        self._end_ns = 0
        # A span that was sent twice is one span.
        self._ended: set[bytes] = set()
        self._error_count = 0
        self._services: set[str] = set()
        self._root = (True, self._start_ns, newest.span.name)

    def add(self, item: Item, *, ended: bool) -> None:
        """Take one more span in; only those that have ended are counted."""
        span = item.span
        # A mark that only adds to its span need not say when it began, nor what it is called.
        start_ns = span.start_time_unix_nano or self._start_ns
        self._start_ns = min(self._start_ns or start_ns, start_ns)
        self._end_ns = max(self._end_ns, span.end_time_unix_nano)
        if ended and span.span_id not in self._ended:
            self._ended.add(span.span_id)
            self._error_count += item.status == "error"
        if item.service and len(self._services) < SUMMARY_SERVICES_MAX:
            self._services.add(item.service)
        # A span without a parent goes before any that has one.
        if ended or span.name:
            self._root = min(self._root, (bool(item.parent_span_id), start_ns, span.name))

    def summary(self) -> TraceSummary:
        """Return it as a value."""
        orphan, _, root_name = self._root
        return TraceSummary(
            trace_id=self._trace_id,
            position=self._newest,
            start_ns=self._start_ns,
            end_ns=self._end_ns,
            span_count=len(self._ended),
            error_count=self._error_count,
            services=tuple(sorted(self._services)),
            root_name=root_name,
            root_recorded=not orphan,
        )
