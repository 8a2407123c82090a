"""Traces in AITrace's files: when they are written, once each, and how they are taken out."""

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from sidespand.model import Delivered, Gap, Retry
from sidespand.sinks.aitrace_pending import Waits
from tests.journals import LINEAGE, eventually, records
from tests.unit.sinks.aitracing import (
    CHILD,
    ROOT,
    Bench,
    benched,
    contents,
    delivering,
    request,
)


def test_a_trace_waits_for_its_root_and_for_quiet(tmp_path: Path) -> None:
    """Children alone wait for ``idle``; with the root, ``quiet`` after the newest span decides."""

    async def test(bench: Bench) -> None:
        child, root, late = records(contents(request(CHILD), request(ROOT), request(b"latelate")))
        await bench.sink.deliver([child])
        await bench.passed(59)
        assert not bench.pairs()
        await bench.sink.deliver([root])
        await bench.passed(1)
        await bench.sink.deliver([late])
        await bench.passed(1)
        assert not bench.pairs()
        await bench.passed(1)
        ((trace, _, _),) = bench.pairs()
        assert [span["sidespan"]["lsn"] for span in trace["spans"]] == ["1", "2", "3"]

    benched(tmp_path, test)


def test_a_trace_without_a_root_is_written_when_idle(tmp_path: Path) -> None:
    """A root that never comes holds nothing back for good."""
    bench = benched(tmp_path, delivering(records(contents(request(CHILD))), seconds=60))
    assert len(bench.pairs()) == 1


def test_late_spans_make_a_file_of_all(tmp_path: Path) -> None:
    """A file that is there is not changed; a second one has the whole trace."""

    async def test(bench: Bench) -> None:
        first, second = records(contents(request(ROOT), request(CHILD)))
        await bench.sink.deliver([first])
        await bench.passed(2)
        ((_, _, path),) = bench.pairs()
        before = path.read_bytes()
        await bench.passed(599)
        await bench.sink.deliver([second])
        await bench.passed(2)
        assert path.read_bytes() == before
        assert [len(trace["spans"]) for trace, _, _ in bench.pairs()] == [1, 2]

    benched(tmp_path, test)


def test_a_trace_is_forgotten_after_a_while(tmp_path: Path) -> None:
    """Disk and memory do not grow with what was written; what comes then stands alone."""

    async def test(bench: Bench) -> None:
        first, second = records(contents(request(ROOT), request(CHILD)))
        await bench.sink.deliver([first])
        await bench.passed(2)
        await bench.passed(600)
        await bench.sink.deliver([second])
        await bench.passed(60)
        spans = [
            [one["sidespan"]["lsn"] for one in trace["spans"]] for trace, _, _ in bench.pairs()
        ]
        assert sorted(spans) == [["1"], ["2"]]

    benched(tmp_path, test)


def test_a_long_trace_has_several_files(tmp_path: Path) -> None:
    """At its largest size a file is written at once, and what follows goes into the next."""
    many = records(contents(*(request(bytes([number]) * 8) for number in range(1, 6))))
    bench = benched(tmp_path, delivering(many[:2], many[2:], seconds=60), spans_max=2)
    spans = sorted(len(trace["spans"]) for trace, _, _ in bench.pairs())
    assert sum(spans) == 5
    assert max(spans) <= 3


def test_a_restart_loses_and_repeats_nothing(tmp_path: Path) -> None:
    """What waited is written in the next life, once, however often it is delivered."""
    batch = records(contents(request(ROOT), request(CHILD)))
    assert not benched(tmp_path, delivering(batch, seconds=0)).pairs()

    bench = benched(tmp_path, delivering(batch))
    ((trace, _, path),) = bench.pairs()
    assert len(trace["spans"]) == 2
    before = path.read_bytes()

    # Even when the database is lost: the name says what is in the file.
    (tmp_path / "pending.sqlite3").unlink()
    bench = benched(tmp_path, delivering(batch))
    assert [path.read_bytes() for _, _, path in bench.pairs()] == [before]


def test_a_pair_that_a_crash_cut_is_completed(tmp_path: Path) -> None:
    """A file without its receipt, or half a file, is written again."""
    batch = records(contents(request(ROOT)))
    bench = benched(tmp_path, delivering(batch))
    ((_, _, path),) = bench.pairs()
    path.with_name(path.name.removesuffix(".json") + ".evidence.json").unlink()
    (tmp_path / "traces" / f".{path.name}.tmp").write_bytes(b"{")
    (tmp_path / "pending.sqlite3").unlink()

    bench = benched(tmp_path, delivering(batch))

    ((_, receipt, path),) = bench.pairs()
    assert receipt["trace_artifact_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert len(list(bench.directory.iterdir())) == 2


def test_what_waits_is_written_without_a_further_delivery(tmp_path: Path) -> None:
    """The sink watches the clock itself."""

    async def test(bench: Bench) -> None:
        await bench.sink.deliver(records(contents(request(ROOT))))
        await eventually(lambda: len(bench.pairs()) == 1, "the file")

    benched(tmp_path, test, waits=Waits(quiet=0.0, idle=0.0, late=0.0))


def test_a_disk_that_fails_is_told_and_tried_again(tmp_path: Path) -> None:
    """While the directory cannot be written the sink says Retry; afterwards all is there."""

    async def test(bench: Bench) -> None:
        batch = records(contents(request(ROOT)))
        outcome = await bench.sink.deliver(batch)
        assert isinstance(outcome, Retry)
        assert str(bench.directory) in outcome.reason
        bench.directory.unlink()
        assert await bench.sink.deliver(batch) == Delivered()
        await bench.passed(2)
        assert len(bench.pairs()) == 1

    (tmp_path / "traces").write_bytes(b"")
    benched(tmp_path, test)


def gone(first: int, last: int) -> Gap:
    """Return redacted records."""
    return Gap(1, LINEAGE, first, last, "redacted")


def bytes_below(place: Path) -> bytes:
    """Return all that is in the files below a directory."""
    return b"".join(path.read_bytes() for path in place.rglob("*") if path.is_file())


def test_what_is_redacted_is_in_no_file(tmp_path: Path) -> None:
    """Files, receipts and the database lose the spans; what is left is whole and verifiable."""
    secret = "s3cret" * 20
    hiding = request(CHILD)
    span = hiding.resource_spans[0].scope_spans[0].spans[0]
    span.attributes.add(key="a").value.string_value = secret
    hiding.resource_spans[0].resource.attributes.add(key="b").value.string_value = secret
    alone = request(ROOT, trace_id=bytes(15) + b"\1")
    alone.resource_spans[0].scope_spans[0].spans[0].name = secret
    waiting = request(CHILD, trace_id=bytes(15) + b"\2")
    waiting.resource_spans[0].scope_spans[0].spans[0].name = secret

    async def test(bench: Bench) -> None:
        batch = records(contents(hiding, request(ROOT), alone, waiting))
        await bench.sink.deliver(batch)
        await bench.passed(2)
        assert secret.encode() in bytes_below(tmp_path)
        for _ in range(2):
            await bench.sink.erase([gone(1, 1), gone(3, 4)])
            assert secret.encode() not in bytes_below(tmp_path)
        await bench.passed(60)

    bench = benched(tmp_path, test)
    ((trace, receipt, path),) = bench.pairs()
    assert [one["sidespan"]["lsn"] for one in trace["spans"]] == ["2"]
    assert (trace["metadata"], trace["redacted_span_count"]) == ({}, 1)
    assert receipt["trace_artifact_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert len(list(bench.directory.iterdir())) == 2


def test_an_erasure_that_a_crash_cut_is_completed(tmp_path: Path) -> None:
    """A file that lost spans and has no receipt yet gets one when it is asked again."""

    async def test(bench: Bench) -> None:
        await bench.sink.deliver(records(contents(request(ROOT), request(CHILD))))
        await bench.passed(2)
        await bench.sink.erase([gone(1, 1)])
        ((_, receipt, path),) = bench.pairs()
        (bench.directory / receipt["evidence_receipt_ref"]).unlink()
        await bench.sink.erase([gone(1, 1)])
        ((_, receipt, path),) = bench.pairs()
        assert receipt["trace_artifact_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()

    benched(tmp_path, test)


def test_files_of_somebody_else_are_left_alone(tmp_path: Path) -> None:
    """An erasure reads what is in the directory, and changes only what the sink wrote."""
    (tmp_path / "traces").mkdir()
    strangers = {"a.json": b"{}", "b.json": b"\xff", "c.txt": b"x", "d.json": b'{"spans":[{}]}'}
    for name, body in strangers.items():
        (tmp_path / "traces" / name).write_bytes(body)

    async def test(bench: Bench) -> None:
        await bench.sink.erase([gone(1, 9)])

    bench = benched(tmp_path, test)
    assert {path.name: path.read_bytes() for path in bench.directory.iterdir()} == strangers


def test_a_receipt_comes_when_its_file_is_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is flushed before it has its name, and its name before anything follows."""
    done: list[tuple[str, str]] = []
    fsync, replace = os.fsync, os.replace

    def flushed(descriptor: int) -> None:
        fsync(descriptor)
        done.append(("flush", Path(f"/proc/self/fd/{descriptor}").readlink().name))

    def named(source: Any, target: Any) -> None:
        replace(source, target)
        done.append(("name", Path(target).name))

    async def test(bench: Bench) -> None:
        await bench.sink.deliver(records(contents(request(ROOT))))
        monkeypatch.setattr(os, "fsync", flushed)
        monkeypatch.setattr(os, "replace", named)
        await bench.passed(2)

    bench = benched(tmp_path, test)
    ((_, receipt, path),) = bench.pairs()
    beside = receipt["evidence_receipt_ref"]
    directory = ("flush", bench.directory.name)
    assert done == [
        ("flush", f".{path.name}.tmp"), ("name", path.name), directory,
        ("flush", f".{beside}.tmp"), ("name", beside), directory,
    ]  # fmt: skip
