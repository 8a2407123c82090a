"""A carrier and its sink's policy: what is withheld is passed and counted, what fails stays."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sidespand.config import Capture, SinkConfig
from sidespand.governed import declare
from sidespand.limits import DELIVERY_BYTES_MAX
from sidespand.model import Record, Rejected
from sidespand.sinks import registry
from sidespand.sinks.batches import cut
from sidespand.sinks.carrier import Carrier
from sidespand.sinks.cursor import CursorFile
from sidespand.sinks.policy import Policy
from tests.fakes import ListLog, ScriptedSink
from tests.journals import content, eventually, lsns, records, run
from tests.otlp import encoded, export_request
from tests.unit.sinks.policies import SINK, policy, request_of


@asynccontextmanager
async def carrying(
    entries: Sequence[Record], sink: ScriptedSink, place: Path, by: Policy
) -> AsyncIterator[Carrier]:
    """Yield a carrier that runs; it is stopped and closed afterwards."""
    carrier = Carrier(
        SINK,
        sink,
        ListLog(entries),
        CursorFile(place / "cursor.json"),
        uniform=lambda _low, _high: 0.0,
        coalesce_s=0.0,
        policy=by,
    )
    task = asyncio.create_task(carrier.run())
    carrier.advance(entries[-1].position)
    try:
        yield carrier
        carrier.stop()
        await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await carrier.close()


def test_off_delivers_nothing_and_goes_on(tmp_path: Path) -> None:
    """The cursor moves, and the items are counted."""

    async def test() -> None:
        entries = records([content(encoded(3)), content(encoded(2))])
        sink = ScriptedSink()
        async with carrying(entries, sink, tmp_path, policy(Capture.OFF)) as carrier:
            await eventually(lambda: carrier.saved == entries[-1].position, "the cursor")
        assert sink.attempts == []
        assert carrier.figures.withheld_items == 5
        assert carrier.figures.delivered_items == 0

    run(test())


def test_a_stream_without_governed_records_tells_what_came_before(tmp_path: Path) -> None:
    """What names another sink is passed over; the next record knows the item before the gap."""

    async def test() -> None:
        elsewhere = export_request(2)
        declare(elsewhere.resource_spans[0].resource, frozenset({"archive"}))
        entries = records(
            [content(encoded(1)), content(elsewhere.SerializeToString()), content(encoded(1))]
        )
        sink = ScriptedSink()
        async with carrying(entries, sink, tmp_path, policy(Capture.FULL)) as carrier:
            await eventually(lambda: carrier.lag_items == 0, "all records")
        assert lsns(sink.taken) == [1, 4]
        assert [record.prev_lsn for record in sink.taken] == [None, 1]
        assert carrier.figures.withheld_items == 2
        assert carrier.figures.delivered_items == 2

    run(test())


def test_a_policy_that_fails_lets_nothing_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sink waits, and gets it once it can be judged."""

    async def test() -> None:
        entries = records([content(request_of({"prompt": "said"}).SerializeToString())])
        sink = ScriptedSink()
        judge = policy()
        apply = judge.apply

        def broken(_record: Record) -> None:
            raise RuntimeError("broken")

        monkeypatch.setattr(judge, "apply", broken)
        async with carrying(entries, sink, tmp_path, judge) as carrier:
            await eventually(lambda: carrier.figures.retries > 1, "failures")
            assert sink.attempts == []
            assert carrier.saved is None
            monkeypatch.setattr(judge, "apply", apply)
            await eventually(lambda: carrier.lag_items == 0, "the record")
        assert b"said" not in b"".join(record.payload or b"" for record in sink.taken)
        assert carrier.figures.changed_values == 1

    run(test())


@pytest.mark.slow
def test_what_grew_is_delivered_in_parts(tmp_path: Path) -> None:
    """Refs do not make a delivery larger than collectors take, and no record is lost."""

    async def test() -> None:
        blocked = request_of({f"prompt_text.{number}": "x" for number in range(40)})
        span = blocked.resource_spans[0].scope_spans[0].spans.pop()
        blocked.resource_spans[0].scope_spans[0].spans.extend([span] * 60)
        entries = records([content(blocked.SerializeToString())] * 24)
        assert sum(len(one.payload or b"") for one in entries) < DELIVERY_BYTES_MAX
        sink = ScriptedSink()
        async with carrying(entries, sink, tmp_path, policy()) as carrier:
            await eventually(lambda: carrier.lag_items == 0, "all records")
        sizes = [sum(len(one.payload or b"") for one in attempt) for attempt in sink.attempts]
        assert len(sizes) > 1
        assert max(sizes) <= DELIVERY_BYTES_MAX
        assert lsns(sink.taken) == lsns(entries)

    run(test())


def test_a_part_is_full_at_its_limit() -> None:
    """A larger record goes alone; nothing makes no part."""
    small, large = records([content(encoded(1)), content(encoded(20_000))])
    assert list(cut([])) == []
    assert list(cut([small, small])) == [[small, small]]
    assert list(cut([small, large, small])) == [[small], [large], [small]]


def test_what_is_replayed_meets_the_policy_of_today(tmp_path: Path) -> None:
    """What was refused under a laxer one does not leave by that door."""

    async def test() -> None:
        (record,) = records([content(request_of({"prompt": "said"}).SerializeToString())])
        for capture, attempts in ((Capture.REDACTED, 1), (Capture.OFF, 0)):
            sink = ScriptedSink()
            cursor = CursorFile(tmp_path / "cursor.json")
            carrier = Carrier(SINK, sink, ListLog([]), cursor, uniform=max, policy=policy(capture))
            outcome = await carrier.replay(record)
            assert len(sink.attempts) == attempts
            assert isinstance(outcome, Rejected) == (attempts == 0)
            assert all(b"said" not in (one.payload or b"") for one in sink.taken)
            await carrier.close()

    run(test())


@pytest.mark.parametrize(
    ("kind", "options", "expected"),
    [
        ("jsonl", {}, Capture.FULL),
        ("jsonl", {"path": "/srv/spans.jsonl"}, Capture.REDACTED),
        ("otlp", {"endpoint": "http://127.0.0.1:4317"}, Capture.REDACTED),
    ],
)
def test_what_leaves_data_dir_is_redacted_unless_told_otherwise(
    kind: str, options: dict[str, str], expected: Capture
) -> None:
    """Each sink's own word holds over that."""
    (plan,) = registry.parse([SinkConfig("x", kind, options)])
    assert plan.capture is expected
    for capture in Capture:
        (plan,) = registry.parse([SinkConfig("x", kind, options, capture=capture)])
        assert plan.capture is capture


def test_every_other_type_of_sink_leaves_the_node() -> None:
    """Whoever adds one has to say so if it does not."""
    others = [one for name, one in registry.TYPES.items() if name != "jsonl"]
    assert others
    assert not any(one.stays({}) for one in others)
