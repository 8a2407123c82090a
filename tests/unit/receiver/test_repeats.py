"""What came before is known for a while, as long as it was stored."""

import asyncio

from sidespand.errors import Unavailable
from sidespand.hlc import ZERO
from sidespand.model import Admitted, Kind, Peer, Receipt
from sidespand.receiver.repeats import Repeats, RequestKey, key_of
from tests.journals import run
from tests.unit.receiver.test_quota import Seconds

RECEIPT = Receipt(1, 1, ZERO, "token")


def key(number: int, peer: Peer = Peer("http", address="127.0.0.1")) -> RequestKey:  # noqa: B008
    """Return the key of a request."""
    return key_of(Kind.SPANS, number.to_bytes(32, "big"), peer)


def test_a_request_is_one_with_its_peer() -> None:
    """Process and port do not matter; user, tenant, address and kind do."""
    one = Peer("http", 7, 100, "", "blue")
    assert key(1, one) == key(1, Peer("grpc", 7, 200, "", "blue"))
    others = [Peer("http", 8, 100, "", "blue"), Peer("http", 7, 100, "::1", "blue"),
              Peer("http", 7, 100)]  # fmt: skip
    assert key(1, one) not in [key(1, other) for other in others]
    assert key_of(Kind.LOGS, key(1).digest, one) != key(1, one)


def test_it_is_forgotten_after_the_window() -> None:
    """And not before."""

    async def test() -> None:
        clock = Seconds()
        repeats = Repeats(10, now=clock)
        outcome: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        repeats.add(key(1), outcome, Admitted((), 2, "why"))
        outcome.set_result(RECEIPT)
        clock.now = 9.9
        found = repeats.find(key(1))
        assert found is not None
        assert (found.rejected_items, found.rejected_reason) == (2, "why")
        assert await found.outcome == RECEIPT
        clock.now = 10.0
        assert repeats.find(key(1)) is None

    run(test())


def test_what_was_not_stored_may_come_again() -> None:
    """A failure is forgotten at once, unless the same request is being tried once more."""

    async def test() -> None:
        repeats = Repeats(10)
        loop = asyncio.get_running_loop()
        first: asyncio.Future[Receipt] = loop.create_future()
        second: asyncio.Future[Receipt] = loop.create_future()
        repeats.add(key(1), first, Admitted(()))
        first.set_exception(Unavailable("full"))
        repeats.add(key(1), second, Admitted(()))
        await asyncio.sleep(0)
        assert repeats.find(key(1)) is not None
        second.cancel()
        await asyncio.sleep(0)
        assert repeats.find(key(1)) is None

    run(test())


def test_only_so_many_are_remembered() -> None:
    """The oldest go first, by number and by age."""

    async def test() -> None:
        clock = Seconds()
        repeats = Repeats(10, requests_max=3, now=clock)
        for number in range(5):
            repeats.add(key(number), asyncio.get_running_loop().create_future(), Admitted(()))
        assert [number for number in range(5) if repeats.find(key(number))] == [2, 3, 4]
        clock.now = 20
        repeats.add(key(9), asyncio.get_running_loop().create_future(), Admitted(()))
        assert len(repeats._taken) < 3

    run(test())
