"""The current span goes where the work goes: threads, pools, tasks, and by hand."""

import asyncio
import contextvars
import threading
from concurrent.futures import Future

import pytest

import sidespan
from tests.unit.client.conftest import Captured


def child(name: str = "child") -> None:
    """Record a span below whatever is current."""
    with sidespan.span(name):
        pass


def test_a_thread_takes_the_span_along_with_wrap(captured: Captured) -> None:
    """Without it a thread begins anew; outside nothing changes."""
    with sidespan.span("parent") as parent:
        threads = [
            threading.Thread(target=child, args=("alone",)),
            threading.Thread(target=sidespan.wrap(child)),
        ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert captured.named("alone").parent_span_id == b""
    assert captured.named("child").parent_span_id == parent.context.span_id_bytes


def test_what_is_wrapped_runs_as_often_as_it_likes(captured: Captured) -> None:
    """Also at once in several threads; each run leaves the others' context alone."""
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable", default=0)
    together = threading.Barrier(3)
    seen: list[int] = []

    def work() -> None:
        together.wait(10)
        variable.set(variable.get() + 1)
        seen.append(variable.get())
        child()

    with sidespan.span("parent") as parent:
        variable.set(5)
        wrapped = sidespan.wrap(work)
    threads = [threading.Thread(target=wrapped) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert seen == [6, 6, 6]
    assert wrapped.__name__ == "work"
    parents = {span.parent_span_id for span in captured.spans if span.name == "child"}
    assert parents == {parent.context.span_id_bytes}


def test_a_wrapped_coroutine_function(captured: Captured) -> None:
    """It stays one, and its coroutine runs below the span wherever it is awaited."""

    @sidespan.wrap
    async def outside() -> None:
        child("outside")

    async def work() -> int:
        await asyncio.sleep(0)
        child()
        return 3

    with sidespan.span("parent") as parent:
        wrapped = sidespan.wrap(work)

    assert asyncio.iscoroutinefunction(wrapped)
    assert asyncio.run(wrapped()) == 3
    asyncio.run(outside())
    assert captured.named("child").parent_span_id == parent.context.span_id_bytes
    assert captured.named("outside").parent_span_id == b""


def test_a_pool_takes_the_span_of_each_submission(captured: Captured) -> None:
    """``submit``, ``map`` and ``run_in_executor`` alike; results are the function's."""

    async def in_loop(pool: sidespan.ThreadPoolExecutor) -> None:
        with sidespan.span("loop"):
            await asyncio.get_running_loop().run_in_executor(pool, child, "from loop")

    with sidespan.ThreadPoolExecutor(2) as pool:
        with sidespan.span("first"):
            failed: Future[None] = pool.submit(child, "from first")
            assert list(pool.map(len, ["a", "bb"])) == [1, 2]
        failed.result()
        with pytest.raises(ZeroDivisionError):
            pool.submit(divmod, 1, 0).result()
        asyncio.run(in_loop(pool))
        pool.submit(child, "alone").result()

    ids = {span.name: span.span_id for span in captured.spans}
    assert captured.named("from first").parent_span_id == ids["first"]
    assert captured.named("from loop").parent_span_id == ids["loop"]
    assert captured.named("alone").parent_span_id == b""


def test_tasks_keep_their_spans_apart(captured: Captured) -> None:
    """Each branch of a gather is below what began it, and its children are below it."""

    async def branch(name: str, barrier: asyncio.Barrier) -> None:
        with sidespan.span(name):
            await barrier.wait()
            child(f"child of {name}")
            await barrier.wait()

    async def main() -> None:
        barrier = asyncio.Barrier(3)
        with sidespan.span("root"):
            await asyncio.gather(*(branch(f"b{n}", barrier) for n in range(3)))
            child("after")

    asyncio.run(main())
    ids = {span.name: span.span_id for span in captured.spans}
    for n in range(3):
        assert captured.named(f"b{n}").parent_span_id == ids["root"]
        assert captured.named(f"child of b{n}").parent_span_id == ids[f"b{n}"]
    assert captured.named("after").parent_span_id == ids["root"]


def test_explicit_passing(captured: Captured) -> None:
    """A span or its context as ``parent`` needs no context at all."""
    parent = sidespan.span("parent").start()

    def work() -> None:
        with sidespan.span("by span", parent=parent):
            pass
        with sidespan.span("by context", parent=parent.context):
            pass

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    parent.end()

    for name in ("by span", "by context"):
        assert captured.named(name).parent_span_id == parent.context.span_id_bytes
