"""From a term of a query to conditions in SQL, of a trace and of a span, and to where to look."""

import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sidespand.errors import InvalidRequest
from sidespand.index.schema import AI_KIND_NAMES, HAS_BITS, SPAN_KIND_NAMES, TERM_FIELDS
from sidespand.index.texts import one_word, storable
from sidespand.index.values import signed
from sidespand.limits import INDEX_CANDIDATES_MAX, SPAN_ID_BYTES, TRACE_ID_BYTES
from sidespand.search import Term, Value

Params = tuple[Any, ...]
_SPAN_COLUMNS: Final = {
    "name": "name", "service": "service", "provider": "provider", "model": "model",
    "agent": "agent", "tool": "tool", "conversation": "conversation", "user": "user",
    "prompt.version": "prompt_version", "error": "error", "node": "node", "resource": "resource",
}  # fmt: skip
_NUMBERS: Final = {
    "dur": "duration_ns", "cost": "cost_usd", "tokens.in": "tokens_in",
    "tokens.out": "tokens_out", "tokens.cached": "tokens_cached",
    "tokens.reasoning": "tokens_reasoning",
}  # fmt: skip
_STATUS_TRACE: Final = {
    "error": "t.error_count > 0",
    "open": "t.open_count > 0",
    "abandoned": "t.abandoned_count > 0",
    "ok": "t.error_count = 0 AND t.open_count = 0 AND t.abandoned_count = 0",
    "unset": "EXISTS (SELECT 1 FROM span u WHERE u.trace_no = t.no AND u.status = 0)",
    "root": "t.root_orphan = 0",
}
_STATUS_SPAN: Final = {
    "error": "s.status = 2", "open": "s.state = 1", "abandoned": "s.state = 2",
    "ok": "s.status = 1", "unset": "s.status = 0", "root": "s.parent_id IS NULL",
}  # fmt: skip
# Small indexes of the traces of which that holds.
STATUS_INDEX: Final = {
    "error": "trace_failed", "open": "trace_open", "abandoned": "trace_abandoned",
}  # fmt: skip
_TERMS_MAX: Final = 2000
_RESOURCE: Final = (
    "SELECT a.term_no, t.traces FROM resource_attribute a JOIN term t ON t.no = a.term_no"
    " WHERE a.key = ?"
)
_IDS: Final = {"trace": TRACE_ID_BYTES, "span": SPAN_ID_BYTES}


class Sql(NamedTuple):
    """A condition, or a question for numbers of traces."""

    text: str
    params: Params = ()


def listed(numbers: Iterable[int]) -> Sql:
    """Return a question for numbers that are known."""
    return Sql("SELECT value FROM json_each(?)", (json.dumps(list(numbers)),))


@dataclass(slots=True)
class Condition:
    """What one term comes to.

    Args:
        trace: Holds of ``trace t``; None where only texts can tell.
        span: Holds of ``span s``; None in the same case.
        source: Numbers of traces of which alone it can hold; None for all.
        count: About how many these are.
        match: What texts must match, in FTS5's words; empty for none.
        status: A key of STATUS_INDEX, when it is just that.
        implied: Of a trace it holds whenever it holds of one of its spans.
    """

    trace: Sql | None = None
    span: Sql | None = None
    source: Sql | None = None
    count: int = INDEX_CANDIDATES_MAX + 1
    match: str = ""
    negated: bool = False
    status: str = ""
    implied: bool = False


def compile_term(db: sqlite3.Connection, term: Term) -> Condition:
    """Return what a term comes to in this database."""
    found = _MAKERS.get(term.field, _of_words)(db, term)
    if term.negated:
        for name in ("trace", "span"):
            sql = getattr(found, name)
            if sql is not None:
                setattr(found, name, Sql(f"NOT coalesce(({sql.text}), 0)", sql.params))
        found.source, found.status, found.negated, found.implied = None, "", True, False
    return found


def _of_words(db: sqlite3.Connection, term: Term) -> Condition:
    numbers = _numbers(db, term)
    return _of_terms([number for number, _ in numbers], sum(count for _, count in numbers),
                     f"s.{_SPAN_COLUMNS[term.field]}")  # fmt: skip


def _of_terms(numbers: Sequence[int], count: int, column: str) -> Condition:
    if not numbers:
        return Condition(Sql("0"), Sql("0"), Sql("SELECT 0 WHERE 0"), 0)
    listed = ", ".join(map(str, numbers))
    has = f"EXISTS (SELECT 1 FROM trace_term WHERE trace_no = t.no AND term_no IN ({listed}))"
    if len(numbers) == 1:
        # What is newer than the newest that has it is walked past at the cost of a comparison.
        newest = f"(SELECT max(trace_no) FROM trace_term WHERE term_no = {listed})"
        has = f"+t.no <= {newest} AND {has}"
    return Condition(
        Sql(has),
        Sql(f"{column} IN ({listed})"),
        Sql(f"SELECT trace_no FROM trace_term WHERE term_no IN ({listed})"),
        count,
        implied=True,
    )


def _numbers(db: sqlite3.Connection, term: Term) -> list[tuple[int, int]]:
    found: dict[int, int] = {}
    asked, key = "SELECT no, traces FROM term WHERE field = ? AND value", term.key
    first: object = TERM_FIELDS[term.field]
    if term.field == "resource":
        asked, first = f"{_RESOURCE} AND a.value", key
    for value in term.values:
        text = f"{asked} {_like(value)} LIMIT {_TERMS_MAX + 1}"
        rows = db.execute(text, (first, _pattern(value))).fetchall()
        found.update(_few(rows, f"{term.field}:{value.text}"))
    return list(found.items())


def _few(rows: list[tuple[int, int]], asked: str) -> list[tuple[int, int]]:
    # To leave some of them out would list what is not asked for under a minus.
    if len(rows) > _TERMS_MAX:
        raise InvalidRequest(
            f"{asked[:64]!r} stands for more than {_TERMS_MAX} different values",
            hint="give more of the value before the star, or name one",
        )
    return rows


def _of_kind(db: sqlite3.Connection, term: Term) -> Condition:
    found = _of_terms(*_known(db, "kind", [one.text for one in term.values]), "")
    parts = [
        f"s.ai_kind = {AI_KIND_NAMES.index(one.text)}"
        if one.text in AI_KIND_NAMES
        else f"s.kind = {SPAN_KIND_NAMES.index(one.text)}"
        for one in term.values
    ]
    found.span = Sql(" OR ".join(parts))
    return found


def _known(db: sqlite3.Connection, name: str, values: Sequence[str]) -> tuple[list[int], int]:
    rows = [
        row
        for value in values
        for row in db.execute(
            "SELECT no, traces FROM term WHERE field = ? AND value = ?", (TERM_FIELDS[name], value)
        )
    ]
    return [row[0] for row in rows], sum(row[1] for row in rows)


def _of_number(db: sqlite3.Connection, term: Term) -> Condition:
    column, params = _NUMBERS[term.field], (term.number,)
    found = Condition(
        Sql(f"t.{column} {term.op} ?", params), Sql(f"s.{column} {term.op} ?", params)
    )
    indexed = "tokens_in + tokens_out" if term.field.startswith("tokens") else column
    if term.op in (">", ">=") and term.number:
        more = " AND tokens_in + tokens_out > 0" if indexed != column else ""
        found.source = Sql(f"SELECT no FROM trace WHERE {indexed} {term.op} ?{more}", params)
        found.count = _count(db, found.source)
    return found


def _count(db: sqlite3.Connection, source: Sql) -> int:
    limit = INDEX_CANDIDATES_MAX + 1
    asked = f"SELECT count(*) FROM ({source.text} LIMIT {limit})"
    return int(db.execute(asked, source.params).fetchone()[0])


def _of_status(db: sqlite3.Connection, term: Term) -> Condition:
    words = [one.text for one in term.values]
    found = Condition(
        Sql(" OR ".join(f"({_STATUS_TRACE[word]})" for word in words)),
        Sql(" OR ".join(_STATUS_SPAN[word] for word in words)),
    )
    if len(words) == 1 and words[0] in STATUS_INDEX:
        found.status = words[0]
        column = f"{words[0]}_count"
        found.source = Sql(f"SELECT no FROM trace t WHERE {column} > 0")
        found.count = _count(db, found.source)
        found.implied = True
    return found


def _of_has(db: sqlite3.Connection, term: Term) -> Condition:
    words = [one.text for one in term.values]
    keyed = [word for word in words if word.startswith(("attr.", "resource."))]
    if keyed and len(words) > 1:
        # Several places to look in: each is asked by itself.
        parts = [_of_has(db, Term("has", values=(Value(word),))) for word in words]
        return _any_of(parts)
    if keyed and keyed[0].startswith("attr."):
        return Condition(match=_phrase("attributes", one_word(keyed[0][5:])))
    if keyed:
        asked = f"{_RESOURCE} LIMIT {_TERMS_MAX + 1}"
        rows = _few(db.execute(asked, (keyed[0][9:],)).fetchall(), f"has:{keyed[0]}")
        return _of_terms([row[0] for row in rows], sum(row[1] for row in rows), "s.resource")
    found = _of_terms(*_known(db, "has", words), "")
    bits = sum(HAS_BITS[word] for word in words)
    logs = "EXISTS (SELECT 1 FROM log WHERE trace_no = s.trace_no AND span_id = s.span_id)"
    found.span = Sql(f"s.has & {bits}" + (f" OR {logs}" if "logs" in words else ""))
    return found


def _any_of(parts: Sequence[Condition]) -> Condition:
    if any(part.match for part in parts):
        return Condition(match=" OR ".join(part.match for part in parts if part.match))
    return Condition(
        _either([part.trace for part in parts if part.trace is not None]),
        _either([part.span for part in parts if part.span is not None]),
    )


def _either(parts: Sequence[Sql]) -> Sql:
    params = tuple(value for one in parts for value in one.params)
    return Sql(" OR ".join(f"({one.text})" for one in parts), params)


def _of_text_column(_db: sqlite3.Connection, term: Term) -> Condition:
    parts = [f"s.{term.field} {_like(one)}" for one in term.values]
    params = tuple(_pattern(one) for one in term.values)
    span = Sql(" OR ".join(parts), params)
    inner = " OR ".join(part.replace("s.", "u.", 1) for part in parts)
    trace = Sql(f"EXISTS (SELECT 1 FROM span u WHERE u.trace_no = t.no AND ({inner}))", params)
    found = Condition(trace, span)
    if not term.negated and not any(one.glob for one in term.values):
        # The word that stands for the id is found first; then each is compared as a whole.
        found.match = " OR ".join(_phrase("ids", one_word(one.text)) for one in term.values)
    return found


def _of_id(db: sqlite3.Connection, term: Term) -> Condition:
    size = 2 * _IDS[term.field]
    ranges = [(one.text.ljust(size, "0"), one.text.ljust(size, "f")) for one in term.values]
    if term.field == "trace":
        params = tuple(bytes.fromhex(end) for pair in ranges for end in pair)
        text = " OR ".join("id BETWEEN ? AND ?" for _ in ranges)
        found = Condition(
            Sql(text.replace("id ", "t.id "), params),
            Sql(f"s.trace_no IN (SELECT no FROM trace WHERE {text})", params),
            Sql(f"SELECT no FROM trace WHERE {text}", params),
        )
        found.count = _count(db, Sql(found.source.text, params)) if found.source else 0
        return found
    numbers = tuple(signed(bytes.fromhex(end)) for pair in ranges for end in pair)
    text = " OR ".join("span_id BETWEEN ? AND ?" for _ in ranges)
    found = Condition(
        Sql(f"EXISTS (SELECT 1 FROM span u WHERE u.trace_no = t.no AND ({text}))", numbers),
        Sql(" OR ".join("s.span_id BETWEEN ? AND ?" for _ in ranges), numbers),
    )
    if not term.negated:
        found.match = " OR ".join(f'ids : "{one.text}" *' for one in term.values)
    return found


def _of_attribute(_db: sqlite3.Connection, term: Term) -> Condition:
    return Condition(
        match=" OR ".join(
            _phrase("attributes", f"{one_word(term.key)} {_bare(one)}", prefix=one.glob)
            for one in term.values
        )
    )


def _of_text(_db: sqlite3.Connection, term: Term) -> Condition:
    return Condition(
        match=" OR ".join(_phrase("", _bare(one), prefix=one.glob) for one in term.values)
    )


def _bare(value: Value) -> str:
    return value.text.replace("*", " ") if value.glob else value.text


def _phrase(column: str, words: str, *, prefix: bool = False) -> str:
    # NUL would end the question.
    clean = storable(words).replace("\0", " ").replace('"', '""')
    quoted = f'"{clean}"' + (" *" if prefix else "")
    return f"({column} : {quoted})" if column else f"({quoted})"


def _like(value: Value) -> str:
    return "GLOB ?" if value.glob else "= ?"


def _pattern(value: Value) -> str:
    text = storable(value.text)
    return text.replace("[", "[[]").replace("?", "[?]") if value.glob else text


_MAKERS: Final[dict[str, Callable[[sqlite3.Connection, Term], Condition]]] = {
    "kind": _of_kind,
    "status": _of_status,
    "is": _of_status,
    "has": _of_has,
    "trace": _of_id,
    "span": _of_id,
    "attr": _of_attribute,
    "text": _of_text,
    "correlation": _of_text_column,
    "request": _of_text_column,
    **dict.fromkeys(_NUMBERS, _of_number),
}
