"""From a record of the journal to the rows of its items."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

from google.protobuf.message import DecodeError
from opentelemetry.proto.logs.v1 import logs_pb2
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1 import trace_pb2

from sidespand.ai import Ai, Normalise, states
from sidespand.content_keys import is_content_event
from sidespand.index import texts, tool_calls
from sidespand.index.schema import (
    AI_KIND_NAMES,
    ENDED,
    HAS_BITS,
    OPEN,
    SPAN_COLUMNS,
    item_id,
)
from sidespand.index.terms import Terms
from sidespand.index.texts import Text
from sidespand.index.values import INTEGER_MAX, attributes, signed
from sidespand.limits import AI_TEXT_CHARACTERS_MAX, SPAN_ID_BYTES, TRACE_ID_BYTES
from sidespand.model import Kind, Record

_AI_KINDS = {name: number for number, name in enumerate(AI_KIND_NAMES)}
_ERROR = 2
_STATES = states.PREFIX.encode()
# In what names a call: messages as JSON, or flat among the attributes.
_CALL_MARKS = (b"tool_call", b"tool_use", b"tool_result", b"function_call")
_SOURCES_MAX = 1024
_PARENT, _CONTENT, _EVENTS = (HAS_BITS[word] for word in ("parent", "content", "events"))
_LINKS, _STATE, _FAILED = (HAS_BITS[word] for word in ("links", "state", "error"))
_ZERO = bytes(SPAN_ID_BYTES)
_COST, _TOKENS, _MODEL, _TTFT = (HAS_BITS[word] for word in ("cost", "tokens", "model", "ttft"))
# Columns for names, their field, the place in ``Ai``, and what a span has then.
_NAMED = tuple(
    (SPAN_COLUMNS.index(column), field, Ai._fields.index(name), HAS_BITS.get(field, 0))
    for column, field, name in (
        ("provider", "provider", "provider"), ("agent", "agent", "agent"), ("tool", "tool", "tool"),
        ("conversation", "conversation", "conversation_id"), ("user", "user", "user_id"),
        ("prompt_version", "prompt.version", "prompt_version"),
    )
)  # fmt: skip
# The same of what is kept as it is.
_KEPT = tuple(
    (SPAN_COLUMNS.index(column), Ai._fields.index(f"{column}_id"), HAS_BITS.get(column, 0))
    for column in ("correlation", "request", "tool_call")
)
NodeRef = Callable[[bytes, int], str]


class SpanFacts(NamedTuple):
    """One recording of a span.

    Args:
        trace_id: 16 bytes.
        row: As SPAN_COLUMNS names it; its trace is not numbered yet.
        ai: What it says of agents; None without.
        text: What is searched of it.
        events: Index, time and number of the name.
        links: Index, trace id, span id and number of the kind.
        states: Name and moment of snapshots.
        calls: Ids of tool calls, with who names them.
    """

    trace_id: bytes
    row: list[Any]
    ai: Ai | None
    text: Text
    events: Sequence[tuple[int, int, int | None]]
    links: Sequence[tuple[int, bytes, int, int | None]]
    states: Sequence[tuple[str, str]]
    calls: Sequence[tuple[str, int]]


class LogFacts(NamedTuple):
    """One log record that names a trace.

    Args:
        trace_id: 16 bytes.
        row: Id, span id, time, severity, number of the event's name.
        text: What is searched of it.
        calls: As in ``SpanFacts``.
    """

    trace_id: bytes
    row: tuple[int, int | None, int, int, int | None]
    text: Text
    calls: Sequence[tuple[str, int]]


class _Source(NamedTuple):
    service: int | None
    process: int | None
    resource: int | None


class Extractor:
    """Reads records.

    Args:
        terms: Numbers names.
        normalise: Reads what spans say of agents.
        node_ref: Who recorded a generation of a lineage.
        resource_added: Told of each resource with attributes that it meets: number, attributes.
    """

    def __init__(
        self,
        terms: Terms,
        normalise: Normalise,
        node_ref: NodeRef,
        resource_added: Callable[[int, Mapping[str, Any]], None],
    ) -> None:
        self._terms = terms
        self._normalise = normalise
        self._node_ref = node_ref
        self._resource_added = resource_added
        self._sources: dict[bytes, _Source] = {}
        self._has_states = self._has_calls = True

    def forget(self) -> None:
        """Let go of the numbers that it remembers."""
        self._sources.clear()

    def spans(self, record: Record) -> Iterator[SpanFacts]:
        """Yield the spans of a record of spans or marks, in item order.

        Raises:
            DecodeError: It does not parse.
        """
        assert record.payload is not None
        message = trace_pb2.TracesData.FromString(record.payload)
        header = record.header
        # To look once into the bytes is cheaper than into every key.
        self._has_states = _STATES in record.payload
        self._has_calls = any(mark in record.payload for mark in _CALL_MARKS)
        base = item_id(record.ordinal, header.first_lsn)
        opens = header.kind is Kind.MARKS
        node = self._terms.number("node", self._node_ref(header.lineage, header.boot_generation))
        for resource_spans in message.resource_spans:
            source = self._source(resource_spans.resource)
            for scope_spans in resource_spans.scope_spans:
                for span in scope_spans.spans:
                    yield self._span(span, base, source, node, OPEN if opens else ENDED)
                    base += 1

    def _span(
        self, span: trace_pb2.Span, row_id: int, source: _Source, node: int | None, state: int
    ) -> SpanFacts:
        said = attributes(span.attributes)
        number = self._terms.number
        ai = self._normalise(said)
        name, span_id = span.name, span.span_id
        parent = span.parent_span_id
        parent_id = signed(parent) if len(parent) == SPAN_ID_BYTES and parent != _ZERO else None
        status = span.status
        code = status.code
        start_ns, end_ns = span.start_time_unix_nano, span.end_time_unix_nano
        if start_ns > INTEGER_MAX or end_ns > INTEGER_MAX:
            start_ns, end_ns = min(start_ns, INTEGER_MAX), min(end_ns, INTEGER_MAX)
        attribute_text, content = texts.of_attributes(said)
        has = 0 if parent_id is None else _PARENT
        if content:
            has |= _CONTENT
        events: Sequence[tuple[int, int, int | None]] = ()
        exception = ""
        if sent := span.events:
            events, exception, carries = self._events(sent, content)
            has |= _EVENTS | (_CONTENT if carries else 0)
        links = self._links(linked) if (linked := span.links) else ()
        snapshots = (
            [(one.name[:AI_TEXT_CHARACTERS_MAX], one.when) for one in states.of(said)]
            if self._has_states
            else ()
        )
        error = None
        if code == _ERROR or exception or "error.type" in said:
            has |= _FAILED if code == _ERROR else 0
            content.append(status.message)
            error = number("error", str(said.get("error.type") or exception))
        if links or snapshots:
            has |= (_LINKS if links else 0) | (_STATE if snapshots else 0)
        row = [
            row_id, 0, signed(span_id), parent_id, state, code, span.kind, 0, start_ns,
            None if state == OPEN or not end_ns else max(0, end_ns - start_ns),
            number("name", name), source.service, source.process, node, source.resource,
            None, None, None, None, None, None, None, error,
            None, None, None, None, None, None, None, len(events), len(links), has,
            None, None, None, None,
        ]  # fmt: skip
        calls: Sequence[tuple[str, int]] = ()
        ids = span_id.hex()
        if ai is not None:
            self._fill(row, ai)
            for named in (ai.correlation_id, ai.request_id):
                if named:
                    ids = f"{ids} {texts.one_word(named)}"
            calls = tool_calls.named(said) if self._has_calls else ()
            if ai.tool_call_id:
                calls = [*calls, (ai.tool_call_id, tool_calls.RAN)]
        content_text = texts.bounded(content) if content else ""
        text = Text(row_id, name, attribute_text, content_text, ids)
        return SpanFacts(span.trace_id, row, ai, text, events, links, snapshots, calls)

    def _fill(self, row: list[Any], ai: Ai) -> None:
        number = self._terms.number
        tokens, cost_usd = ai.tokens, ai.cost_usd
        has = 0
        row[7] = _AI_KINDS.get(ai.kind, 0)
        model = ai.model or ai.model_requested
        if model:
            row[16] = number("model", model)
            has = _MODEL
        said: Sequence[Any] = ai
        for column, field, place, bit in _NAMED:
            if value := said[place]:
                row[column] = number(field, value)
                has |= bit
        for column, place, bit in _KEPT:
            if value := said[place]:
                row[column] = value
                has |= bit
        if tokens is not None:
            row[23:27] = tokens.input, tokens.output, tokens.cached, tokens.reasoning
            has |= 0 if row[23] is row[24] is None else _TOKENS
        if cost_usd is not None:
            row[27] = cost_usd
            has |= _COST
        if tokens is not None or cost_usd is not None:
            row[28] = 0 if ai.aggregate else 1
        if ai.ttft_ms is not None:
            row[29] = min(int(ai.ttft_ms * 1e6), INTEGER_MAX)
            has |= _TTFT
        row[32] |= has

    def _events(
        self, sent: Iterable[trace_pb2.Span.Event], content: list[str]
    ) -> tuple[list[tuple[int, int, int | None]], str, bool]:
        found = []
        exception, carries = "", False
        for index, event in enumerate(sent):
            said = attributes(event.attributes)
            name = event.name
            number = self._terms.number("event", name or "event")
            found.append((index, min(event.time_unix_nano, INTEGER_MAX), number))
            if name == "exception" and isinstance(said.get("exception.type"), str):
                exception = said["exception.type"]
            content.append(name)
            if is_content_event(name):
                carries = True
                content.extend(one for value in said.values() for one in texts.of_value(value))
            else:
                words, spoken = texts.of_attributes(said)
                content.extend((words, *spoken))
        return found, exception, carries

    def _links(
        self, linked: Iterable[trace_pb2.Span.Link]
    ) -> list[tuple[int, bytes, int, int | None]]:
        found = []
        for index, link in enumerate(linked):
            said = attributes(link.attributes) if link.attributes else {}
            kind = said.get("link.kind") or said.get("sidespan.link.kind") or ""
            kind_no = self._terms.number("link", kind if isinstance(kind, str) else "")
            if len(link.trace_id) == TRACE_ID_BYTES and len(link.span_id) == SPAN_ID_BYTES:
                found.append((index, link.trace_id, signed(link.span_id), kind_no))
        return found

    def logs(self, record: Record) -> Iterator[LogFacts]:
        """Yield the log records of a record that name a trace, in item order.

        Raises:
            DecodeError: It does not parse.
        """
        assert record.payload is not None
        message = logs_pb2.LogsData.FromString(record.payload)
        row_id = item_id(record.ordinal, record.header.first_lsn) - 1
        for resource_logs in message.resource_logs:
            for scope_logs in resource_logs.scope_logs:
                for log in scope_logs.log_records:
                    row_id += 1
                    if len(log.trace_id) == TRACE_ID_BYTES and any(log.trace_id):
                        yield self._log(log, row_id)

    def _log(self, log: logs_pb2.LogRecord, row_id: int) -> LogFacts:
        said = attributes(log.attributes)
        words, content = texts.of_attributes(said)
        body = log.body.string_value
        if body:
            content.append(texts.plain(body))
        elif log.body.WhichOneof("value") == "kvlist_value":
            content.extend(texts.of_value(attributes(log.body.kvlist_value.values)))
        span_id = log.span_id
        known = len(span_id) == SPAN_ID_BYTES and any(span_id)
        row = (
            row_id,
            signed(span_id) if known else None,
            min(log.time_unix_nano or log.observed_time_unix_nano, INTEGER_MAX),
            log.severity_number,
            self._terms.number("event", log.event_name),
        )
        text = Text(row_id, log.event_name, words, texts.bounded(content), span_id.hex())
        return LogFacts(log.trace_id, row, text, tool_calls.named(said))

    def texts(self, record: Record) -> list[Text]:
        """Return what is searched of a record's items; nothing for one that does not parse."""
        if record.payload is None:
            return []
        try:
            if record.header.kind in (Kind.SPANS, Kind.MARKS):
                return [facts.text for facts in self.spans(record)]
            if record.header.kind is Kind.LOGS:
                return [facts.text for facts in self.logs(record)]
        except DecodeError:
            pass
        return []

    def _source(self, resource: Resource) -> _Source:
        raw = resource.SerializeToString(deterministic=True)
        known = self._sources.get(raw)
        if known is not None:
            return known
        said = attributes(resource.attributes)
        service = said.get("service.name")
        instance = said.get("service.instance.id") or said.get("process.pid")
        host = said.get("host.name") or ""
        number = self._terms.number
        resource_no = number("resource", sha256(raw).hexdigest()) if said else None
        source = _Source(
            number("service", service if isinstance(service, str) else ""),
            number("process", f"{host}/{instance}" if host and instance else str(instance or "")),
            resource_no,
        )
        if resource_no is not None:
            self._resource_added(resource_no, said)
        if len(self._sources) > _SOURCES_MAX:
            self._sources.clear()
        self._sources[raw] = source
        return source
