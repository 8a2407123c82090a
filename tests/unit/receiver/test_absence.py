"""Who is away is waited for as long as the rule says, and given up even when the disk is full."""

import asyncio
import os
import subprocess
import sys

import pytest

from sidespand.errors import Unavailable
from sidespand.hlc import ZERO
from sidespand.model import Receipt
from sidespand.platform import ProcessId, open_process, process_id
from sidespand.receiver import absence
from sidespand.receiver.absence import Absences
from tests.journals import eventually
from tests.unit.receiver.serving import run

INSTANCE = b"instance-0000001"


class Table:
    """Open spans that are forgotten as soon as nothing stands in the way."""

    def __init__(self, count: int = 1) -> None:
        self.count = count
        self.refusals: list[Exception] = []
        self.reasons: list[str] = []

    def open_instances(self) -> dict[bytes, float]:
        """Return the one instance."""
        return {INSTANCE: 0.0} if self.count else {}

    def open_count(self, _instance_id: bytes) -> int:
        """Return how many spans it has."""
        return self.count

    def abandon(self, _instance_id: bytes, reason: str) -> asyncio.Future[Receipt]:
        """Forget them, or refuse."""
        done: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        if self.refusals:
            done.set_exception(self.refusals.pop())
        else:
            self.reasons.append(reason)
            done.set_result(Receipt(int(self.count > 0), int(self.count > 0), ZERO, ""))
            self.count = 0
        return done


def process(*, gone: bool) -> tuple[ProcessId, subprocess.Popen[bytes]]:
    """Return a process of its own, running or gone, which the caller ends."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    named = process_id(child.pid)
    assert named is not None
    if gone:
        child.kill()
        child.wait(10)
    return named, child


def end(child: subprocess.Popen[bytes]) -> None:
    """Let go of a process."""
    child.kill()
    child.wait(10)
    assert child.stdin is not None
    child.stdin.close()


def test_nobody_is_waited_for_without_open_spans() -> None:
    """It is not even looked at."""

    async def test() -> None:
        absences = Absences(Table(0), lambda _: None)
        named, child = process(gone=False)
        absences.away(INSTANCE, named, said_goodbye=False)
        assert not absences._away
        end(child)
        await absences.close()

    run(test())


@pytest.mark.parametrize("goodbye", [True, False])
def test_the_end_of_the_process_ends_the_wait(goodbye: bool) -> None:  # noqa: FBT001
    """Noticed by itself, long before the grace has passed."""

    async def test() -> None:
        table = Table()
        absences = Absences(table, lambda _: None, away_s_max=3600)
        named, child = process(gone=False)
        absences.away(INSTANCE, named, said_goodbye=goodbye)
        await asyncio.sleep(0)
        assert table.count == 1
        end(child)
        await eventually(lambda: table.reasons == ["its process is gone"], "the end")
        assert not absences._away
        await absences.close()

    run(test())


def test_a_refused_abandonment_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the disk has room; it is counted once."""
    monkeypatch.setattr(absence, "_RETRY_S", 0.0)
    counts: list[int] = []

    async def test() -> None:
        table = Table(3)
        table.refusals = [Unavailable("full"), Unavailable("full")]
        absences = Absences(table, counts.append)
        named, child = process(gone=True)
        absences.away(INSTANCE, named, said_goodbye=False)
        await eventually(lambda: counts == [3], "ABANDONED")
        end(child)
        await absences.close()

    run(test())


def test_who_returns_in_between_is_not_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """While giving up is refused, HELLO ends it."""
    monkeypatch.setattr(absence, "_RETRY_S", 3600.0)

    async def test() -> None:
        table = Table()
        table.refusals = [Unavailable("full")]
        absences = Absences(table, lambda _: None)
        named, child = process(gone=True)
        absences.away(INSTANCE, named, said_goodbye=False)
        await eventually(lambda: not table.refusals, "the refusal")
        absences.present(INSTANCE)
        await eventually(lambda: not absences._giving_up, "the end of giving up")
        assert table.count == 1
        end(child)
        await absences.close()

    run(test())


def test_a_stop_ends_all_waiting() -> None:
    """The grace begins anew with the next daemon."""

    async def test() -> None:
        table = Table()
        absences = Absences(table, lambda _: None)
        absences.start()
        await absences.close()
        absences.away(INSTANCE, None, said_goodbye=False)
        for _ in range(3):
            await asyncio.sleep(0)
        assert table.reasons == []

    run(test())


def test_a_process_is_known_by_more_than_its_pid() -> None:
    """While it lives, when it is a zombie, when it is gone, and when its pid is another's."""
    named, child = process(gone=False)
    early = open_process(named)
    assert early is not None
    assert not early.has_exited()
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    zombie = open_process(named)
    assert early.has_exited()
    assert zombie is not None
    assert zombie.has_exited()
    end(child)
    late = open_process(named)
    ours = process_id(os.getpid())
    assert ours is not None
    assert ours.started_ticks is not None
    another = open_process(ours._replace(started_ticks=ours.started_ticks - 1))
    for handle in (late, another):
        assert handle is not None
        assert handle.has_exited()
    for handle in (early, zombie, late, another):
        handle.close()


def test_a_process_of_another_namespace_is_unknown() -> None:
    """The kernel names it by 0."""
    assert process_id(0) is None
    assert process_id(None) is None
