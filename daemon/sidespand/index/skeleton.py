"""A trace in columns: what a page needs to draw all its spans before it asks for one of them."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from sidespand.index.decoding import Names, lineages
from sidespand.index.rows import Skeleton
from sidespand.index.schema import AI_KIND_NAMES, HAS_BITS, SPAN_KIND_NAMES, item_id, position_of
from sidespand.index.tool_calls import ANSWERED, ASKED, RAN
from sidespand.index.values import span_id_bytes
from sidespand.limits import SKELETON_EDGES_MAX

_COLUMNS: Final = (
    "id, span_id, parent_id, start_ns, duration_ns, name, service, ai_kind, kind, agent, process,"
    " model, tool, node, status, state, tokens_in, tokens_out, cost_usd, ttft_ns, events, links,"
    " has, counted"
)
_CONTENT, _STATE = HAS_BITS["content"], HAS_BITS["state"]
_FLAG_CONTENT, _FLAG_STATE, _FLAG_ORPHAN, _FLAG_AGGREGATE = 1, 2, 4, 8


def read(db: sqlite3.Connection, trace_id: bytes) -> Skeleton | None:
    """Return a trace in columns; None when it is not indexed."""
    trace = db.execute(
        "SELECT no, start_ns, end_ns, duration_ns, last_id FROM trace WHERE id = ?", (trace_id,)
    ).fetchone()
    if trace is None:
        return None
    number, start_ns, end_ns, duration_ns, last_id = trace
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM span WHERE trace_no = ?",
        (number,),
    ).fetchall()
    # Siblings by their start, then by their place in the log.
    rows.sort(key=lambda row: (row[3], row[0]))
    order, parents, depths, orphans = _preorder(rows)
    names = Names(db, {one for row in rows for one in (row[5], row[6], *row[9:14])})
    strings = _Strings(names)
    columns = _columns([rows[index] for index in order], strings, start_ns or 0)
    columns["parent"], columns["depth"] = parents, depths
    columns["flags"] = [
        flags | (_FLAG_ORPHAN if index in orphans else 0)
        for index, flags in zip(order, columns["flags"], strict=True)
    ]
    places = {rows[index][0]: place for place, index in enumerate(order)}
    by_span = {rows[index][1]: place for place, index in enumerate(order)}
    return Skeleton(
        trace_id=trace_id,
        position=position_of(last_id, lineages(db)),
        start_ns=start_ns or 0,
        end_ns=end_ns if duration_ns is not None else None,
        strings=strings.listed,
        columns=columns,
        edges=list(_edges(db, number, trace_id, places, by_span)),
    )


class _Strings:
    """The strings that columns refer to, each once."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self.listed = [""]
        self._places: dict[str, int] = {"": 0}
        self._by_term: dict[int | None, int] = {None: 0}

    def text(self, text: str) -> int:
        """Return the place of a text."""
        place = self._places.get(text)
        if place is None:
            place = self._places[text] = len(self.listed)
            self.listed.append(text)
        return place

    def terms(self, numbers: Iterable[int | None]) -> list[int]:
        """Return the places of names."""
        found = self._by_term
        places = []
        for number in numbers:
            place = found.get(number)
            if place is None:
                place = found[number] = self.text(self._names.of(number))
            places.append(place)
        return places


def _preorder(
    rows: Sequence[tuple[Any, ...]],
) -> tuple[list[int], list[int], list[int], set[int]]:
    """Return rows in display order, and of each its parent's place, its depth, and the orphans.

    What hangs on a parent that is not recorded, or on a cycle, stands at the top.
    """
    index_of = {row[1]: index for index, row in enumerate(rows)}
    children: dict[int, list[int]] = {}
    roots, orphans = [], set()
    for index, row in enumerate(rows):
        parent = index_of.get(row[2]) if row[2] is not None else None
        if parent is not None:
            children.setdefault(parent, []).append(index)
            continue
        roots.append(index)
        if row[2] is not None:
            orphans.add(index)
    order: list[int] = []
    parents: list[int] = []
    depths: list[int] = []
    seen = bytearray(len(rows))
    # Only cycles are left after the roots: each begins with its earliest span.
    for top in (*roots, *range(len(rows))):
        stack = [(top, -1, 0)]
        while stack:
            index, parent, depth = stack.pop()
            if seen[index]:
                continue
            seen[index] = 1
            place = len(order)
            order.append(index)
            parents.append(parent)
            depths.append(depth)
            below = reversed(children.get(index, ()))
            stack.extend((child, place, depth + 1) for child in below)
    return order, parents, depths, orphans


def _columns(
    rows: Sequence[tuple[Any, ...]], strings: _Strings, start_ns: int
) -> dict[str, list[Any]]:
    kinds = [strings.text(name) for name in AI_KIND_NAMES]
    span_kinds = [strings.text(name) for name in SPAN_KIND_NAMES]
    by_log = sorted(range(len(rows)), key=lambda place: rows[place][0])
    ranks = [0] * len(rows)
    for rank, place in enumerate(by_log):
        ranks[place] = rank
    turned = list(zip(*rows, strict=True)) if rows else [()] * 24
    return {
        "span_id": [span_id_bytes(one).hex() for one in turned[1]],
        "parent": [],
        "depth": [],
        "start_us": [(one - start_ns) / 1000 for one in turned[3]],
        "duration_us": [-1 if one is None else one / 1000 for one in turned[4]],
        "name": strings.terms(turned[5]),
        "service": strings.terms(turned[6]),
        "ai_kind": [kinds[one] for one in turned[7]],
        "kind": [span_kinds[one if 0 <= one < len(span_kinds) else 0] for one in turned[8]],
        "agent": strings.terms(turned[9]),
        "process": strings.terms(turned[10]),
        "model": strings.terms(turned[11]),
        "tool": strings.terms(turned[12]),
        "node": strings.terms(turned[13]),
        "status": list(turned[14]),
        "state": list(turned[15]),
        "tokens_in": [-1 if one is None else one for one in turned[16]],
        "tokens_out": [-1 if one is None else one for one in turned[17]],
        "cost_usd": list(turned[18]),
        "ttft_us": [-1 if one is None else one / 1000 for one in turned[19]],
        "events": list(turned[20]),
        "links": list(turned[21]),
        "order": ranks,
        "flags": [
            (_FLAG_CONTENT if has & _CONTENT else 0)
            | (_FLAG_STATE if has & _STATE else 0)
            | (_FLAG_AGGREGATE if counted == 0 else 0)
            for has, counted in zip(turned[22], turned[23], strict=True)
        ],
    }


def _edges(
    db: sqlite3.Connection,
    number: int,
    trace_id: bytes,
    places: dict[int, int],
    by_span: dict[int, int],
) -> Iterator[dict[str, Any]]:
    for count, edge in enumerate(_all_edges(db, number, trace_id, places, by_span)):
        if count == SKELETON_EDGES_MAX:
            return
        start, end, kind, label = edge
        yield {"from": start, "to": end, "kind": kind, "label": label}


def _all_edges(
    db: sqlite3.Connection,
    number: int,
    trace_id: bytes,
    places: dict[int, int],
    by_span: dict[int, int],
) -> Iterator[tuple[int, int, str, str]]:
    links = db.execute(
        "SELECT l.id, l.span_id, coalesce(t.value, 'link') FROM span s JOIN link l ON l.id = s.id"
        " LEFT JOIN term t ON t.no = l.kind WHERE s.trace_no = ? AND s.links > 0"
        " AND l.trace_id = ?", (number, trace_id),
    )  # fmt: skip
    for row_id, span_id, kind in links:
        if row_id in places and span_id in by_span:
            # A link points at what came before.
            yield by_span[span_id], places[row_id], kind, ""
    yield from _tool_edges(db, number, places)
    tokens = db.execute(
        "SELECT e.id, g.ordinal, e.lsn FROM span s JOIN edge e ON e.id = s.id"
        " JOIN lineage g ON g.id = e.lineage WHERE s.trace_no = ?", (number,)
    )  # fmt: skip
    for row_id, ordinal, lsn in tokens:
        cause = places.get(item_id(ordinal, lsn))
        if cause is not None and cause != places[row_id]:
            yield cause, places[row_id], "token", ""


def _tool_edges(
    db: sqlite3.Connection, number: int, places: dict[int, int]
) -> Iterator[tuple[int, int, str, str]]:
    """Yield who asked for a tool to run, and who got its result first."""
    calls: dict[str, dict[int, list[int]]] = {}
    rows = db.execute(
        "SELECT call_id, role, id FROM tool_call WHERE trace_no = ? ORDER BY id", (number,)
    )
    for call_id, role, row_id in rows:
        if row_id in places:
            calls.setdefault(call_id, {}).setdefault(role, []).append(places[row_id])
    for call_id, roles in calls.items():
        asked, ran, answered = (roles.get(role, []) for role in (ASKED, RAN, ANSWERED))
        for start, end in ((asked, ran), (ran or asked, answered)):
            # An instrumentation and the model's own SDK may both name it: the first stands.
            if start and end and start[0] != end[0]:
                yield start[0], end[0], "tool_call", call_id
