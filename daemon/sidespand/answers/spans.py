"""One span with all that belongs to it: its messages, snapshots, logs, and where it stands."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sidespand.ai import messages, states
from sidespand.answers.cutting import Cutter, content_text, join, resolve
from sidespand.answers.recordings import Recordings
from sidespand.answers.rows import ai_document
from sidespand.answers.stock import Stock
from sidespand.errors import InvalidRequest, NotFound
from sidespand.index.rows import Place
from sidespand.limits import ANSWER_LOGS_MAX
from sidespand.query.documents import (
    Document,
    attributes_document,
    json_value,
    span_document,
    stamp_document,
)
from sidespand.query.find import parse_id
from sidespand.query.logs import LogItem
from sidespand.query.receipts import Place as ItemPlace
from sidespand.query.receipts import edges_document, record_document
from sidespand.query.span import Span

# Those members of a message's part that are no content.
_NAMES = ("type", "id", "name", "mime_type", "modality")


def find_place(stock: Stock, text: str, trace: str | None = None) -> Place:
    """Return where the span lies that an id or a unique prefix names.

    Args:
        stock: With an index.
        text: 6 hex digits or more.
        trace: Of the trace, the same; None to look everywhere.

    Raises:
        NotFound: Nothing answers to it. Not retryable.
        InvalidRequest: It is no id, or several spans answer to it. Not retryable.
        UnusableId: The same.
    """
    digits = parse_id(text)
    trace_id = None if trace is None else stock.index.resolve_trace(trace)
    found = stock.index.span_place(digits, trace_id)
    if not found:
        raise NotFound(
            f"no span has the id {digits}", hint="`sidespan query` lists the newest spans"
        )
    if len(found) > 1:
        named = ", ".join(f"{one.span_id.hex()} in trace {one.trace_id.hex()}" for one in found)
        raise InvalidRequest(
            f"{digits} is ambiguous: {named}", hint="name its trace, or give more digits"
        )
    return found[0]


def span_answer(stock: Stock, place: Place, *, cut: bool = True) -> Document:
    """Return all that is recorded of one span.

    Args:
        stock: With an index.
        place: Where it lies.
        cut: Let ``{"$content", "bytes", "preview"}`` stand for large values.

    Raises:
        NotFound: Its content is gone. Not retryable.
    """
    recordings = Recordings(stock)
    recording = recordings.span(place)
    span = recording.span
    logs = logs_of(stock, recordings, place)
    cutter = Cutter(wanted=cut)
    item = ItemPlace(recording.record, recording.item_index)
    found = stock.normalise(span.attributes)
    return {
        "span": span_cut(cutter, "/span", span_document(span, stock.node_ref)),
        "ai": ai_document(found),
        "messages": _messages(cutter, span, logs),
        "tool": _tool(cutter, span),
        "states": _states(cutter, span),
        "logs": [
            _log(cutter, join("/logs", number), log, stock) for number, log in enumerate(logs)
        ],
        "edges": edges_document(item),
        "stamp": stamp_document(span.stamp, stock.node_ref),
        "record": record_document(item),
    }


def content(stock: Stock, place: Place, path: str) -> tuple[str, bool]:
    """Return the whole of what a path of ``$content`` names, and whether it is a text.

    Raises:
        InvalidRequest: It is no path. Not retryable.
        NotFound: Nothing is there. Not retryable.
    """
    value = resolve(span_answer(stock, place, cut=False), path)
    return content_text(value), isinstance(value, str)


def messages_of(span: Span, logs: Sequence[LogItem]) -> dict[str, list[Document]]:
    """Return what was said to a model and what it answered, uncut."""
    found = messages.read(span.attributes, span.events, logs)
    return {
        part: [_json(one) for one in getattr(found, part)] for part in ("system", "input", "output")
    }


def logs_of(stock: Stock, recordings: Recordings, place: Place) -> list[LogItem]:
    """Return the log records of a span, the first ANSWER_LOGS_MAX of them."""
    places = stock.index.logs_of(place.trace_id, place.span_id)
    return list(recordings.logs(places[:ANSWER_LOGS_MAX]))


def snapshots(span: Span) -> list[tuple[states.State, Any]]:
    """Return the snapshots of state in a span, each with what it holds."""
    return [(state, _parsed(span.attributes[state.key])) for state in states.of(span.attributes)]


def span_cut(cutter: Cutter, path: str, document: Document) -> Document:
    """Return a span's document with its large values cut."""

    def within(kind: str) -> list[Document]:
        return [
            {**one, "attributes": cutter.members(f"{path}/{kind}/{n}/attributes", given)}
            for n, one in enumerate(document[kind])
            for given in (one["attributes"],)
        ]

    return {
        **document,
        **{key: cutter.value(join(path, key), document[key]) for key in ("name", "status_message")},
        "attributes": cutter.members(f"{path}/attributes", document["attributes"]),
        "events": within("events"),
        "links": within("links"),
        "resource": cutter.members(f"{path}/resource", document["resource"]),
    }


def _messages(cutter: Cutter, span: Span, logs: Sequence[LogItem]) -> Document:
    return {
        part: [
            {**message, "parts": _parts(cutter, f"/messages/{part}/{n}/parts", message["parts"])}
            for n, message in enumerate(found)
        ]
        for part, found in messages_of(span, logs).items()
    }


def _parts(cutter: Cutter, path: str, parts: Sequence[Mapping[str, Any]]) -> list[Document]:
    return [
        {
            key: value if key in _NAMES else cutter.value(join(f"{path}/{n}", key), value)
            for key, value in part.items()
        }
        for n, part in enumerate(parts)
    ]


def _tool(cutter: Cutter, span: Span) -> Document | None:
    found = messages.tool(span.attributes)
    if found is None:
        return None
    return {
        key: cutter.value(f"/tool/{key}", _json(value)) if key in ("arguments", "result") else value
        for key, value in found.items()
    }


def _states(cutter: Cutter, span: Span) -> list[Document]:
    return [
        {
            "index": number,
            "event_time_ns": str(span.start_ns if state.when == "before" else span.end_ns),
            "name": state.name,
            "key": state.when,
            "attribute": state.key,
            "value": cutter.value(f"/states/{number}/value", value),
        }
        for number, (state, value) in enumerate(snapshots(span))
    ]


def _log(cutter: Cutter, path: str, log: LogItem, stock: Stock) -> Document:
    return {
        "time_ns": str(log.time_ns),
        "severity": log.severity,
        "severity_text": log.severity_text or None,
        "event_name": log.event_name or None,
        "body": cutter.value(f"{path}/body", json_value(log.body)),
        "attributes": cutter.members(f"{path}/attributes", attributes_document(log.attributes)),
        "service": log.service,
        "scope": log.scope,
        "stamp": stamp_document(log.stamp, stock.node_ref),
    }


def _parsed(value: Any) -> Any:
    if not isinstance(value, str):
        return json_value(value)
    try:
        return _json(json.loads(value))
    except (ValueError, RecursionError):
        return value


def _json(value: Any) -> Any:
    # What the span's JSON held may hold numbers that our own JSON has no form for.
    return json_value(value)
