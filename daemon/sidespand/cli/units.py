"""Moments, durations and sizes, written for people."""

from datetime import UTC, datetime

_MS = 1_000_000
_S = 1_000_000_000
_MINUTE = 60 * _S
_HOUR = 60 * _MINUTE
_SCALES = ((1, "ns"), (1_000, "µs"), (_MS, "ms"), (_S, "s"))
# With three digits, more than this is written as the next unit's 1.
_AMOUNT_MAX = 999.5
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_STEP = 1024


def moment(time_ns: int, *, utc: bool) -> str:
    """Return date and time to the millisecond, with the offset from UTC.

    Args:
        time_ns: Nanoseconds since the Unix epoch, 0 to 2**64 - 1.
        utc: In UTC rather than in local time.
    """
    seconds, rest = divmod(time_ns, _S)
    when = datetime.fromtimestamp(seconds, UTC)
    local = when if utc else when.astimezone()
    offset = local.strftime("%z")
    return f"{local:%Y-%m-%d %H:%M:%S}.{rest // _MS:03d}{offset[:3]}:{offset[3:]}"


def duration(start_ns: int, end_ns: int) -> str:
    """Return how long something took; ``-`` when it has no end or ends before it starts."""
    length = end_ns - start_ns
    if not end_ns or length < 0:
        return "-"
    if length >= _HOUR:
        return f"{length // _HOUR}h {length % _HOUR // _MINUTE:02d}m"
    if length >= _MINUTE:
        return f"{length // _MINUTE}m {length % _MINUTE // _S:02d}s"
    scale, unit = next(pair for pair in _SCALES if length < _AMOUNT_MAX * pair[0])
    return f"{length / scale:.3g} {unit}"


def size(count_bytes: int) -> str:
    """Return a byte count in binary units."""
    amount = float(count_bytes)
    for unit in _UNITS[:-1]:
        if amount < _STEP:
            return f"{amount:.4g} {unit}"
        amount /= _STEP
    return f"{amount:.4g} {_UNITS[-1]}"
