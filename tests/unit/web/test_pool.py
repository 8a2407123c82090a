"""Questions in threads: bounded, and their errors come out."""

import asyncio
import json
import threading

import pytest

from sidespand.errors import NotFound, Unavailable
from sidespand.web.encoding import encoded
from sidespand.web.pool import Pool
from tests.journals import run

WAIT_S = 20.0


def test_it_refuses_what_would_wait_too_long() -> None:
    """What is over the queue is told to come back; afterwards there is room again."""

    async def test() -> None:
        pool = Pool("test", 1, 1)
        go_on = threading.Event()
        both = [asyncio.create_task(pool.run(lambda: go_on.wait(WAIT_S))) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Unavailable) as caught:
            await pool.run(lambda: 1)
        assert caught.value.retryable
        go_on.set()
        assert await asyncio.gather(*both) == [True, True]
        assert await pool.run(lambda: 2) == 2
        pool.close()

    run(test())


def test_an_error_comes_out() -> None:
    """It is raised where the question was asked."""

    async def test() -> None:
        pool = Pool("test", 1, 1)

        def fail() -> None:
            raise NotFound("no")

        with pytest.raises(NotFound):
            await pool.run(fail)
        pool.close()

    run(test())


def test_who_leaves_takes_no_room_with_him() -> None:
    """A question whose asker is gone still counts while its thread is busy, and not after."""

    async def test() -> None:
        pool = Pool("test", 1, 0)
        go_on = threading.Event()
        left = asyncio.create_task(pool.run(lambda: go_on.wait(WAIT_S)))
        await asyncio.sleep(0)
        left.cancel()
        await asyncio.gather(left, return_exceptions=True)
        with pytest.raises(Unavailable):
            await pool.run(lambda: 1)
        go_on.set()
        async with asyncio.timeout(WAIT_S):
            while pool._free < 1:
                await asyncio.sleep(0.01)
        assert await pool.run(lambda: 2) == 2
        pool.close()

    run(test())


def test_json_in_pieces_is_the_same_json() -> None:
    """Whatever its size and depth; half of a pair does not stop it."""
    document = {
        "a": {}, "b": [], "c": {"d": list(range(5000)), "é": [[1], {"x": None}], "f": "\ud800"},
        "g": [{"n": n} for n in range(4001)], "": True,
    }  # fmt: skip
    expected = json.loads(json.dumps(document).replace("\\ud800", "?"))
    assert json.loads(encoded(document)) == expected
    assert json.loads(encoded({})) == {}
    assert json.loads(encoded([1, "x"])) == [1, "x"]
