r"""The one query grammar of API, command line and web page: a line that people type. Pure.

    query  = { term }
    term   = [ "-" ] ( field ":" [ op ] value { "," value } | value )
    op     = ">" | ">=" | "<" | "<="
    value  = word | '"' text with \" and \\ '"'

All terms must hold; of the values of one term any; "-" asks for the opposite. A value without a
field is searched in names, attributes and content. ``*`` in a value without quotation marks stands
for any characters. ``FIELDS`` has the fields, ``docs/search.md`` explains them.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import tzinfo
from difflib import get_close_matches
from typing import Final, NamedTuple

from sidespand.errors import InvalidRequest
from sidespand.limits import (
    ID_PREFIX_CHARACTERS_MIN,
    SEARCH_CHARACTERS_MAX,
    SEARCH_TERMS_MAX,
    SEARCH_VALUES_MAX,
    TRACE_ID_BYTES,
)
from sidespand.search_fields import (
    FIELDS,
    HAS,
    KEYED,
    KINDS,
    SCOPES,
    SORTS,
    STATES,
    STATUSES,
    Field,
)
from sidespand.search_values import number, number_text, time_ns, time_text

__all__ = ["FIELDS", "Field", "Query", "Sort", "Term", "parse", "text"]

_TOKEN: Final = re.compile(
    r"""\s*(?P<minus>-?)(?:(?P<field>[A-Za-z][\w./@$-]*):)?(?P<op>>=|<=|>|<)?"""
    r"""(?P<values>(?:"(?:[^"\\]|\\.)*"|[^\s",])+(?:,(?:"(?:[^"\\]|\\.)*"|[^\s",])+)*|)""",
    re.DOTALL,
)
_VALUE: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[^,"]+', re.DOTALL)
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
_HEX: Final = re.compile(r"[0-9a-f]+")
_BARE: Final = re.compile(r"""[^\s",:<>*\\-][^\s",:*\\]*""")
_NAMED: Final = {field.name: field for field in FIELDS}
_CHOICES: Final = {"kind": KINDS, "status": STATUSES, "is": STATES, "scope": SCOPES}


class Value(NamedTuple):
    """What a field is compared with.

    Args:
        text: Of it; with ``glob`` a pattern.
        glob: ``*`` in it stands for any characters.
    """

    text: str
    glob: bool = False


@dataclass(frozen=True, slots=True)
class Term:
    """One condition.

    Args:
        field: A name of ``FIELDS`` but ``since``, ``until``, ``scope`` and ``sort``.
        key: Of an attribute, where the field is ``attr`` or ``resource``; else empty.
        op: ``=``, ``>``, ``>=``, ``<`` or ``<=``; other than ``=`` with a number alone.
        values: Any of them; empty for a number.
        number: Nanoseconds, US dollars or tokens; None where the field is no number.
        negated: The opposite is asked for.
    """

    field: str
    key: str = ""
    op: str = "="
    values: tuple[Value, ...] = ()
    number: float | None = None
    negated: bool = False


class Sort(NamedTuple):
    """An order: one of ``SORTS``, and whether the greatest comes first."""

    key: str
    descending: bool


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked for.

    Args:
        terms: All of them hold.
        scope: ``span``, ``root``, ``trace`` or ``conversation``; empty when nothing is said.
        since_ns: Inclusive, of the start; None without.
        until_ns: Exclusive; the same.
        sort: None when nothing is said.
    """

    terms: tuple[Term, ...] = ()
    scope: str = ""
    since_ns: int | None = None
    until_ns: int | None = None
    sort: Sort | None = None


def parse(line: str, now_ns: int = 0, zone: tzinfo | None = None) -> Query:
    """Return the query that ``line`` is.

    Args:
        line: At most SEARCH_CHARACTERS_MAX characters.
        now_ns: What ``since:10m`` counts back from, in nanoseconds since the Unix epoch.
        zone: Of times that name no offset; UTC when None.

    Raises:
        InvalidRequest: It is none; the message names the term and its place. Not retryable.
    """
    if len(line) > SEARCH_CHARACTERS_MAX:
        raise InvalidRequest(f"a query has at most {SEARCH_CHARACTERS_MAX} characters")
    query = Query()
    for at, token in _tokens(line):
        try:
            query = _with(query, token, now_ns, zone)
        except ValueError as error:
            shown = token[0].strip()[:64]
            raise InvalidRequest(
                f"at character {at + 1}, {shown!r}: {error}",
                hint="docs/search.md lists every field",
            ) from None
    if len(query.terms) > SEARCH_TERMS_MAX:
        raise InvalidRequest(f"a query has at most {SEARCH_TERMS_MAX} terms")
    return query


def sort_by(name: str) -> Sort:
    """Return the order that ``start``, ``-dur`` and the like name.

    Raises:
        InvalidRequest: There is none of that name. Not retryable.
    """
    try:
        return _sort(name)
    except ValueError as error:
        raise InvalidRequest(f"sort: {error}") from None


def text(query: Query) -> str:
    """Return a line that ``parse`` makes the same query of, whatever the time and the zone."""
    parts = [_term_text(term) for term in query.terms]
    if query.scope:
        parts.append(f"scope:{query.scope}")
    if query.since_ns is not None:
        parts.append(f"since:{time_text(query.since_ns)}")
    if query.until_ns is not None:
        parts.append(f"until:{time_text(query.until_ns)}")
    if query.sort is not None:
        parts.append(f"sort:{'-' if query.sort.descending else ''}{query.sort.key}")
    return " ".join(parts)


def _tokens(line: str) -> Iterable[tuple[int, re.Match[str]]]:
    at = 0
    while line[at:].strip():
        match = _TOKEN.match(line, at)
        start = at + len(line[at:]) - len(line[at:].lstrip())
        end = match.end() if match is not None else at
        if match is None or end == at or (end < len(line) and not line[end].isspace()):
            raise InvalidRequest(
                f"at character {max(start, end) + 1}, {line[start : start + 64]!r}:"
                ' expected a term such as model:gpt-4o, dur:>2s or text:"refund"',
                hint='put values with spaces, commas or quotation marks between two "',
            )
        yield start, match
        at = end


def _with(query: Query, token: re.Match[str], now_ns: int, zone: tzinfo | None) -> Query:
    name, key = _field(token["field"])
    negated, op = bool(token["minus"]), token["op"] or "="
    values = tuple(_value(one) for one in _VALUE.findall(token["values"]))
    if len(values) > SEARCH_VALUES_MAX:
        raise ValueError(f"a term has at most {SEARCH_VALUES_MAX} values")
    if not values or not all(one.text for one in values):
        raise ValueError("the value is missing")
    kind = _NAMED[name].kind
    if op != "=" and kind != "number":
        raise ValueError(f"{op} compares numbers, and {name} is none")
    if kind in ("time", "order", "scope"):
        if negated or len(values) > 1:
            raise ValueError(f"{name} has one value and no opposite")
        return _set(query, name, values[0].text, now_ns, zone)
    if kind == "number":
        if len(values) > 1:
            raise ValueError(f"{name} has one value")
        term = Term(name, "", op, (), number(name, values[0].text), negated)
    else:
        term = Term(name, key, "=", _checked(name, kind, values), None, negated)
    return replace(query, terms=(*query.terms, term))


def _set(query: Query, name: str, value: str, now_ns: int, zone: tzinfo | None) -> Query:
    if name == "sort":
        return replace(query, sort=_sort(value))
    if name == "scope":
        return replace(query, scope=_choice(name, value))
    at_ns = time_ns(value, now_ns, zone)
    return replace(query, since_ns=at_ns) if name == "since" else replace(query, until_ns=at_ns)


def _field(name: str | None) -> tuple[str, str]:
    if name is None:
        return "text", ""
    for prefix in KEYED:
        if name.startswith(f"{prefix}.") and len(name) > len(prefix) + 1:
            return prefix, name[len(prefix) + 1 :]
    if name not in _NAMED or name in KEYED:
        near = get_close_matches(name, list(_NAMED), 1)
        meant = f"did you mean {near[0]}? " if near else ""
        raise ValueError(
            f'there is no field {name[:32]!r}; {meant}Text with a colon goes between two "'
        )
    return name, ""


def _value(quoted: str) -> Value:
    if quoted.startswith('"'):
        return Value(_ESCAPED.sub(r"\1", quoted[1:-1]))
    return Value(quoted, "*" in quoted)


def _checked(name: str, kind: str, values: tuple[Value, ...]) -> tuple[Value, ...]:
    if name in _CHOICES:
        return tuple(Value(_choice(name, one.text)) for one in values)
    if name == "has":
        if len({one.text.startswith("attr.") for one in values}) > 1:
            raise ValueError("has:attr.KEY is asked for in a term of its own")
        return tuple(Value(_has(one.text)) for one in values)
    if kind == "id":
        return tuple(Value(_id(name, one.text)) for one in values)
    if kind == "text" and any(one.glob and set(one.text) <= {"*"} for one in values):
        raise ValueError("a * alone matches everything")
    return values


def _choice(name: str, value: str) -> str:
    choices = _CHOICES[name]
    if value in choices:
        return value
    near = get_close_matches(value, choices, 1)
    meant = f", did you mean {near[0]}?" if near else ""
    raise ValueError(f"{name} is one of {', '.join(choices)}{meant}")


def _has(value: str) -> str:
    if value in HAS or any(value.startswith(f"{one}.") for one in KEYED):
        return value
    near = get_close_matches(value, HAS, 1)
    meant = f", did you mean {near[0]}?" if near else ""
    raise ValueError(f"has takes one of {', '.join(HAS)}, attr.KEY or resource.KEY{meant}")


def _id(name: str, value: str) -> str:
    digits = value.lower()
    longest = 2 * TRACE_ID_BYTES if name == "trace" else TRACE_ID_BYTES
    if not _HEX.fullmatch(digits) or not ID_PREFIX_CHARACTERS_MIN <= len(digits) <= longest:
        raise ValueError(
            f"{name} is an id or its first digits, {ID_PREFIX_CHARACTERS_MIN} to {longest}"
            " in hexadecimal"
        )
    return digits


def _sort(value: str) -> Sort:
    key = value.removeprefix("-")
    if key not in SORTS:
        near = get_close_matches(key, SORTS, 1)
        meant = f", did you mean {near[0]}?" if near else ""
        raise ValueError(f"the order is one of {', '.join(SORTS)}, - before it{meant}")
    return Sort(key, value.startswith("-"))


def _term_text(term: Term) -> str:
    name = f"{term.field}.{term.key}" if term.key else term.field
    sign = "-" if term.negated else ""
    if term.number is not None:
        op = "" if term.op == "=" else term.op
        return f"{sign}{name}:{op}{number_text(term.field, term.number)}"
    return f"{sign}{name}:{','.join(_value_text(one) for one in term.values)}"


def _value_text(value: Value) -> str:
    if value.glob or _BARE.fullmatch(value.text):
        return value.text
    escaped = value.text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
