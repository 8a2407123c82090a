"""The debug tap: copies what sinks are handed, and disturbs nobody."""

import asyncio
import json
import logging
from base64 import b64decode
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from sidespand.config import Capture
from sidespand.model import Gap, Record, Rejected, Retry
from sidespand.sinks import tap as module
from sidespand.sinks.carrier import Carrier
from sidespand.sinks.cursor import CursorFile
from sidespand.sinks.tap import Tap
from tests.fakes import ListLog, ScriptedSink
from tests.journals import LINEAGE, content, eventually, records, run
from tests.otlp import encoded
from tests.unit.sinks.policies import policy, request_of


def lines(path: Path) -> list[dict[str, Any]]:
    """Return what is in a tap's file."""
    found = [json.loads(line) for line in path.read_text(encoding="ascii").splitlines()]
    assert all(line["tap"] == "sidespan.tap.v1" for line in found)
    return found


def some(count: int = 2) -> list[Record]:
    """Return records of spans."""
    return records([content(encoded(2)) for _ in range(count)])


async def settled(tap: Tap) -> None:
    """Wait until nothing is under way."""
    await eventually(lambda: tap._waiting_bytes == 0, "the tap's disk")


async def exported(
    place: Path, entries: Sequence[Record], sink: ScriptedSink, tap: Tap | None
) -> list[Record]:
    """Return what a sink was handed of records by a carrier that redacts."""
    carrier = Carrier(
        "collector",
        sink,
        ListLog(entries),
        CursorFile(place / "cursor.json"),
        uniform=lambda _low, _high: 0.0,
        coalesce_s=0.0,
        policy=policy(Capture.REDACTED),
        tap=tap,
    )
    task = asyncio.create_task(carrier.run())
    carrier.advance(entries[-1].position)
    await eventually(lambda: carrier.lag_items == 0, "all records")
    carrier.stop()
    await task
    await carrier.close()
    return [record for attempt in sink.attempts for record in attempt]


def test_it_copies_what_a_sink_was_handed(tmp_path: Path) -> None:
    """After the policy, once for each record that was taken or refused; not for a failed try."""

    async def test() -> None:
        said = records([content(request_of({"prompt": "said", "a": 1}).SerializeToString())] * 2)
        tap = Tap(tmp_path / "tap.jsonl")
        sink = ScriptedSink(Retry("not yet"), Rejected(1, "never"))
        handed = await exported(tmp_path, said, sink, tap)
        await tap.close()
        found = lines(tmp_path / "tap.jsonl")
        assert [b64decode(line["payload"]) for line in found] == [one.payload for one in handed[2:]]
        assert b"said" not in b"".join(b64decode(line["payload"]) for line in found)
        assert [(line["sink"], line["kind"], line["lineage"]) for line in found] == [
            ("collector", "spans", LINEAGE.hex())
        ] * 2
        assert [(line["first_lsn"], line["last_lsn"]) for line in found] == [("1", "1"), ("2", "2")]
        assert (tmp_path / "tap.jsonl").stat().st_mode & 0o777 == 0o600

    run(test())


def test_exported_bytes_are_the_same_with_without_and_with_a_failing_tap(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """And its failure is recorded as failed_non_mutating, once."""

    async def test() -> None:
        entries = [*some(3), *records([content(encoded(1))], next_lsn=7)]
        (tmp_path / "directory").mkdir()
        broken, sound = Tap(tmp_path / "directory"), Tap(tmp_path / "tap.jsonl")
        found = []
        for number, tap in enumerate((None, sound, broken)):
            place = tmp_path / str(number)
            place.mkdir()
            with caplog.at_level(logging.WARNING):
                handed = await exported(place, entries, ScriptedSink(), tap)
            found.append([one.payload for one in handed])
            if tap is not None:
                await tap.close()
        assert found[0] == found[1] == found[2]
        assert len(found[0]) == 4
        assert sound.missed_records.total() == 0
        assert broken.missed_records == {"collector": 4}
        told = [one.message for one in caplog.records if "debug_tap_result" in one.message]
        assert len(told) == 1
        assert "debug_tap_result failed_non_mutating" in told[0]

    run(test())


def test_the_file_tells_what_it_missed(tmp_path: Path) -> None:
    """In front of the next copy, in the seed's words."""

    async def test() -> None:
        path = tmp_path / "tap.jsonl"
        path.mkdir()
        tap = Tap(path)
        tap.offer("a", some(2))
        await settled(tap)
        tap.offer("b", some(1))
        await settled(tap)
        path.rmdir()
        tap.offer("a", some(1))
        await tap.close()
        told, copy = lines(path)
        assert told == {
            "tap": "sidespan.tap.v1",
            "debug_tap_result": "failed_non_mutating",
            "debug_sidecar_mutated_state?": False,
            "missed_records": 3,
        }
        assert copy["sink"] == "a"
        assert tap.missed_records == {"a": 2, "b": 1}

    run(test())


def test_what_waits_for_its_disk_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is over it is missed at once."""

    async def test() -> None:
        one, two = some(2)
        size = len(one.payload or b"") + len(two.payload or b"")
        monkeypatch.setattr(module, "TAP_WAITING_BYTES_MAX", size)
        tap = Tap(tmp_path / "tap.jsonl")
        tap.offer("a", [one, two])
        tap.offer("a", [one])
        assert tap.missed_records == {"a": 1}
        await settled(tap)
        tap.offer("a", [one])
        await tap.close()
        assert tap.missed_records == {"a": 1}
        assert len(lines(tmp_path / "tap.jsonl")) == 4

    run(test())


def test_its_file_has_a_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full one gets nothing more until it is removed; then another one is begun."""

    async def test() -> None:
        path = tmp_path / "tap.jsonl"
        tap = Tap(path)
        tap.offer("a", some(1))
        await settled(tap)
        size = path.stat().st_size
        monkeypatch.setattr(module, "TAP_FILE_BYTES_MAX", size)
        tap.offer("a", some(1))
        await settled(tap)
        assert (path.stat().st_size, tap.missed_records["a"]) == (size, 1)
        path.unlink()
        monkeypatch.setattr(module, "TAP_FILE_BYTES_MAX", 3 * size)
        tap.offer("a", some(1))
        await tap.close()
        assert [line.get("missed_records") for line in lines(path)] == [1, None]

    run(test())


def test_what_is_redacted_is_erased_from_it(tmp_path: Path) -> None:
    """Its lines go, the others stay, and copying goes on."""

    async def test() -> None:
        path = tmp_path / "tap.jsonl"
        tap = Tap(path)
        tap.offer("a", some(3))
        gone = [Gap(1, LINEAGE, 3, 4, "redacted")]
        await tap.erase(gone)
        await tap.erase(gone)
        assert [line["first_lsn"] for line in lines(path)] == ["1", "5"]
        tap.offer("a", records([content(encoded(1))], next_lsn=7))
        await tap.close()
        assert [line["first_lsn"] for line in lines(path)] == ["1", "5", "7"]

    run(test())


def test_a_carrier_has_the_tap_erased(tmp_path: Path) -> None:
    """Also for a sink that keeps no files of its own."""

    async def test() -> None:
        path = tmp_path / "tap.jsonl"
        tap = Tap(path)
        tap.offer("a", some(1))
        cursor = CursorFile(tmp_path / "cursor.json")
        carrier = Carrier("a", ScriptedSink(), ListLog([]), cursor, uniform=max, tap=tap)
        await carrier.erase([Gap(1, LINEAGE, 1, 2, "redacted")])
        assert path.read_bytes() == b""
        await carrier.close()
        await tap.close()

    run(test())


def test_a_line_of_somebody_else_stops_an_erasure(tmp_path: Path) -> None:
    """Whether the record is in it cannot be told, so nothing says that it is gone."""

    async def test() -> None:
        path = tmp_path / "tap.jsonl"
        path.write_text('{"tap":"sidespan.tap.v1", broken\n')
        tap = Tap(path)
        with pytest.raises(OSError, match="none of the tap's"):
            await tap.erase([Gap(1, LINEAGE, 1, 2, "redacted")])
        await tap.close()

    run(test())


def test_after_its_end_it_is_offered_in_vain(tmp_path: Path) -> None:
    """No sink notices."""

    async def test() -> None:
        tap = Tap(tmp_path / "tap.jsonl")
        await tap.close()
        await tap.close()
        tap.offer("a", some(1))
        assert tap.missed_records == {"a": 1}

    run(test())
