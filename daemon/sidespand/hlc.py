"""The hybrid logical clock: a stamp that only rises, near physical time, past all it has seen.

Pure functions on ``Hlc`` values; whoever holds the current value decides when it is kept.
Source: Kulkarni, Demirbas, Madappa, Avva, Leone, "Logical Physical Clocks and Consistent Snapshots
    in Globally Distributed Databases", 2014, section 3 (the rules for send, local and receive
    events).

A stamp orders for display and refutes ("b cannot have caused a"). It never proves "before".
"""

from typing import NamedTuple

LOGICAL_MAX = 2**32 - 1
WALL_NS_MAX = 2**64 - 1


class Hlc(NamedTuple):
    """A stamp; tuples compare as the clock does.

    Args:
        wall_ns: Nanoseconds since the Unix epoch, 0 to 2**64 - 1: some node's real reading, or one
            carried over.
        logical: Events at that reading before this one, 0 to 2**32 - 1.
    """

    wall_ns: int
    logical: int


ZERO = Hlc(0, 0)


def tick(last: Hlc, wall_ns: int) -> Hlc:
    """Return the stamp of a local event, greater than ``last``."""
    if wall_ns > last.wall_ns:
        return Hlc(wall_ns, 0)
    return _after(last)


def merge(last: Hlc, remote: Hlc, wall_ns: int) -> Hlc:
    """Return the stamp of receiving ``remote``, greater than both ``last`` and ``remote``."""
    highest = max(last, remote)
    if wall_ns > highest.wall_ns:
        return Hlc(wall_ns, 0)
    return _after(highest)


def too_far_ahead(remote: Hlc, wall_ns: int, ahead_ns_max: int) -> bool:
    """Tell whether ``remote`` leads ``wall_ns`` by more than ``ahead_ns_max``."""
    return remote.wall_ns - wall_ns > ahead_ns_max


def with_room(first: Hlc, count: int) -> Hlc:
    """Return ``first``, carried into the wall when ``count`` stamps from it on would overflow."""
    assert 1 <= count <= LOGICAL_MAX
    if first.logical + count - 1 > LOGICAL_MAX:
        return Hlc(first.wall_ns + 1, 0)
    return first


def nth(first: Hlc, index: int) -> Hlc:
    """Return the stamp of item ``index`` (from 0) of a record whose first item has ``first``."""
    return Hlc(first.wall_ns, first.logical + index)


def text(stamp: Hlc) -> str:
    """Return ``wall_ns.%010d``; such texts sort as the stamps do, until the year 2286."""
    return f"{stamp.wall_ns}.{stamp.logical:010d}"


def parse(value: str) -> Hlc:
    """Return the stamp that ``text`` wrote.

    Raises:
        ValueError: ``value`` is not of that form, or a part is out of range.
    """
    wall, dot, logical = value.partition(".")
    if not (dot and wall.isascii() and wall.isdigit() and logical.isascii() and logical.isdigit()):
        raise ValueError(f"not an HLC: {value[:64]!r}")
    if len(wall) > len(str(WALL_NS_MAX)) or len(logical) > len(str(LOGICAL_MAX)):
        raise ValueError(f"out of range: {value[:64]!r}")
    stamp = Hlc(int(wall), int(logical))
    if stamp.wall_ns > WALL_NS_MAX or stamp.logical > LOGICAL_MAX:
        raise ValueError(f"out of range: {value!r}")
    return stamp


def _after(stamp: Hlc) -> Hlc:
    if stamp.logical == LOGICAL_MAX:
        return Hlc(stamp.wall_ns + 1, 0)
    return Hlc(stamp.wall_ns, stamp.logical + 1)
