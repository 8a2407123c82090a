"""What the index answers with. All of it values; texts are as received, any characters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from sidespand.model import Gap, Position

_Row = TypeVar("_Row")


@dataclass(frozen=True, slots=True)
class Page(Generic[_Row]):
    """A part of an answer.

    Args:
        rows: In the order that was asked for.
        next: What ``after`` takes for the part behind it; None when this is the last.
        complete: False when the search was cut short by its time, or by the number of places in
            which a common word was found: more may match.
    """

    rows: tuple[_Row, ...]
    next: str | None
    complete: bool = True


@dataclass(frozen=True, slots=True)
class TraceRow:
    """What a list says of a trace.

    Args:
        trace_id: 16 bytes.
        name: Of its root span; of its earliest span while no root is recorded.
        service: Of the same span.
        services: Their names, each once; as all lists here at most TRACE_VALUES_MAX.
        agent: Of the outermost agent; empty without one.
        agents: Names of agents.
        conversation_id: Empty when none is named; of several the first.
        user_id: The same.
        models: That answered, or were asked.
        tools: Names of tools that ran.
        start_ns: The earliest start, by the senders' clocks.
        end_ns: The latest end; None while a span is open, or none has ended.
        duration_ns: Between these; None with ``end_ns``.
        span_count: Spans, however often each was recorded.
        open_count: Those that are open now.
        abandoned_count: Those that were abandoned and have not ended since.
        error_count: Those with status error.
        llm_count: Calls of models.
        tool_count: Runs of tools.
        tokens_in: Input tokens, cached ones included, of calls that are no repetition of others.
        tokens_out: The same for output, reasoning included.
        tokens_cached: Part of ``tokens_in`` that came from a cache.
        tokens_reasoning: Part of ``tokens_out`` that was thought.
        cost_usd: As reported; None when no call has one.
        status: ``open``, ``abandoned``, ``error`` or ``ok``: the first that fits.
        first: Position of its first item that is indexed.
        last: Of its last one.
        match: Position of the newest item in which a text was found; None without a search.
        root_recorded: Whether ``name`` is that of a span without a parent.
    """

    trace_id: bytes
    name: str
    service: str
    services: tuple[str, ...]
    agent: str
    agents: tuple[str, ...]
    conversation_id: str
    user_id: str
    models: tuple[str, ...]
    tools: tuple[str, ...]
    start_ns: int
    end_ns: int | None
    duration_ns: int | None
    span_count: int
    open_count: int
    abandoned_count: int
    error_count: int
    llm_count: int
    tool_count: int
    tokens_in: int
    tokens_out: int
    tokens_cached: int
    tokens_reasoning: int
    cost_usd: float | None
    status: str
    first: Position
    last: Position
    match: Position | None = None
    root_recorded: bool = True


@dataclass(frozen=True, slots=True)
class SpanRow:
    """What a list says of a span; empty texts where nothing was said.

    Args:
        trace_id: 16 bytes.
        span_id: 8 bytes.
        parent_span_id: 8 bytes; empty for a root.
        position: Of its end; while it has none of the first mark.
        kind: OpenTelemetry's kind, as in ``query.spans``.
        ai_kind: One of ``search_fields.AI_KINDS``; empty for a span without one.
        status: ``unset``, ``ok`` or ``error``.
        state: 0 ended, 1 open, 2 abandoned, 3 abandoned and then ended.
        duration_ns: None while it has no end.
        tokens_in: None where nothing was reported; the same for its fellows.
        aggregate: Its tokens and cost repeat those of other spans and are in no sum.
        request_id: The provider's id of the answer.
        ttft_ns: Time to the first token; None where nothing was reported.
    """

    trace_id: bytes
    span_id: bytes
    parent_span_id: bytes
    position: Position
    name: str
    service: str
    kind: str
    ai_kind: str
    provider: str
    model: str
    agent: str
    tool: str
    conversation_id: str
    user_id: str
    prompt_version: str
    correlation_id: str
    request_id: str
    error_type: str
    status: str
    state: int
    start_ns: int
    duration_ns: int | None
    tokens_in: int | None
    tokens_out: int | None
    tokens_cached: int | None
    tokens_reasoning: int | None
    cost_usd: float | None
    aggregate: bool
    ttft_ns: int | None


class Place(NamedTuple):
    """Where the recordings of a span lie: what to read of the journal to have it whole.

    Args:
        trace_id: 16 bytes.
        span_id: 8 bytes.
        ended: Of the newest recording of its end; None without one.
        marks: Of its marks, oldest first; none once it has ended.
        abandoned: Of the newest ABANDONED record that names it; None when none does.
    """

    trace_id: bytes
    span_id: bytes
    ended: Position | None
    marks: tuple[Position, ...]
    abandoned: Position | None


class LogPlace(NamedTuple):
    """Where a log record lies that names a span.

    Args:
        position: Its own.
        span_id: 8 bytes; empty where it names a trace alone.
        time_ns: When it happened, else when it was observed, by the sender's clock.
        severity: OTLP's number; 0 for none.
        event_name: Empty for one that is no event.
    """

    position: Position
    span_id: bytes
    time_ns: int
    severity: int
    event_name: str


@dataclass(frozen=True, slots=True)
class Skeleton:
    """A trace in columns, one entry a span in display order: parents before children.

    Args:
        trace_id: 16 bytes.
        position: Of its newest item.
        start_ns: The earliest start.
        end_ns: The latest end; None while a span is open, or none has ended.
        strings: What the columns of names refer to; the first is empty.
        columns: By name, lists of one length; the API's documentation has each.
        edges: Maps of ``from``, ``to`` (rows), ``kind`` and ``label``.
    """

    trace_id: bytes
    position: Position
    start_ns: int
    end_ns: int | None
    strings: Sequence[str]
    columns: Mapping[str, Sequence[Any]]
    edges: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class StatRow:
    """Sums over the spans that share a value.

    Args:
        key: The value; empty where a span has none.
        spans: How many.
        traces: In how many traces.
        errors: Spans with status error.
        tokens_in: As in ``TraceRow``, and so its fellows.
        cost_usd: None when no call has one.
        p50_ms: Median duration of those that have ended; None without one; so the others.
    """

    key: str
    spans: int
    traces: int
    errors: int
    tokens_in: int
    tokens_out: int
    tokens_cached: int
    tokens_reasoning: int
    cost_usd: float | None
    p50_ms: float | None
    p95_ms: float | None
    max_ms: float | None


@dataclass(frozen=True, slots=True)
class Stats:
    """An answer of ``stats``.

    Args:
        by: What was asked for.
        rows: Most spans first, at most STATS_ROWS_MAX.
        total: Over all spans; its key is empty.
        complete: False when older spans were left out because time was up.
    """

    by: str
    rows: tuple[StatRow, ...]
    total: StatRow
    complete: bool


@dataclass(frozen=True, slots=True)
class Strip:
    """What happened over time: lists of one entry a bucket, by the start of traces.

    Args:
        from_ns: Where the first bucket begins.
        to_ns: Where the last one ends.
        bucket_ns: How long each is.
        series: ``traces``, ``spans``, ``errors``, ``tokens_in``, ``tokens_out``, ``cost_usd``,
            ``p50_ms`` and ``p95_ms``; the last two None in a bucket without an ended trace.
        complete: As in ``Page``.
    """

    from_ns: int
    to_ns: int
    bucket_ns: int
    series: Mapping[str, Sequence[float | None]]
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Completion:
    """A value that was seen in a field, and in how many traces."""

    value: str
    count: int


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of a question in SQL.

    Args:
        columns: Names.
        rows: Of None, int, float, str and bytes.
        truncated: There were more, or time was up.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    truncated: bool


@dataclass(frozen=True, slots=True)
class Changes:
    """Which traces have changed since a position.

    Args:
        traces: Those that match, as they are now, in the order of their last item.
        position: Up to which this is all; what ``after`` takes next.
        gaps: Of what the index has read since, holes that the log declares.
    """

    traces: tuple[TraceRow, ...]
    position: Position | None
    gaps: tuple[Gap, ...] = ()


class Lag(NamedTuple):
    """How far the index is behind the journal.

    Args:
        state: ``live``, or ``building`` while it is further behind than it should ever be.
        items: LSNs that are durable and not indexed; a lower bound across lineages.
        seconds: For how long the oldest of them has been durable; 0.0 without one.
    """

    state: str
    items: int
    seconds: float
