"""Follows a log as it grows: what is durable and not yet seen, in log order, without end."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from sidespand.model import Gap, Position, Record

if TYPE_CHECKING:
    # The ports bring asyncio, which a reader at a terminal would wait for.
    from sidespand.ports import Log


def follow(
    log: "Log", after: Position | None, wait: Callable[[], None]
) -> Iterator[Sequence[Record | Gap]]:
    """Yield batches of what follows ``after``; the log may change files and owners meanwhile.

    Args:
        log: The journal.
        after: Exclusive; None for the oldest record that there is.
        wait: Called while there is nothing new; it should return within the wanted delay.
    """
    while True:
        batch = log.read(after)
        if not batch:
            wait()
            continue
        yield batch
        after = batch[-1].position
