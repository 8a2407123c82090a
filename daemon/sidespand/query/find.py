"""Finds spans and traces by id or unique prefix, newest first, in bounded memory.

A record is decoded only when its bytes hold the bytes of the id: a search runs at the speed of
reading.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from sidespand.errors import NotFound, SidespanError
from sidespand.limits import (
    ID_CANDIDATES_MAX,
    ID_PREFIX_CHARACTERS_MIN,
    TRACE_ID_BYTES,
    TRACE_SPANS_MAX,
)
from sidespand.model import Position, Record
from sidespand.query.spans import Item, begun_items, items
from sidespand.query.walk import Walk

_ID = re.compile(r"[0-9a-f]+")
_TRACE_ID_CHARACTERS = 2 * TRACE_ID_BYTES


class UnusableId(SidespanError):
    """The text is no id, or names more than one thing; the message lists them."""


class Hit(NamedTuple):
    """A span and where it lies.

    Args:
        record: The record that holds it.
        item: The span, still encoded.
    """

    record: Record
    item: Item

    @property
    def item_index(self) -> int:
        """Its place in the record, from 0."""
        return self.item.stamp.position.lsn - self.record.header.first_lsn


class _Candidate(NamedTuple):
    trace_id: bytes
    span_id: bytes

    def __str__(self) -> str:
        if not self.span_id:
            return f"trace {self.trace_id.hex()}"
        return f"span {self.span_id.hex()} in trace {self.trace_id.hex()}"


def parse_id(text: str) -> str:
    """Return the lower hex digits of a trace or span id, or of a prefix of one.

    Raises:
        UnusableId: It is not hexadecimal, too short or too long. Not retryable.
    """
    digits = text.lower()
    if not _ID.fullmatch(digits) or not (
        ID_PREFIX_CHARACTERS_MIN <= len(digits) <= _TRACE_ID_CHARACTERS
    ):
        raise UnusableId(
            f"not an id: {text[:64]!r}",
            hint=f"name a trace or span by {ID_PREFIX_CHARACTERS_MIN} hex digits or more",
        )
    return digits


def newest_span(records: Iterable[Record], read: Callable[[Record], Iterable[Item]] = items) -> Hit:
    """Return the span with the highest position.

    Args:
        records: Newest first.
        read: Which spans of a record count: ``items``, or ``begun_items`` to count marks.

    Raises:
        NotFound: There is none. Not retryable.
    """
    for record in records:
        found = list(read(record))
        if found:
            return Hit(record, found[-1])
    raise NotFound("no span is recorded", hint="`sidespan demo` records some")


def newest_items(records: Iterable[Record], upto: Position | None, count: int) -> list[Item]:
    """Return the spans with the highest positions, the newest last.

    Args:
        records: Newest first.
        upto: Inclusive; None in an empty store.
        count: At most so many.
    """
    newest: list[Item] = []
    if upto is None or not count:
        return newest
    for record in records:
        if record.position > upto:
            continue
        for item in reversed(list(items(record))):
            newest.append(item)
            if len(newest) == count:
                return newest[::-1]
    return newest[::-1]


def resolve_trace(walk: Walk, text: str) -> bytes:
    """Return the id of the trace that ``text`` names, by its own id or by that of a span in it.

    Raises:
        NotFound: Nothing answers to it. Not retryable.
        UnusableId: It is no id, or several traces answer to it. Not retryable.
    """
    digits = parse_id(text)
    if len(digits) == _TRACE_ID_CHARACTERS:
        return bytes.fromhex(digits)
    exact: dict[bytes, _Candidate] = {}
    begun: dict[bytes, _Candidate] = {}
    for hit in _hits(walk, digits, begun_items):
        span = hit.item.span
        if span.span_id.hex() == digits:
            exact.setdefault(span.trace_id, _Candidate(span.trace_id, span.span_id))
        elif span.trace_id.hex().startswith(digits):
            begun[span.trace_id] = _Candidate(span.trace_id, b"")
        else:
            begun.setdefault(span.trace_id, _Candidate(span.trace_id, span.span_id))
        if max(len(exact), len(begun)) > ID_CANDIDATES_MAX:
            break
    # A span's whole id is meant even if a trace's happens to begin with it.
    return _only(text, list((exact or begun).values())).trace_id


def resolve_span(walk: Walk, text: str) -> Hit:
    """Return the newest recording of the span that ``text`` names.

    Raises:
        NotFound: No span answers to it. Not retryable.
        UnusableId: It is no id, or several spans answer to it. Not retryable.
    """
    digits = parse_id(text)
    newest: dict[_Candidate, Hit] = {}
    is_trace = False
    for hit in _hits(walk, digits):
        span = hit.item.span
        if span.span_id.hex().startswith(digits):
            newest.setdefault(_Candidate(span.trace_id, span.span_id), hit)
        else:
            is_trace = True
        if len(newest) > ID_CANDIDATES_MAX:
            break
    if is_trace and not newest:
        raise NotFound(
            f"no span has the id {digits}, it is a trace's",
            hint=f"`sidespan show {digits}` lists its spans",
        )
    return newest[_only(text, list(newest))]


def trace_hits(walk: Walk, trace_id: bytes) -> Iterator[Hit]:
    """Yield the recordings of one trace's spans, newest first, at most TRACE_SPANS_MAX."""
    return islice(_hits(walk, trace_id.hex()), TRACE_SPANS_MAX)


def _hits(
    walk: Walk, digits: str, read: Callable[[Record], Iterable[Item]] = items
) -> Iterator[Hit]:
    needle = bytes.fromhex(digits[: len(digits) // 2 * 2])
    for record in walk:
        payload = record.payload
        if record.header.kind.is_control or payload is None or needle not in payload:
            continue
        # Within a record the newest item is the last.
        for item in reversed(list(read(record))):
            span = item.span
            if span.trace_id.hex().startswith(digits) or span.span_id.hex().startswith(digits):
                walk.found()
                yield Hit(record, item)


def _only(text: str, candidates: list[_Candidate]) -> _Candidate:
    if not candidates:
        raise unknown(text)
    if len(candidates) == 1:
        return candidates[0]
    shown = [f"  {candidate}" for candidate in candidates[:ID_CANDIDATES_MAX]]
    if len(candidates) > ID_CANDIDATES_MAX:
        shown.append("  and more")
    raise UnusableId(
        "\n".join([f"{text} is ambiguous:", *shown]), hint="give more digits of the one you mean"
    )


def unknown(text: str) -> NotFound:
    """Return the error that nothing recorded answers to ``text``."""
    return NotFound(
        f"nothing recorded has the id {text}", hint="`sidespan ls` lists the newest traces"
    )
