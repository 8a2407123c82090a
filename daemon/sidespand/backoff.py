"""The wait before the next try: doubling, bounded, and spread so that senders part."""

from collections.abc import Callable


def delay_s(
    failures: int,
    uniform: Callable[[float, float], float],
    *,
    first_s: float = 0.1,
    last_s: float = 30.0,
) -> float:
    """Return how long to wait after ``failures`` failures in a row.

    Args:
        failures: 1 or more.
        uniform: Draws a number between its two arguments.
        first_s: The ceiling of the first wait, in seconds.
        last_s: The ceiling of every later one, in seconds.

    Returns:
        Seconds between half of the ceiling and the ceiling.
    """
    assert failures >= 1
    ceiling = min(last_s, first_s * 2.0 ** min(failures - 1, 60))
    return uniform(ceiling / 2, ceiling)
