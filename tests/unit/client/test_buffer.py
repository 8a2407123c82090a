"""The buffer is bounded, never waits for its taker, and accounts for every span."""

import threading

from hypothesis import given
from hypothesis import strategies as st

from sidespan._buffer import Buffer
from sidespan._limits import BATCH_BYTES_MAX, BATCH_SPANS_MAX, SPAN_OVERHEAD_BYTES


def silent() -> None:
    """Wake nobody."""


steps = st.lists(
    st.one_of(
        st.integers(0, 2000).map(lambda size: ("offer", size)),
        st.just(("take", 0)),
        st.integers(0, 3).map(lambda rejected: ("settle", rejected)),
    ),
    max_size=60,
)


@given(st.integers(0, 8000), steps)
def test_every_span_is_accounted_for(bytes_max: int, steps: list[tuple[str, int]]) -> None:
    """Each is acked, dropped or buffered, order is kept, and memory stays within the bound."""
    buffer = Buffer(bytes_max, silent)
    offered = 0
    taken: list[list[bytes]] = []
    seen: list[bytes] = []
    for step, number in steps:
        if step == "offer":
            buffer.offer(offered.to_bytes(4, "big") + bytes(number))
            offered += 1
        elif step == "take":
            taken.append(buffer.take())
            seen += taken[-1]
        elif taken:
            buffer.settle(taken.pop(0), number)
        recorded, acked, dropped, buffered = buffer.counts
        assert recorded == offered == acked + dropped + buffered
        assert buffer._bytes <= max(0, bytes_max)
    buffer.close()
    buffer.offer(b"late")
    recorded, acked, dropped, buffered = buffer.counts
    assert (recorded, buffered) == (offered + 1, 0)
    assert recorded == acked + dropped
    assert seen == sorted(seen, key=lambda span: span[:4])


def test_batches_are_bounded_and_a_giant_travels_alone() -> None:
    """A batch is closed before it grows over either limit."""
    buffer = Buffer(10**9, silent)
    sizes = [1] * (BATCH_SPANS_MAX + 1) + [BATCH_BYTES_MAX // 2] * 3 + [2 * BATCH_BYTES_MAX, 5]
    for size in sizes:
        buffer.offer(bytes(size))

    batches = []
    while batch := buffer.take():
        batches.append([len(span) for span in batch])

    half = BATCH_BYTES_MAX // 2
    assert batches == [
        [1] * BATCH_SPANS_MAX, [1, half], [half, half], [2 * BATCH_BYTES_MAX], [5],
    ]  # fmt: skip


def test_what_does_not_fit_is_dropped_and_counted() -> None:
    """The newest goes, and room comes back only when a batch is settled, not when it is taken."""
    buffer = Buffer(3 * (10 + SPAN_OVERHEAD_BYTES), silent)
    for _ in range(5):
        buffer.offer(bytes(10))
    batch = buffer.take()
    buffer.offer(bytes(10))

    assert buffer.counts == (6, 0, 3, 3)
    buffer.settle(batch, 1)
    buffer.offer(bytes(10))
    assert buffer.counts == (7, 2, 4, 1)


def test_the_sender_is_woken_once_for_many_spans() -> None:
    """Only the first span after the sender found nothing rings."""
    rings: list[int] = []
    buffer = Buffer(10**6, lambda: rings.append(1))
    for _ in range(3):
        buffer.offer(b"span")
    buffer.settle(buffer.take(), 0)
    buffer.offer(b"span")
    buffer.settle(buffer.take(), 0)
    assert rings == [1]

    assert buffer.take() == []
    buffer.offer(b"span")
    assert rings == [1, 1]


def test_a_span_that_ends_while_another_is_offered_is_taken() -> None:
    """A signal handler or finalizer may end a span in the middle of an offer on its own thread."""
    buffer = Buffer(10**6, silent)
    with buffer._lock:
        buffer.offer(b"inner")

    assert buffer.take() == [b"inner"]


def test_threads_that_offer_at_once_lose_nothing() -> None:
    """Each span is counted and taken once, in the order of its thread, and the bound recovers."""
    buffer = Buffer(10**9, silent)
    threads = [
        threading.Thread(
            target=lambda own=own: [buffer.offer(bytes((own,)) * 8) for _ in range(2000)]
        )
        for own in range(6)
    ]
    for thread in threads:
        thread.start()
    taken = []
    while any(thread.is_alive() for thread in threads) or buffer.counts[3]:
        batch = buffer.take()
        taken += batch
        buffer.settle(batch, 0)

    assert buffer.counts == (12_000, 12_000, 0, 0)
    assert sorted(taken) == sorted(bytes((own,)) * 8 for own in range(6) for _ in range(2000))
    assert buffer._bytes == 0


def test_waiting_ends_when_all_is_settled() -> None:
    """What is offered after the call is not waited for; a loss meanwhile is told."""
    buffer = Buffer(10**6, silent)
    buffer.offer(b"a")
    results: list[bool] = []
    waiter = threading.Thread(target=lambda: results.append(buffer.wait(lambda: True, 30)))
    waiter.start()
    buffer.settle(buffer.take(), 0)
    waiter.join()

    assert results == [True]
    assert not buffer.wait(lambda: False, 0)
    buffer.offer(b"b")
    assert not buffer.wait(lambda: True, 0)


def test_an_abandoned_buffer_takes_nothing_and_no_lock() -> None:
    """A child of a fork must not wait for a lock whose owner it does not have."""
    buffer = Buffer(10**6, silent)
    holder = threading.Thread(target=buffer._lock.acquire)
    holder.start()
    holder.join()

    buffer.abandon()
    buffer.offer(b"span")

    assert not buffer._spans
