"""What people call an item by: a position, a token, or the id of a span."""

import re
from collections.abc import Iterable

from sidespand import token
from sidespand.errors import NotFound
from sidespand.evidence.collection import Evidence, Item
from sidespand.evidence.order import display_key
from sidespand.limits import ID_CANDIDATES_MAX, TRACE_ID_BYTES
from sidespand.query.find import UnusableId, parse_id

_POSITION = re.compile(r"([0-9a-fA-F]{16}):([0-9]{1,20})")
_LSN_MAX = 2**64 - 1
_LAST = "last"
_ELSEWHERE = "name its node's store with --store, or read all of it with --all"
# What a bundle leaves out, nothing finds by an id.
_BY_POSITION = f"{_ELSEWHERE}; in a bundle without payload name it by its position"


def parse_position(text: str) -> tuple[bytes, int] | None:
    """Return lineage and LSN of ``lineage:lsn`` or of a token; None for anything else."""
    found = token.decode(text)
    if found is not None:
        return found.lineage, found.lsn
    match = _POSITION.fullmatch(text)
    if match is None or not 1 <= int(match[2]) <= _LSN_MAX:
        return None
    return bytes.fromhex(match[1]), int(match[2])


def resolve_item(evidence: Evidence, text: str) -> Item:
    """Return the item that ``text`` names; of a span the newest recording.

    Args:
        evidence: What was read.
        text: A position, a token, a span id or unique prefix of one, or ``last``.

    Raises:
        NotFound: Nothing that was read answers to it. Not retryable.
        UnusableId: It names nothing, or more than one thing. Not retryable.
    """
    if text == _LAST:
        return _newest(evidence, evidence.by_span)
    place = parse_position(text)
    if place is not None:
        items = evidence.find(*place)
        if not items:
            raise NotFound(
                f"nothing that was read is at {place[0].hex()}:{place[1]}",
                hint=_ELSEWHERE,
            )
        if len(items) > 1:
            leaves = ", ".join(item.record.leaf.hex()[:16] for item in items)
            raise UnusableId(
                f"{len(items)} records claim {place[0].hex()}:{place[1]}: {leaves}",
                hint="`sidespan violations` shows where the log was forked",
            )
        return items[0]
    return _of_span(evidence, parse_id(text))


def resolve_trace_id(evidence: Evidence, text: str) -> bytes:
    """Return the trace that ``text`` names by its own id, by that of a span in it, or as ``last``.

    Raises:
        NotFound: Nothing that was read answers to it. Not retryable.
        UnusableId: It is no id, or several traces answer to it. Not retryable.
    """
    if text == _LAST:
        fact = evidence.fact(_newest(evidence, evidence.by_span))
        assert fact is not None
        return fact.trace_id
    digits = parse_id(text)
    own = {
        span[:TRACE_ID_BYTES]
        for span in evidence.by_span
        if span[:TRACE_ID_BYTES].hex().startswith(digits)
    }
    found = sorted(
        own
        or {
            span[:TRACE_ID_BYTES]
            for span in evidence.by_span
            if span[TRACE_ID_BYTES:].hex().startswith(digits)
        }
    )
    if not found:
        raise NotFound(f"no trace that was read has the id {digits}", hint=_ELSEWHERE)
    if len(found) > 1:
        shown = [f"  trace {one.hex()}" for one in found[:ID_CANDIDATES_MAX]]
        raise UnusableId(
            "\n".join([f"{digits} is ambiguous:", *shown]), hint="give more digits of it"
        )
    return found[0]


def _of_span(evidence: Evidence, digits: str) -> Item:
    named = sorted(
        span for span in evidence.by_span if span[TRACE_ID_BYTES:].hex().startswith(digits)
    )
    if not named:
        is_trace = any(span.hex().startswith(digits) for span in evidence.by_span)
        raise NotFound(
            f"no span that was read has the id {digits}"
            + (", it is a trace's" if is_trace else ""),
            hint=f"`sidespan order {digits}` puts its spans in order" if is_trace else _BY_POSITION,
        )
    if len(named) > 1:
        shown = [
            f"  span {span[TRACE_ID_BYTES:].hex()} in trace {span[:TRACE_ID_BYTES].hex()}"
            for span in named[:ID_CANDIDATES_MAX]
        ]
        raise UnusableId(
            "\n".join([f"{digits} is ambiguous:", *shown]), hint="name its position instead"
        )
    return _newest(evidence, named[:1])


def _newest(evidence: Evidence, spans: Iterable[bytes]) -> Item:
    items = [
        item
        for span in spans
        for fact in evidence.by_span[span]
        for item in evidence.find(fact.lineage, fact.lsn)
    ]
    if not items:
        raise NotFound("nothing that was read is a span", hint="`sidespan ls` lists the traces")
    return max(items, key=lambda item: (display_key(evidence, item.record), item.item_index))
