from collections.abc import Sequence

from sidespand.model import Gap, Position, Record
from sidespand.query.follow import follow
from tests.unit.query import samples


class GrowingLog:
    """A log in memory that grows whenever its reader waits."""

    def __init__(self, entries: Sequence[Record | Gap]) -> None:
        self._coming = list(entries)
        self._durable: list[Record | Gap] = []

    def grow(self) -> None:
        """Make one more entry durable."""
        self._durable.append(self._coming.pop(0))

    def read(self, after: Position | None, upto: Position | None = None) -> Sequence[Record | Gap]:
        """Return what is durable between the two."""
        return [
            entry
            for entry in self._durable
            if (after is None or entry.position > after)
            and (upto is None or entry.position <= upto)
        ]

    def tail(self) -> Position | None:
        """Return the newest position."""
        return self._durable[-1].position if self._durable else None

    def close(self) -> None:
        """Forget everything."""
        self._durable.clear()


def test_every_entry_is_yielded_once_in_order() -> None:
    """Gaps move the position as records do; waiting happens only when there is nothing new."""
    oldest, newest = reversed(samples.recorded(*[samples.request(samples.span(n)) for n in (1, 2)]))
    gap = Gap(1, samples.LINEAGE, 3, 9, "trimmed")
    log = GrowingLog([oldest, newest, gap])
    followed = follow(log, None, log.grow)

    assert [next(followed) for _ in range(3)] == [[oldest], [newest], [gap]]


def test_it_starts_after_a_position() -> None:
    """What is known already does not come again."""
    oldest, newest = reversed(samples.recorded(*[samples.request(samples.span(n)) for n in (1, 2)]))
    log = GrowingLog([oldest, newest])
    log.grow()

    assert next(follow(log, log.tail(), log.grow)) == [newest]
