"""What was redacted leaves a sink's own files: when asked to, and when the log tells of it."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from sidespand import redaction
from sidespand.journal.stamper import control
from sidespand.model import Content, Delivered, Delivery, Gap, Kind, Position, Record
from sidespand.ports import Erasable
from sidespand.redaction import Target
from sidespand.sinks import jsonl
from sidespand.sinks.batches import batches
from sidespand.sinks.carrier import Carrier
from sidespand.sinks.cursor import CursorFile
from sidespand.sinks.erasing import Ranges, without_lines
from sidespand.sinks.jsonl import JsonlSink
from tests.fakes import ListLog
from tests.journals import LINEAGE, content, eventually, records, run
from tests.otlp import encoded

PREFIX = b'{"trace_id":"'


def gone(first: int, last: int, lineage: bytes = LINEAGE) -> Gap:
    """Return redacted records."""
    return Gap(1, lineage, first, last, redaction.REASON)


def redact(first: int, last: int) -> Content:
    """Return the content of a REDACT record."""
    return control(
        Kind.REDACT, redaction.body("ann", "asked to", [Target(1, LINEAGE, first, last)])
    )


def lsns_of(path: Path) -> list[int]:
    """Return the LSN of every line."""
    return [int(json.loads(line)["stamp"]["lsn"]) for line in path.read_text().splitlines()]


def node_ref(_lineage: bytes, _generation: int) -> str:
    """Name the node."""
    return "node://test"


@pytest.mark.parametrize(
    ("lsn", "held"), [(1, False), (2, True), (3, True), (4, False), (9, True), (10, False)]
)
def test_ranges_are_inclusive(lsn: int, *, held: bool) -> None:
    """Both ends belong to a range, in any order of ranges."""
    ranges = Ranges([gone(9, 9), gone(2, 3)])
    assert ranges.hold(LINEAGE.hex(), lsn) is held
    assert not ranges.hold("00" * 8, lsn)


def test_lines_go_and_others_stay_as_they_are(tmp_path: Path) -> None:
    """The file keeps its mode, the order and every byte of the other lines."""
    path = tmp_path / "lines"
    lines = [PREFIX + b"%d\n" % number for number in range(5)]
    path.write_bytes(b"".join(lines))
    path.chmod(0o600)

    assert without_lines(path, PREFIX, lambda line: line in (lines[1], lines[4])) == 2

    assert path.read_bytes() == lines[0] + lines[2] + lines[3]
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["lines"]


def test_a_file_without_such_lines_is_left_alone(tmp_path: Path) -> None:
    """Nothing is replaced for nothing, and a missing file holds nothing."""
    path = tmp_path / "lines"
    path.write_bytes(PREFIX + b"1\n")
    inode = path.stat().st_ino

    assert without_lines(path, PREFIX, lambda _: False) == 0
    assert path.stat().st_ino == inode
    assert without_lines(tmp_path / "missing", PREFIX, lambda _: True) == 0


def test_a_jsonl_sink_goes_on_after_it_erased(tmp_path: Path) -> None:
    """Erased spans are in no file, and do not come back; later ones are appended."""

    async def test() -> None:
        path = tmp_path / "spans.jsonl"
        sink = JsonlSink(path, node_ref)
        assert isinstance(sink, Erasable)
        found = records([content(encoded(2)), content(encoded(3)), content(encoded(1))])
        await sink.deliver(found[:2])
        await sink.erase([gone(3, 5)])
        await sink.erase([gone(3, 5)])
        await sink.deliver(found[2:])
        await sink.close()

    run(test())
    assert lsns_of(tmp_path / "spans.jsonl") == [1, 2, 6]
    assert [one.name for one in tmp_path.iterdir()] == ["spans.jsonl"]


def test_a_jsonl_sink_erases_between_two_writes_of_a_delivery(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A delivery that goes on meanwhile loses nothing and writes nothing twice."""
    monkeypatch.setattr(jsonl, "LINES_BYTES_MAX", 600)

    async def test() -> None:
        sink = JsonlSink(tmp_path / "spans.jsonl", node_ref)
        found = records([content(encoded(2)), content(encoded(150)), content(encoded(1))])
        await sink.deliver(found[:1])
        delivering = asyncio.ensure_future(sink.deliver(found[1:]))
        while not delivering.done():
            await sink.erase([gone(1, 2)])
        assert await delivering == Delivered()
        await sink.close()

    run(test())
    assert lsns_of(tmp_path / "spans.jsonl") == list(range(3, 154))


def test_a_batch_ends_where_the_log_tells_of_a_redaction() -> None:
    """What is delivered before it and what it erases come together, before what follows."""
    entries = records([content(encoded(2)), redact(1, 2), content(encoded(1))])

    first, second = batches(entries, frozenset({Kind.SPANS}))

    assert [one.header.first_lsn for one in first.records] == [1]
    assert first.erased == (gone(1, 2),)
    assert first.position == entries[1].position
    assert [one.header.first_lsn for one in second.records] == [4]
    assert second.erased == ()


def test_a_redact_record_that_says_nothing_is_passed_over() -> None:
    """A body of another shape erases nothing and stops nothing."""
    entries = records([control(Kind.REDACT, {"records": 7}), content(encoded(1))])
    (only,) = batches(entries, frozenset({Kind.SPANS}))
    assert only.erased == ()


class KeepingSink:
    """A sink that keeps what it takes, and fails to erase as often as it is told."""

    kinds = frozenset({Kind.SPANS})

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.kept: list[int] = []
        self.erased: list[Sequence[Gap]] = []

    async def deliver(self, found: Sequence[Record]) -> Delivery:
        """Take everything."""
        self.kept += [one.header.first_lsn for one in found]
        return Delivered()

    async def erase(self, ranges: Sequence[Gap]) -> None:
        """Forget, or fail."""
        if self.failures:
            self.failures -= 1
            raise OSError("the disk is away")
        self.erased.append(ranges)

    async def close(self) -> None:
        """Do nothing."""


async def carried(sink: KeepingSink, log: ListLog, place: Path) -> Carrier:
    """Return the carrier of a sink that has caught up, and was stopped."""
    carrier = Carrier(
        "kept", sink, log, CursorFile(place), uniform=lambda low, _high: low, coalesce_s=0.0
    )
    task = asyncio.ensure_future(carrier.run())
    tail = log.tail()
    assert tail is not None
    carrier.advance(tail)
    await eventually(lambda: carrier.lag_items == 0, "the sink to catch up")
    carrier.stop()
    await task
    await carrier.close()
    return carrier


@pytest.mark.parametrize("failures", [0, 2])
def test_a_sink_erases_when_its_log_tells_it_to(tmp_path: Path, failures: int) -> None:
    """The cursor passes a REDACT record only behind an erasure that was done."""

    async def test() -> None:
        found = records([content(encoded(2)), redact(1, 2), content(encoded(1))])
        sink = KeepingSink(failures)
        carrier = await carried(sink, ListLog(found), tmp_path / "cursor.json")
        assert sink.erased == [(gone(1, 2),)]
        assert sink.kept == [1, 4]
        assert carrier.saved == found[-1].position
        assert carrier.figures.retries == failures

    run(test())


def test_a_sink_may_have_what_was_read_for_it(tmp_path: Path) -> None:
    """What is under way counts as passed: the sink may hold a copy."""

    async def test() -> None:
        found = records([content(encoded(2)), content(encoded(1))])
        carrier = await carried(KeepingSink(), ListLog(found), tmp_path / "cursor.json")
        assert carrier.reached == Position(1, LINEAGE, 3)
        assert carrier.keeps_files

    run(test())
