"""Writes the index: records in, one transaction at a time, with how far it has come in the same."""

import logging
import sqlite3
from collections import OrderedDict, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgpack
from google.protobuf.message import DecodeError

from sidespand.ai import Normalise
from sidespand.index import traces
from sidespand.index.calls import Call, Calls
from sidespand.index.extract import Extractor, LogFacts, NodeRef, SpanFacts
from sidespand.index.parts import Parts
from sidespand.index.schema import (
    ABANDONED,
    ABANDONED_THEN_ENDED,
    AI_KIND_NAMES,
    ENDED,
    HAS_BITS,
    LSN_MAX,
    OPEN,
    SPAN_COLUMNS,
    SPAN_KIND_NAMES,
    TRACE_COLUMNS,
    item_id,
)
from sidespand.index.terms import Terms
from sidespand.index.texts import Text
from sidespand.index.traces import Trace
from sidespand.index.values import signed
from sidespand.limits import AI_TEXT_CHARACTERS_MAX, INDEX_PART_S, INDEX_TRACES_CACHED_MAX
from sidespand.model import Kind, Position, Record

_log = logging.getLogger(__name__)
_CALLS: Final = frozenset(AI_KIND_NAMES.index(name) for name in ("llm", "embedding", "rerank"))
_INSERT_SPAN: Final = f"INSERT OR REPLACE INTO span VALUES ({', '.join('?' * len(SPAN_COLUMNS))})"
_INSERT_TRACE: Final = f"INSERT INTO trace VALUES ({', '.join('?' * len(TRACE_COLUMNS))})"
_UPDATE_TRACE: Final = (
    f"UPDATE trace SET {', '.join(f'{name} = ?' for name in TRACE_COLUMNS[2:])} WHERE no = ?"
)
_HAS_TRACE: Final = "SELECT no FROM trace WHERE id = ?"
_SELECT_TRACE: Final = f"SELECT {', '.join(TRACE_COLUMNS)} FROM trace WHERE id = ?"
# Columns of a span whose numbers are posted, so that traces are found by them.
_FIRST_TERM: Final = SPAN_COLUMNS.index("name")
_AFTER_TERMS: Final = SPAN_COLUMNS.index("error") + 1
_MERGED: Final = range(7, len(SPAN_COLUMNS))
_STATE: Final = HAS_BITS["state"]


class IndexWriter:
    """Writes one database. Not safe for threads.

    Args:
        db: Its connection, with tables.
        normalise: Reads what spans say of agents.
        node_ref: Who recorded a generation of a lineage.
        part_s: As ``age_s_max`` of ``Parts``.
    """

    def __init__(
        self,
        db: sqlite3.Connection,
        normalise: Normalise,
        node_ref: NodeRef,
        part_s: float = INDEX_PART_S,
    ) -> None:
        self.db = db
        self.terms = Terms(db)
        self.parts = Parts(db, part_s)
        self.extractor = Extractor(self.terms, normalise, node_ref, self._add_resource)
        self._calls = Calls()
        self._traces: OrderedDict[bytes, Trace] = OrderedDict()
        self._next_trace_no = 0
        self._lineages: set[int] = set()
        self._began_ns: int | None = None
        self._wall_ns = 0
        self._shared: dict[tuple[int, int, int], tuple[int | None, ...]] = {}
        self._has: dict[int, int | None] = {}
        self._clear()
        self.forget()

    def is_apart(self, record: Record) -> bool:
        """Tell whether a record is to be written after ``finish`` only: its time is another one."""
        began_ns = self._began_ns
        return began_ns is not None and self.parts.is_apart(began_ns, record.header.wall_ns)

    def index(self, record: Record) -> int:
        """Take a record in; return how many of its items were written.

        One that does not parse is passed over, which is logged: another reader shows it as it is.
        """
        if self._began_ns is None:
            self._began_ns = record.header.wall_ns
        self._wall_ns = max(self._wall_ns, record.header.wall_ns)
        if record.ordinal not in self._lineages:
            self.db.execute(
                "INSERT OR REPLACE INTO lineage VALUES (?, ?)",
                (record.ordinal, record.header.lineage),
            )
            self._lineages.add(record.ordinal)
        if record.payload is None:
            return 0
        try:
            return self._take(record)
        except DecodeError as error:
            _log.warning("the record at %s is not indexed: %s", record.position, error)
            return 0

    def finish(self, position: Position) -> None:
        """Write all that was taken in, and how far the index has come; the caller commits."""
        touched = [trace for trace in self._touched.values() if trace.first_id is not None]
        self._post(touched)
        self.db.executemany(_INSERT_SPAN, self._pending.values())
        fresh = [trace for trace in touched if not trace.stored]
        self.db.executemany(_INSERT_TRACE, (trace.values() for trace in fresh))
        self.db.executemany(
            _UPDATE_TRACE,
            ((*trace.values()[2:], trace.no) for trace in touched if trace.stored),
        )
        for trace in fresh:
            trace.stored = True
        self.db.executemany(
            "INSERT OR REPLACE INTO mark VALUES (?, ?, ?)",
            ((*key, row_id) for key, ids in self._marks.items() for row_id in ids),
        )
        for table, rows in self._side.items():
            if rows:
                marks = ", ".join("?" * len(rows[0]))
                self.db.executemany(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", rows)
        if self._texts:
            self.parts.add(self._texts, self._began_ns or 0, self._wall_ns)
        self.terms.flush()
        self.db.execute(
            "INSERT OR REPLACE INTO meta VALUES ('position', ?)",
            (f"{position.ordinal}:{position.lineage.hex()}:{position.lsn}",),
        )
        self._clear()
        while len(self._traces) > INDEX_TRACES_CACHED_MAX:
            self._traces.popitem(last=False)

    def forget(self) -> None:
        """Let go of all that is in memory: the database was taken back."""
        self.forget_rows()
        self._calls.forget()
        self._remember_calls()

    def forget_rows(self) -> None:
        """Let go of rows and numbers of names, for some were removed; calls stay in memory."""
        self._traces.clear()
        self._clear()
        self._shared.clear()
        self._has.clear()
        self.terms.forget()
        self.extractor.forget()
        self.parts.reload()
        self._next_trace_no = int(
            self.db.execute("SELECT coalesce(max(no), 0) + 1 FROM trace").fetchone()[0]
        )
        self._lineages = {row[0] for row in self.db.execute("SELECT ordinal FROM lineage")}

    def _clear(self) -> None:
        self._touched: dict[int, Trace] = {}
        self._pending: dict[tuple[int, int], list[Any]] = {}
        self._texts: list[Text] = []
        self._began_ns, self._wall_ns = None, 0
        self._marks: dict[tuple[int, int], list[int]] = {}
        # By term, the traces that have it now.
        self._postings: defaultdict[int, list[int]] = defaultdict(list)
        self._side: dict[str, list[tuple[Any, ...]]] = {
            "event": [], "link": [], "state": [], "tool_call": [], "edge": [],
            "log": [], "resource_attribute": [],
        }  # fmt: skip

    def _take(self, record: Record) -> int:
        kind = record.header.kind
        count = 0
        if kind in (Kind.SPANS, Kind.MARKS):
            for span in self.extractor.spans(record):
                self._take_span(span)
                count += 1
            self._side["edge"].extend(
                (item_id(record.ordinal, record.header.first_lsn + edge.item_index), number,
                 int(edge.type), edge.lineage, edge.lsn)
                for number, edge in enumerate(record.edges) if edge.lsn <= LSN_MAX
            )  # fmt: skip
        elif kind is Kind.LOGS:
            for log in self.extractor.logs(record):
                self._take_log(log)
                count += 1
        elif kind is Kind.ABANDONED:
            self._abandon(record)
        return count

    def _take_span(self, facts: SpanFacts) -> None:
        row = facts.row
        trace = self._trace(facts.trace_id)
        row[1] = trace.no
        key = (trace.no, row[2])
        # A trace that is in memory knows its spans; nothing is asked for one that is new to it.
        known = trace.spans
        old = None if known is not None and row[2] not in known else self._recorded(trace, key)
        if row[4] == OPEN:
            if old is not None and old[4] in (ENDED, ABANDONED_THEN_ENDED):
                return
            # What it used is known when it ends.
            row[23:29] = [None] * 6
            self._marks.setdefault(key, []).append(row[0])
        elif old is not None and old[36] is not None:
            row[4], row[36] = ABANDONED_THEN_ENDED, old[36]
        if row[28] == 1 and row[7] in _CALLS:
            call = Call(trace.no, row[2], row[3], row[34], row[8], row[8] + (row[9] or 0))
            row[28] = 0 if self._calls.repeats(call) else 1
        first_event = first_link = 0
        if old is not None:
            trace.remove(old)
            if row[4] == OPEN:
                first_event, first_link = old[30], old[31]
                _merge(old, row)
            else:
                self._drop(old)
        trace.add(row)
        self._pending[key] = row
        self._texts.append(facts.text)
        if facts.events or facts.links or facts.states or facts.calls:
            self._take_side(trace, facts, first_event, first_link)

    def _take_side(self, trace: Trace, facts: SpanFacts, first_event: int, first_link: int) -> None:
        row_id, side = facts.row[0], self._side
        for index, time_ns, name in facts.events:
            side["event"].append((row_id, first_event + index, time_ns, name))
            self._post_one(trace, name)
        for index, trace_id, span_id, kind in facts.links:
            side["link"].append((row_id, first_link + index, trace_id, span_id, kind))
            self._post_one(trace, kind)
        if facts.states:
            side["state"].extend((row_id, *state) for state in facts.states)
        if facts.calls:
            side["tool_call"].extend((trace.no, *call, row_id) for call in facts.calls)

    def _drop(self, old: Sequence[Any]) -> None:
        # What a newer recording of the same span takes the place of.
        row_id, trace_no, span_id = old[:3]
        pending = self._pending.pop((trace_no, span_id), None) is not None
        for table, has in (("event", old[30]), ("link", old[31]), ("state", old[32] & _STATE)):
            if has and pending:
                self._side[table] = [one for one in self._side[table] if one[0] != row_id]
            if has:
                self.db.execute(f"DELETE FROM {table} WHERE id = ?", (row_id,))
        if old[7]:
            if pending:
                calls = self._side["tool_call"]
                self._side["tool_call"] = [one for one in calls if one[3] != row_id]
            self.db.execute(
                "DELETE FROM tool_call WHERE trace_no = ? AND id = ?", (trace_no, row_id)
            )
        if old[4] != ENDED:
            self._marks.pop((trace_no, span_id), None)
            self.db.execute(
                "DELETE FROM mark WHERE trace_no = ? AND span_id = ?", (trace_no, span_id)
            )
        self.db.execute("DELETE FROM span WHERE id = ?", (row_id,))

    def _take_log(self, facts: LogFacts) -> None:
        trace = self._trace(facts.trace_id)
        row_id, span_id, time_ns, severity, event = facts.row
        trace.touch(row_id)
        self._side["log"].append((row_id, trace.no, span_id, time_ns, severity, event))
        self._texts.append(facts.text)
        self._side["tool_call"].extend((trace.no, *call, row_id) for call in facts.calls)
        if event is not None:
            self._post_one(trace, event)
        self._post_one(trace, self._has_term("logs"))

    def _abandon(self, record: Record) -> None:
        body = msgpack.unpackb(record.payload)
        row_id = item_id(record.ordinal, record.header.first_lsn)
        for trace_id, span_id, *_ in body["spans"]:
            trace = self._trace(trace_id)
            key = (trace.no, signed(span_id))
            old = self._recorded(trace, key)
            if old is None or old[4] != OPEN:
                continue
            row = list(old)
            row[4], row[36] = ABANDONED, row_id
            trace.remove(old)
            trace.add(row)
            trace.touch(row_id)
            self._pending[key] = row

    def _recorded(self, trace: Trace, key: tuple[int, int]) -> list[Any] | None:
        row = self._pending.get(key)
        if row is not None:
            return row
        if not trace.stored or (trace.spans is not None and key[1] not in trace.spans):
            return None
        found = self.db.execute(
            "SELECT * FROM span WHERE trace_no = ? AND span_id = ?", key
        ).fetchone()
        return None if found is None else list(found)

    def _trace(self, trace_id: bytes) -> Trace:
        trace = self._traces.get(trace_id)
        if trace is None:
            # Most are new, and to ask for all columns of no row costs five times as much.
            if self.db.execute(_HAS_TRACE, (trace_id,)).fetchone() is not None:
                trace = traces.load(self.db.execute(_SELECT_TRACE, (trace_id,)).fetchone())
            else:
                trace = Trace(self._next_trace_no, trace_id, spans=set())
                self._next_trace_no += 1
            self._traces[trace_id] = trace
        else:
            self._traces.move_to_end(trace_id)
        self._touched[trace.no] = trace
        return trace

    def _post(self, touched: Sequence[Trace]) -> None:
        # The rows of one transaction, and of each trace only what is new to it.
        found: dict[int, set[int | None]] = {trace.no: set() for trace in touched}
        for row in self._pending.values():
            found[row[1]].update(
                row[_FIRST_TERM:_AFTER_TERMS], self._shared_terms(row[6], row[7], row[32])
            )
        postings = self._postings
        for trace in touched:
            for term in trace.post(found[trace.no]):
                postings[term].append(trace.no)
        self.terms.count({term: len(numbers) for term, numbers in postings.items()})
        # In the order of the table: what is common is appended in one place.
        self.db.executemany(
            "INSERT OR IGNORE INTO trace_term VALUES (?, ?)",
            ((term, number) for term in sorted(postings) for number in sorted(postings[term])),
        )

    def _post_one(self, trace: Trace, term: int | None) -> None:
        for one in trace.post({term}):
            self._postings[one].append(trace.no)

    def _shared_terms(self, kind: int, ai_kind: int, has: int) -> tuple[int | None, ...]:
        key = (kind, ai_kind, has)
        found = self._shared.get(key)
        if found is None:
            name = SPAN_KIND_NAMES[kind] if 0 < kind < len(SPAN_KIND_NAMES) else ""
            found = (
                self.terms.number("kind", name),
                self.terms.number("kind", AI_KIND_NAMES[ai_kind]),
                *(self._has_term(word) for word, bit in HAS_BITS.items() if has & bit),
            )
            self._shared[key] = found
        return found

    def _has_term(self, word: str) -> int | None:
        bit = HAS_BITS[word]
        if bit not in self._has:
            self._has[bit] = self.terms.number("has", word)
        return self._has[bit]

    def _add_resource(self, term: int, said: Mapping[str, Any]) -> None:
        self._side["resource_attribute"].extend(
            (key[:AI_TEXT_CHARACTERS_MAX], str(value)[:AI_TEXT_CHARACTERS_MAX], term)
            for key, value in said.items()
            if isinstance(value, str | int | float)
        )

    def _remember_calls(self) -> None:
        rows = self.db.execute(
            "SELECT trace_no, span_id, parent_id, request, start_ns, duration_ns FROM"
            " (SELECT * FROM span ORDER BY id DESC LIMIT 65536) WHERE counted = 1 AND ai_kind IN"
            f" ({', '.join(map(str, sorted(_CALLS)))}) ORDER BY id"
        )
        for trace_no, span_id, parent_id, request, start_ns, duration_ns in rows:
            end_ns = start_ns + (duration_ns or 0)
            self._calls.repeats(Call(trace_no, span_id, parent_id, request, start_ns, end_ns))


def _merge(old: Sequence[Any], row: list[Any]) -> None:
    """Put a later mark of an open span on top of what is known; its place stays the first one's."""
    for column in _MERGED:
        if row[column] is None:
            row[column] = old[column]
    row[0], row[3] = old[0], row[3] if row[3] is not None else old[3]
    row[7], row[8] = row[7] or old[7], row[8] or old[8]
    row[30], row[31], row[32] = row[30] + old[30], row[31] + old[31], row[32] | old[32]
    if row[4] == OPEN:
        # Whoever speaks of it again has not given it up.
        row[36] = None
