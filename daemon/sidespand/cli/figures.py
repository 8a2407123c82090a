"""Numbers of models for people: tokens, money and milliseconds in few characters."""

_STEP = 1000.0
_SCALES = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
_EXACT_MAX = 10_000
_CENT = 0.01
_NS_PER_MS = 1_000_000


def count(number: int | None) -> str:
    """Return a count with three digits; empty for None."""
    if number is None:
        return ""
    if number < _EXACT_MAX:
        return str(number)
    scale, unit = next(pair for pair in _SCALES if number >= pair[0])
    return (
        f"{number / scale:.3g}{unit}" if number / scale < _STEP else f"{number / scale:.0f}{unit}"
    )


def tokens(given: int | None, made: int | None) -> str:
    """Return tokens in and out; empty where there are none."""
    return f"{count(given or 0)}→{count(made or 0)}" if given or made else ""


def money(usd: float | None) -> str:
    """Return US dollars; empty for what was not reported, which is not nothing."""
    if usd is None:
        return ""
    return f"${usd:,.2f}" if usd >= 1 or usd == 0 else f"${usd:.4f}"


def milliseconds(length_ms: float | None) -> str:
    """Return a duration; ``-`` for None."""
    from sidespand.cli.units import duration

    # A duration that began at 1, for 0 would be no end.
    return "-" if length_ms is None else duration(1, round(length_ms * _NS_PER_MS) + 1)
