"""Numbers and times in queries: from what people write, and back without loss. Pure."""

import math
import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

_NUMBER: Final = re.compile(r"(\d{1,18}(?:\.\d{1,12})?)\s*([a-zµ]*)", re.IGNORECASE | re.ASCII)
_DURATIONS: Final = {
    "ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9,
    "d": 86400 * 10**9, "w": 7 * 86400 * 10**9,
}  # fmt: skip
_COUNTS: Final = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}
_MOMENT: Final = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?(Z|[+-]\d{2}:\d{2})?)?"
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# 2262: beyond it nanoseconds do not fit into 63 bits.
_NS_MAX: Final = 2**63 - 1


def number(field: str, value: str) -> float:
    """Return a number in the field's unit: nanoseconds of ``dur``, dollars of ``cost``, tokens.

    Raises:
        ValueError: It is none; says what was expected.
    """
    match = _NUMBER.fullmatch(value)
    unit = match[2].lower() if match is not None else ""
    if field == "dur":
        if match is None or unit not in _DURATIONS:
            raise ValueError("expected a duration such as 2s, 150ms or 1.5m")
        return _whole(match[1], _DURATIONS[unit])
    if field == "cost":
        if match is None or unit:
            raise ValueError("expected US dollars such as 0.01")
        return float(match[1])
    if match is None or unit not in _COUNTS:
        raise ValueError("expected a number of tokens such as 8000, 8k or 1.5m")
    return _whole(match[1], _COUNTS[unit])


def number_text(field: str, value: float) -> str:
    """Return what ``number`` makes the same number of."""
    if field == "cost":
        return f"{value:.12f}".rstrip("0").rstrip(".")
    return f"{int(value)}ns" if field == "dur" else str(int(value))


def time_ns(value: str, now_ns: int, zone: tzinfo | None) -> int:
    """Return nanoseconds since the Unix epoch of ``10m`` ago, or of a date with or without a time.

    Args:
        value: A duration, or ISO 8601 with up to nine digits after the second.
        now_ns: What a duration counts back from.
        zone: Of times that name no offset; UTC when None.

    Raises:
        ValueError: It is neither; says what was expected.
    """
    match = _NUMBER.fullmatch(value)
    if match is not None and match[2].lower() in _DURATIONS:
        return max(0, now_ns - int(_whole(match[1], _DURATIONS[match[2].lower()])))
    moment = _MOMENT.fullmatch(value)
    if moment is None:
        raise ValueError("expected 10m, 2h, 2026-11-21, or 2026-11-21T10:00 with or without +01:00")
    day, minute, second, fraction, offset = moment.groups()
    offset = "+00:00" if offset == "Z" else offset or ""
    try:
        at = datetime.fromisoformat(f"{day}T{minute or '00:00'}:{second or '00'}{offset}")
        if at.tzinfo is None:
            at = at.replace(tzinfo=zone or UTC)
        since = at - _EPOCH
    except (ValueError, OverflowError):
        raise ValueError("there is no such day or time") from None
    whole_ns = (since // timedelta(seconds=1)) * 10**9 + int((fraction or "").ljust(9, "0"))
    if not 0 <= whole_ns <= _NS_MAX:
        raise ValueError("expected a time from 1970 to 2262")
    return whole_ns


def time_text(at_ns: int) -> str:
    """Return what ``time_ns`` makes the same time of, in UTC."""
    at = _EPOCH + timedelta(seconds=at_ns // 10**9)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at_ns % 10**9:09d}Z"


def _whole(digits: str, unit: int) -> float:
    # Whole nanoseconds and tokens: a part of one is none.
    if "." not in digits:
        return min(int(digits) * unit, _NS_MAX)
    return min(math.floor(float(digits) * unit), _NS_MAX)
