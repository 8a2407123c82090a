"""Rotated files: no line is lost, split or written twice, wherever a crash came."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidespand.model import Delivered, Gap, Record
from sidespand.sinks.jsonl import JsonlSink
from sidespand.sinks.line_formats import SPANS
from sidespand.sinks.rotation import NEVER, Rotation, rotated
from tests.journals import LINEAGE, NODE_REF, content, records, run
from tests.otlp import encoded

NS_PER_S = 10**9


def node_ref(_lineage: bytes, _generation: int) -> str:
    """Name the node."""
    return NODE_REF


def deliver(path: Path, batches: Sequence[Sequence[Record]], when: Rotation) -> None:
    """Deliver batches through a sink of its own."""

    async def test() -> None:
        sink = JsonlSink(path, node_ref, SPANS, when)
        for batch in batches:
            assert await sink.deliver(batch) == Delivered()
        await sink.close()

    run(test())


def lsns(path: Path) -> list[int]:
    """Return the LSN of every line, oldest file first."""
    paths = [*rotated(path), *([path] if path.exists() else [])]
    lines = [line for one in paths for line in one.read_text(encoding="ascii").splitlines()]
    return [int(json.loads(line)["stamp"]["lsn"]) for line in lines]


@pytest.mark.slow
@settings(max_examples=30)
@given(
    st.integers(1, 6000),
    st.lists(st.integers(1, 4), min_size=1, max_size=6),
    st.integers(0, 5),
)
def test_every_line_is_somewhere_once(
    tmp_path_factory: pytest.TempPathFactory, bytes_max: int, counts: list[int], again: int
) -> None:
    """Files hold whole lines in log order, none larger than it may be unless one line is."""
    path = tmp_path_factory.mktemp("r") / "spans.jsonl"
    found = records([content(encoded(count)) for count in counts])
    deliver(path, [[one] for one in found], Rotation(bytes_max))
    deliver(path, [found[-again:] if again else found], Rotation(bytes_max))
    assert lsns(path) == list(range(1, sum(counts) + 1))
    for one in rotated(path):
        body = one.read_bytes()
        assert body.endswith(b"\n")
        assert len(body) <= bytes_max or body.count(b"\n") == 1


def test_names_say_how_far_a_file_has_come(tmp_path: Path) -> None:
    """Stamp, lineage, first and last LSN make the name; it is found again."""
    path = tmp_path / "spans.jsonl"
    first, second = records([content(encoded(2)), content(encoded())])
    deliver(path, [[first], [second]], Rotation(bytes_max=1500))
    seconds = first.header.stamp.wall_ns // NS_PER_S
    (old,) = rotated(path)
    assert old.name == f"spans.{seconds}-{LINEAGE.hex()}-{1:020d}-{2:020d}.jsonl"
    assert old.stat().st_mode & 0o777 == 0o600


def test_a_crash_between_two_files_repeats_nothing(tmp_path: Path) -> None:
    """With the file just renamed and no new one yet, its name says where to go on."""
    path = tmp_path / "spans.jsonl"
    first, second = records([content(encoded(2)), content(encoded(2))])
    deliver(path, [[first], [second]], Rotation(bytes_max=2000))
    path.unlink()
    deliver(path, [[first, second]], Rotation(bytes_max=2000))
    assert lsns(path) == [1, 2, 3, 4]


def aged(record: Record, seconds: float) -> Record:
    """Return a record that was stamped later."""
    stamp = record.header.stamp
    later = stamp._replace(wall_ns=stamp.wall_ns + int(seconds * NS_PER_S))
    return replace(record, header=replace(record.header, stamp=later))


@pytest.mark.parametrize(("seconds", "files"), [(59.9, 0), (60.0, 1)])
def test_a_file_covers_a_stretch_of_time(tmp_path: Path, seconds: float, files: int) -> None:
    """The age is that of the log, not of the disk: a restart does not change it."""
    path = tmp_path / "spans.jsonl"
    first, second = records([content(encoded(2)), content(encoded(2))])
    when = Rotation(age_s=60.0)
    deliver(path, [[first]], when)
    deliver(path, [[aged(second, seconds)]], when)
    assert len(rotated(path)) == files
    assert lsns(path) == [1, 2, 3, 4]


def test_the_oldest_files_go(tmp_path: Path) -> None:
    """As many as asked for are kept beside the one that is written; strangers stay."""
    path = tmp_path / "spans.jsonl"
    strangers = [tmp_path / "spans.1.jsonl", tmp_path / "spans.jsonl.gz"]
    for stranger in strangers:
        stranger.write_bytes(b"x")
    found = records([content(encoded()) for _ in range(6)])
    deliver(path, [[one] for one in found], Rotation(bytes_max=10, files_max=2))
    assert lsns(path) == [4, 5, 6]
    assert all(stranger.exists() for stranger in strangers)


def test_a_redaction_reaches_rotated_files(tmp_path: Path) -> None:
    """Erased spans are in none of the files, and do not come back; the others stay."""
    path = tmp_path / "spans.jsonl"
    found = records([content(encoded(2)) for _ in range(4)])
    when = Rotation(bytes_max=2000)

    async def test() -> None:
        sink = JsonlSink(path, node_ref, SPANS, when)
        for one in found[:3]:
            await sink.deliver([one])
        await sink.erase([Gap(1, LINEAGE, 1, 3, "redacted"), Gap(1, LINEAGE, 6, 6, "redacted")])
        assert lsns(path) == [4, 5]
        await sink.deliver([found[3]])
        await sink.close()

    run(test())
    assert lsns(path) == [4, 5, 7, 8]
    assert len(rotated(path)) >= 2


def test_without_rotation_there_is_one_file(tmp_path: Path) -> None:
    """By default nothing is renamed."""
    path = tmp_path / "spans.jsonl"
    deliver(path, [[one] for one in records([content(encoded(9)) for _ in range(3)])], NEVER)
    assert [one.name for one in tmp_path.iterdir()] == ["spans.jsonl"]
