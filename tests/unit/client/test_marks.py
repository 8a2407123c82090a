"""A span that stays open is announced, and what is set on it later follows."""

import asyncio
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import sidespan
from sidespan import _limits
from sidespan._buffer import Buffer, MarkedSpan
from sidespan._runtime import _mark_after_s, runtime
from sidespan.testing import FakeDaemon
from tests.daemon import wait_until

WAIT_S = 20.0


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[FakeDaemon]:
    """Return a daemon in a thread."""
    made = FakeDaemon(tmp_path / "ingest.sock").start()
    yield made
    sidespan.shutdown(0)
    made.stop()


def init(daemon: FakeDaemon, mark_after_s: float = 0.0) -> None:
    """Record, announcing spans as soon as the sender sees them."""
    sidespan.init("marks", socket=daemon.address, mark_after_s=mark_after_s)
    assert sidespan.flush(WAIT_S)


def test_an_open_span_is_announced_with_what_it_has(daemon: FakeDaemon) -> None:
    """The mark is the span without an end; the end comes as a span and closes it."""
    init(daemon)
    with sidespan.span("outer", goal="lunch") as s:
        assert daemon.wait_for(marks=1)
        (mark,) = daemon.marks
        assert [span.span_id for span in daemon.open] == [s.span_id]
    assert sidespan.flush(WAIT_S)

    (span,) = daemon.spans
    assert (mark.name, mark.attributes, mark.end_ns) == ("outer", {"goal": "lunch"}, 0)
    assert (mark.trace_id, mark.span_id) == (span.trace_id, span.span_id)
    assert mark.start_ns == span.start_ns < span.end_ns
    assert daemon.open == []


def test_a_short_span_is_not_announced(daemon: FakeDaemon) -> None:
    """Before its time a span costs the recorder nothing but itself."""
    init(daemon, mark_after_s=3600)
    for _ in range(100):
        with sidespan.span("short"):
            pass
    assert sidespan.flush(WAIT_S)

    assert len(daemon.spans) == 100
    assert daemon.marks == []


def test_what_is_set_later_is_told_once(daemon: FakeDaemon) -> None:
    """An update holds what is new: changed attributes, and events since the last."""
    init(daemon)
    with sidespan.span("step", a=1, b=2) as s:
        assert daemon.wait_for(marks=1)
        s.set(b=3, c=4).add_event("thought", {"n": 1})
        wait_until(lambda: sum(len(mark.events) for mark in daemon.marks) == 1, WAIT_S, "the event")
        s.add_event("again")
        wait_until(lambda: sum(len(mark.events) for mark in daemon.marks) == 2, WAIT_S, "the other")
    first, *later = daemon.marks
    told = [(key, value) for mark in later for key, value in mark.attributes.items()]

    assert first.attributes == {"a": 1, "b": 2}
    assert told == [("b", 3), ("c", 4)]
    assert [event.name for mark in later for event in mark.events] == ["thought", "again"]


def test_a_span_that_was_not_heard_of_needs_no_mark(daemon: FakeDaemon) -> None:
    """While the daemon is away spans end; what it then gets is their ends."""
    init(daemon)
    daemon.stop()
    for _ in range(20):
        with sidespan.span("step"):
            pass
    with sidespan.span("open"):
        daemon.start()
        assert daemon.wait_for(spans=20)
    assert sidespan.flush(WAIT_S)

    assert len(daemon.spans) == 21
    assert {mark.name for mark in daemon.marks} <= {"step", "open"}
    assert daemon.open == []


def test_a_durable_span_is_on_disk_before_its_body_runs(daemon: FakeDaemon) -> None:
    """Log before act, however long spans may otherwise stay unannounced."""
    init(daemon, mark_after_s=3600)
    with sidespan.span("pay", durable=True, amount=5) as s:
        assert s.durable
        assert [mark.attributes for mark in daemon.marks] == [{"amount": 5}]
    with sidespan.span("plain") as plain:
        assert not plain.durable


def test_only_who_waits_for_it_announces_a_durable_span(daemon: FakeDaemon) -> None:
    """Were it announced by its age first, who waits would not hear of it."""
    init(daemon)
    pay = sidespan.span("pay", durable=True)
    pay._begin(None)
    with sidespan.span("other", durable=True, durable_timeout_s=WAIT_S):
        pass
    assert [mark.name for mark in daemon.marks] == ["other"]
    with pay.activate(), sidespan.span("inner"):
        pass
    pay.end()
    assert sidespan.flush(WAIT_S)
    assert {span.name for span in daemon.spans} == {"other", "inner", "pay"}
    assert daemon.open == []


def test_a_durable_function_is_announced_at_each_call(daemon: FakeDaemon) -> None:
    """The decorator keeps the option."""
    init(daemon, mark_after_s=3600)

    @sidespan.span("pay", durable=True)
    def pay() -> bool:
        return sidespan.current().durable

    assert [pay(), pay()] == [True, True]
    assert len(daemon.marks) == 2


def test_without_a_daemon_a_durable_span_goes_on(tmp_path: Path) -> None:
    """The body runs after the timeout, and knows."""
    sidespan.init("marks", socket=tmp_path / "nobody.sock")
    ran = []
    with sidespan.span("pay", durable=True, durable_timeout_s=0.01) as s:
        ran.append(s.durable)

    assert ran == [False]


def test_off_a_durable_span_waits_for_nobody() -> None:
    """While nothing is recorded it is a span like any other."""
    with sidespan.span("pay", durable=True, durable_timeout_s=3600) as s:
        assert not s.durable


def test_a_durable_span_outlasts_a_restart(daemon: FakeDaemon) -> None:
    """Within its timeout it goes on trying, at short intervals."""
    init(daemon, mark_after_s=3600)
    daemon.stop()
    restart = threading.Timer(0.05, daemon.start)
    restart.start()
    with sidespan.span("pay", durable=True, durable_timeout_s=WAIT_S) as s:
        assert s.durable
    restart.join()


@pytest.mark.parametrize("decorated", [False, True])
def test_a_durable_coroutine_lets_the_loop_go_on(daemon: FakeDaemon, *, decorated: bool) -> None:
    """Others run while it waits."""
    init(daemon, mark_after_s=3600)
    daemon.stop()

    async def body() -> bool:
        return sidespan.current().durable

    async def block() -> bool:
        async with sidespan.span("pay", durable=True, durable_timeout_s=WAIT_S) as s:
            return s.durable

    async def main() -> bool:
        work = sidespan.span("pay", durable=True, durable_timeout_s=WAIT_S)(body)
        waiting = asyncio.create_task((work if decorated else block)())
        for _ in range(3):
            await asyncio.sleep(0.01)
        assert not waiting.done()
        daemon.start()
        return await waiting

    assert asyncio.run(main())


def test_a_cancelled_wait_ends_the_span(daemon: FakeDaemon) -> None:
    """The cancellation goes on, and the span is not left open."""
    init(daemon, mark_after_s=3600)
    daemon.stop()

    async def main() -> None:
        async with sidespan.span("pay", durable=True, durable_timeout_s=WAIT_S):
            raise AssertionError("the body ran")

    async def cancelled() -> None:
        task = asyncio.create_task(main())
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert sidespan.status().recorded == 1


def test_a_refused_announcement_is_not_durable(
    daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waits is told at once, and the span goes on."""
    init(daemon, mark_after_s=3600)
    monkeypatch.setattr("sidespan.testing._daemon.decode_request", _refuse)
    with sidespan.span("pay", durable=True, durable_timeout_s=WAIT_S) as s:
        assert not s.durable
    assert "no such thing" in sidespan.status().last_error


def _refuse(_request: bytes) -> list[object]:
    raise ValueError("no such thing")


def test_what_is_open_when_the_program_shuts_down_is_announced(daemon: FakeDaemon) -> None:
    """Its start is in the record, so that it can be shown as abandoned."""
    init(daemon, mark_after_s=3600)
    span = sidespan.span("forever").start()
    sidespan.shutdown(WAIT_S)

    assert [mark.span_id for mark in daemon.open] == [span.span_id]


def test_a_mark_is_never_waited_for(daemon: FakeDaemon) -> None:
    """A span that is never announced ends like any other."""
    init(daemon, mark_after_s=float("inf"))
    with sidespan.span("long") as s:
        s.set(a=1)
    assert sidespan.flush(WAIT_S)

    assert daemon.marks == []
    assert len(daemon.spans) == 1


def test_an_announced_span_that_is_dropped_is_still_closed() -> None:
    """Its ids remain, as many as are bounded."""
    buffer = Buffer(0, lambda: None)
    span = MarkedSpan(b"\x0a\x10" + b"t" * 16 + b"\x12\x08" + b"s" * 8)
    for _ in range(_limits.ORPHANS_MAX + 1):
        buffer.offer(span)

    assert buffer.counts[2] == _limits.ORPHANS_MAX + 1
    assert buffer.take_ended([]) == (b"t" * 16 + b"s" * 8) * _limits.ORPHANS_MAX
    assert buffer.take_ended([span, b"short"]) == b"t" * 16 + b"s" * 8


def test_spans_that_never_end_are_not_kept_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While there is nobody to tell, only so many are kept in mind."""
    monkeypatch.setattr("sidespan._marker.YOUNG_SPANS_MAX", 10)
    sidespan.init("marks", socket=tmp_path / "nobody.sock")
    with sidespan.span("buffered"):
        pass
    for _ in range(50):
        sidespan.span("forgotten").start()
    assert runtime.buffer is not None
    young = runtime.buffer.young
    sidespan.flush(0)

    wait_until(lambda: len(young) <= 10, WAIT_S, "the excess to go")


def test_the_environment_sets_the_time(daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch) -> None:
    """Milliseconds, or off; what cannot be read counts as unset."""
    monkeypatch.setenv("SIDESPAN_MARK_AFTER_MS", "0")
    sidespan.init("marks", socket=daemon.address)
    with sidespan.span("long"):
        assert daemon.wait_for(marks=1)
    found = []
    for text in ("250", "off", "soon", "-1"):
        monkeypatch.setenv("SIDESPAN_MARK_AFTER_MS", text)
        found.append(_mark_after_s(os.environ))
    assert found == [0.25, float("inf"), _limits.MARK_AFTER_S, 0.0]


@pytest.mark.slow
def test_many_open_spans_from_many_threads(daemon: FakeDaemon) -> None:
    """Each is announced at most once before its end, and each ends once."""
    init(daemon)

    def work() -> None:
        for number in range(100):
            with sidespan.span("outer", n=number), sidespan.span("inner") as s:
                s.set(x=number)
                if number % 10 == 0:
                    time.sleep(0)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sidespan.flush(WAIT_S), sidespan.status()
    # An id whose mark is behind its end in the same step is closed by that step.
    wait_until(lambda: daemon.open == [], WAIT_S, "the last end")

    ids = [span.span_id for span in daemon.spans]
    assert len(ids) == len(set(ids)) == 1600
    assert {mark.span_id for mark in daemon.marks} <= set(ids)
