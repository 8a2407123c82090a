"""Requests that wait before they are refused: for a while, within bounds, and not at a stop."""

import asyncio

from sidespand.limits import HOLD_S_MAX, HOLD_S_MIN
from sidespand.receiver.hold import Hold, _delay_s
from tests.journals import eventually, run


def test_it_waits_between_one_and_three_seconds() -> None:
    """Not all for the same time."""
    delays = {_delay_s() for _ in range(100)}
    assert min(delays) >= HOLD_S_MIN
    assert max(delays) <= HOLD_S_MAX
    assert len(delays) > 50


def test_only_so_many_wait() -> None:
    """By number and by bytes; whoever goes makes room."""

    async def test() -> None:
        hold = Hold(lambda: 3600.0, requests_max=2, bytes_max=100)
        assert not hold.has_room(101)
        waiting = [asyncio.create_task(hold.wait(50)), asyncio.create_task(hold.wait(40))]
        await eventually(lambda: hold.requests == 2, "both to wait")
        assert not hold.has_room(1)
        waiting.pop().cancel()
        await eventually(lambda: hold.requests == 1, "one to go")
        assert hold.has_room(50)
        assert not hold.has_room(51)
        hold.release()
        await asyncio.gather(*waiting)

    run(test())


def test_it_ends_by_itself() -> None:
    """After its delay."""
    run(Hold(lambda: 0.01).wait(1))


def test_a_stop_lets_everyone_go() -> None:
    """And nobody waits afterwards."""

    async def test() -> None:
        hold = Hold(lambda: 3600.0)
        waiting = asyncio.create_task(hold.wait(1))
        await eventually(lambda: hold.requests == 1, "it to wait")
        hold.release()
        await waiting
        assert not hold.has_room(1)

    run(test())
