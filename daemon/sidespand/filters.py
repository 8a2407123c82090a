"""Filters: which items are meant, as a line of text that people write. Pure.

    filter   = or
    or       = and { "or" and }
    and      = not { "and" not }
    not      = "not" not | "(" filter ")" | term
    term     = field op value | field "in" "[" value { "," value } "]" | "has" field
    op       = "==" | "!=" | "~" | "<" | "<=" | ">" | ">="
    field    = "service" | "name" | "kind" | "status" | "signal" | "trace_id"
             | "attributes" "[" text "]" | "resource" "[" text "]"
    value    = text | number | "true" | "false"
    text     = what stands between two " or two ', with a backslash before one that is meant

``~`` matches a whole text of at most FILTER_TEXT_CHARACTERS_MAX characters, against a pattern in
which ``*`` stands for any characters and ``?`` for one. A comparison with what an item does not
have, or has as another type, does not hold; ``!=`` holds whenever ``==`` does not. Numbers
compare as numbers, whatever their type.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from sidespand.limits import (
    FILTER_CHARACTERS_MAX,
    FILTER_DEPTH_MAX,
    FILTER_TERMS_MAX,
    FILTER_TEXT_CHARACTERS_MAX,
)

Value = str | int | float | bool
FIELDS: Final = ("service", "name", "kind", "status", "signal", "trace_id")
MAPS: Final = ("attributes", "resource")

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
      | (?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d{1,3})?)
      | (?P<word>[A-Za-z_]+)
      | (?P<sign>==|!=|<=|>=|[~<>()\[\],])
    )""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_ORDERS: Final[dict[str, Callable[[float, float], bool]]] = {
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
}
_DIGITS_MAX = 20


@dataclass(frozen=True, slots=True)
class Field:
    """What of an item is asked.

    Args:
        name: One of FIELDS, or of MAPS.
        key: Of an attribute, where the name is one of MAPS; else empty.
    """

    name: str
    key: str = ""


# Gives what an item has in a field; None when it has nothing there.
Item = Callable[[Field], Value | None]


@dataclass(frozen=True, slots=True)
class Has:
    """The item has that field."""

    field: Field

    def holds(self, item: Item) -> bool:
        """Tell whether it holds of ``item``."""
        return item(self.field) is not None


@dataclass(frozen=True, slots=True)
class Compare:
    """The field stands in that relation to the value."""

    field: Field
    op: str
    value: Value

    def holds(self, item: Item) -> bool:
        """Tell whether it holds of ``item``."""
        found = item(self.field)
        if self.op == "!=":
            return not _equal(found, self.value)
        if found is None:
            return False
        if self.op == "==":
            return _equal(found, self.value)
        if self.op == "~":
            return isinstance(found, str) and matches(str(self.value), found)
        if _is_number(found) and _is_number(self.value):
            return _ORDERS[self.op](found, self.value)  # type: ignore[arg-type]
        return False


@dataclass(frozen=True, slots=True)
class OneOf:
    """The field equals one of the values."""

    field: Field
    values: tuple[Value, ...]

    def holds(self, item: Item) -> bool:
        """Tell whether it holds of ``item``."""
        found = item(self.field)
        return any(_equal(found, value) for value in self.values)


@dataclass(frozen=True, slots=True)
class Not:
    """The other does not hold."""

    of: "Filter"

    def holds(self, item: Item) -> bool:
        """Tell whether it holds of ``item``."""
        return not self.of.holds(item)


@dataclass(frozen=True, slots=True)
class And:
    """All of them hold."""

    of: "tuple[Filter, ...]"

    def holds(self, item: Item) -> bool:
        """Tell whether it holds of ``item``."""
        return all(one.holds(item) for one in self.of)


@dataclass(frozen=True, slots=True)
class Or:
    """One of them holds."""

    of: "tuple[Filter, ...]"

    def holds(self, item: Item) -> bool:
        """Tell whether it holds of ``item``."""
        return any(one.holds(item) for one in self.of)


Filter = Has | Compare | OneOf | Not | And | Or


def parse(text: str) -> Filter:
    """Return the filter that ``text`` is.

    Raises:
        ValueError: It is none, or is over a limit; the message says where.
    """
    if len(text) > FILTER_CHARACTERS_MAX:
        raise ValueError(f"a filter has at most {FILTER_CHARACTERS_MAX} characters")
    return _Parser(_tokens(text)).whole()


def matches(pattern: str, text: str) -> bool:
    """Tell whether a pattern of ``*`` and ``?`` matches all of ``text``."""
    if len(text) > FILTER_TEXT_CHARACTERS_MAX:
        return False
    first, *others = _pieces(pattern)
    if not others:
        return first.pattern.fullmatch(text) is not None
    # Between two stars the leftmost place is as good as any: only the ends are fixed.
    at, end = first.length, len(text) - others[-1].length
    if at > end or first.pattern.match(text) is None:
        return False
    for piece in others[:-1]:
        found = piece.pattern.search(text, at, end)
        if found is None:
            return False
        at = found.end()
    return others[-1].pattern.match(text, end) is not None


class _Piece(NamedTuple):
    pattern: re.Pattern[str]
    length: int


@lru_cache(maxsize=256)
def _pieces(pattern: str) -> tuple[_Piece, ...]:
    return tuple(
        _Piece(re.compile(re.escape(piece).replace(r"\?", "."), re.DOTALL), len(piece))
        for piece in pattern.split("*")
    )


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int


class _Parser:
    def __init__(self, tokens: Sequence[_Token]) -> None:
        self._tokens = tokens
        self._next = 0
        self._terms = 0
        self._depth = 0

    def whole(self) -> Filter:
        """Return the filter that all tokens make."""
        found = self._or()
        if self._peek().kind != "end":
            raise self._unexpected('"and", "or" or the end')
        return found

    def _or(self) -> Filter:
        parts = [self._and()]
        while self._took("or"):
            parts.append(self._and())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _and(self) -> Filter:
        parts = [self._not()]
        while self._took("and"):
            parts.append(self._not())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _not(self) -> Filter:
        self._depth += 1
        if self._depth > FILTER_DEPTH_MAX:
            raise ValueError(f"a filter is at most {FILTER_DEPTH_MAX} levels deep")
        try:
            if self._took("not"):
                return Not(self._not())
            if self._took("("):
                found = self._or()
                self._expect(")")
                return found
            return self._term()
        finally:
            self._depth -= 1

    def _term(self) -> Filter:
        self._count_term()
        if self._took("has"):
            return Has(self._field())
        field = self._field()
        if self._took("in"):
            return OneOf(field, self._values())
        token = self._peek()
        if token.text not in ("==", "!=", "~", *_ORDERS) or token.kind != "sign":
            raise self._unexpected("==, !=, ~, <, <=, >, >= or in")
        self._next += 1
        value = self._value()
        if token.text == "~" and not isinstance(value, str):
            raise ValueError(f"at character {token.at + 1}: ~ takes a text")
        if token.text in _ORDERS and not _is_number(value):
            raise ValueError(f"at character {token.at + 1}: {token.text} takes a number")
        return Compare(field, token.text, value)

    def _values(self) -> tuple[Value, ...]:
        self._expect("[")
        found = [self._value()]
        while self._took(","):
            self._count_term()
            found.append(self._value())
        self._expect("]")
        return tuple(found)

    def _field(self) -> Field:
        token = self._peek()
        if token.kind != "word" or token.text not in FIELDS + MAPS:
            raise self._unexpected(f"one of {', '.join(FIELDS + MAPS)}")
        self._next += 1
        if token.text in FIELDS:
            return Field(token.text)
        self._expect("[")
        key = self._peek()
        if key.kind != "text":
            raise self._unexpected("a key in quotation marks")
        self._next += 1
        self._expect("]")
        return Field(token.text, _unquoted(key.text))

    def _value(self) -> Value:
        token = self._peek()
        self._next += 1
        if token.kind == "text":
            return _unquoted(token.text)
        if token.kind == "number":
            whole = token.text.lstrip("-").isdigit() and len(token.text) <= _DIGITS_MAX
            return int(token.text) if whole else float(token.text)
        if token.text in ("true", "false"):
            return token.text == "true"
        self._next -= 1
        raise self._unexpected("a text in quotation marks, a number, true or false")

    def _count_term(self) -> None:
        self._terms += 1
        if self._terms > FILTER_TERMS_MAX:
            raise ValueError(f"a filter has at most {FILTER_TERMS_MAX} terms")

    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _took(self, text: str) -> bool:
        token = self._peek()
        if token.kind in ("word", "sign") and token.text == text:
            self._next += 1
            return True
        return False

    def _expect(self, text: str) -> None:
        if not self._took(text):
            raise self._unexpected(text)

    def _unexpected(self, expected: str) -> ValueError:
        token = self._peek()
        found = repr(token.text) if token.text else "the end"
        return ValueError(f"at character {token.at + 1}: expected {expected}, found {found}")


def _tokens(text: str) -> list[_Token]:
    found = []
    at = 0
    while match := _TOKEN.match(text, at):
        kind = str(match.lastgroup)
        found.append(_Token(kind, match[kind], match.start(kind)))
        at = match.end()
    rest = text[at:].lstrip()
    if rest:
        raise ValueError(f"at character {len(text) - len(rest) + 1}: {rest[:20]!r} means nothing")
    return [*found, _Token("end", "", len(text))]


def _unquoted(text: str) -> str:
    return _ESCAPED.sub(r"\1", text[1:-1])


def _is_number(value: Value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _equal(found: Value | None, value: Value) -> bool:
    # In Python True equals 1; in a span they are of two types.
    return (
        found is not None
        and isinstance(found, bool) == isinstance(value, bool)
        and (found == value)
    )
