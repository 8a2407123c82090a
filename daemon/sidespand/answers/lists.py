"""Lists of traces and spans, sums over them, and where a searched text was found."""

import re
import time
from datetime import tzinfo

from sidespand import search
from sidespand.answers.rows import index_document
from sidespand.answers.stock import Stock
from sidespand.errors import NotFound, StoreUnreadable
from sidespand.index import documents
from sidespand.index.rows import TraceRow
from sidespand.limits import EXCERPT_CHARACTERS
from sidespand.model import Position
from sidespand.query.documents import Document, open_span_document
from sidespand.query.logs import log_items
from sidespand.query.redactions import redaction_document
from sidespand.query.span import Value
from sidespand.query.spans import begun_items, decode
from sidespand.search import Query, Sort


def parsed(line: str, zone: tzinfo | None = None) -> Query:
    """Return a query as of now; errors as of ``search.parse``."""
    return search.parse(line, time.time_ns(), zone)


def sorted_by(name: str | None) -> Sort | None:
    """Return the order that a name is; None for none."""
    return search.sort_by(name) if name else None


def traces_answer(
    stock: Stock, line: str, sort: str | None, limit: int, after: str | None
) -> Document:
    """Return a part of the list of traces.

    Raises:
        InvalidRequest: A part of the question is malformed. Not retryable.
    """
    query = parsed(line)
    page = stock.index.traces(query, sorted_by(sort), limit, after)
    words = _words(query)
    found = documents.traces_page(page)
    for row, document in zip(page.rows, found["traces"], strict=True):
        document["match"] = excerpt(stock, row, words)
    position = stock.index.position()
    redacted = stock.redactions().all()
    return with_index(
        stock,
        {
            **found,
            "position": None if position is None else str(position),
            "redacted": [redaction_document(*one) for one in redacted],
        },
    )


def spans_answer(
    stock: Stock, line: str, sort: str | None, limit: int, after: str | None
) -> Document:
    """Return a part of the list of spans; errors as of ``traces_answer``."""
    page = stock.index.spans(parsed(line), sorted_by(sort), limit, after)
    return with_index(stock, documents.spans_page(page))


def with_index(stock: Stock, document: Document) -> Document:
    """Return an answer, and how far behind the index is that gave it."""
    return {**document, "index": index_document(stock.index.lag())}


def open_answer(stock: Stock) -> Document:
    """Return the spans that are open, as the recorder's table has them, the newest first."""
    spans = stock.journal.open_spans()[::-1]
    return {"spans": [open_span_document(span) for span in spans], "as_of_ns": str(time.time_ns())}


def fields_answer() -> Document:
    """Return the fields of the query grammar."""
    return {
        "fields": [{"name": one.name, "kind": one.kind, "help": one.help} for one in search.FIELDS]
    }


def excerpt(stock: Stock, row: TraceRow, words: list[str]) -> str | None:
    """Return the text around the first searched word in the item that matched; None without one."""
    if row.match is None or not words:
        return None
    for text in _texts(stock, row.match):
        for word in words:
            at = text.lower().find(word)
            if at >= 0:
                begin = max(0, at - EXCERPT_CHARACTERS // 3)
                return text[begin : begin + EXCERPT_CHARACTERS]
    return None


def _words(query: Query) -> list[str]:
    return [
        word.lower()
        for term in query.terms
        if term.field == "text" and not term.negated
        for value in term.values
        for word in re.findall(r"\w+", value.text)
    ]


def _texts(stock: Stock, position: Position) -> list[str]:
    try:
        record = stock.record_at(position)
        for item in begun_items(record):
            if item.stamp.position == position:
                span = decode(item)
                said = [dict(span.attributes), *(dict(one.attributes) for one in span.events)]
                return [span.name, span.status_message, *_leaves([*said])]
        for log in log_items(record):
            if log.stamp.position == position:
                return _leaves([log.body, dict(log.attributes)])
    except (NotFound, StoreUnreadable):
        # It is gone meanwhile: the list is right all the same.
        return []
    return []


def _leaves(value: Value) -> list[str]:
    waiting, found = [value], []
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            found.append(one)
        elif isinstance(one, dict):
            waiting.extend(reversed(list(one.values())))
        elif isinstance(one, list):
            waiting.extend(reversed(one))
    return found
