"""Segments that the threads of one process read together."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sidespand.journal import keys, segment
from sidespand.journal.open_segments import OpenSegments
from sidespand.journal.segment import SegmentReader, SegmentWriter
from sidespand.limits import MIB, OPEN_SEGMENTS_MAX

WAIT_S = 20.0


def written(path: Path, value: bytes) -> Path:
    """Write a segment of one record at ``path``."""
    segment.create(path, MIB)
    writer = SegmentWriter(path, MIB, sync=False)
    writer.commit([(keys.record_key(1), value)], {})
    writer.close()
    return path


def first(reader: SegmentReader) -> bytes:
    """Return the value of the first record."""
    ((_, value),) = reader.values(1, None, 1, 1)
    return value


def test_threads_share_one_environment(tmp_path: Path) -> None:
    """Two threads are in one file at once, which LMDB allows only in one environment."""
    path = written(tmp_path / "a.mdb", b"a")
    segments = OpenSegments()
    both_inside = threading.Barrier(2, timeout=WAIT_S)

    def read() -> bytes:
        with segments.using(path, locked=True) as reader:
            both_inside.wait()
            return first(reader)

    with ThreadPoolExecutor(2) as pool:
        found = [pool.submit(read) for _ in range(2)]
        assert [one.result(WAIT_S) for one in found] == [b"a", b"a"]
    segments.close()


def test_a_replaced_file_is_opened_anew_when_its_readers_have_left(tmp_path: Path) -> None:
    """Who is inside reads the old file to the end; who comes after it gets the new one."""
    path = written(tmp_path / "a.mdb", b"old")
    segments = OpenSegments()
    with ThreadPoolExecutor(1) as pool:
        with segments.using(path, locked=False) as reader:
            segment.move(written(tmp_path / "b.mdb", b"new"), path)

            def read() -> bytes:
                with segments.using(path, locked=False) as after:
                    return first(after)

            later = pool.submit(read)
            assert first(reader) == b"old"
            assert not later.done()
        assert later.result(WAIT_S) == b"new"
    segments.close()


def test_few_stay_open(tmp_path: Path) -> None:
    """The ones unused for longest are closed, and so are those whose files are gone."""
    paths = [written(tmp_path / f"{n}.mdb", b"x") for n in range(OPEN_SEGMENTS_MAX + 2)]
    segments = OpenSegments()
    for path in paths:
        with segments.using(path, locked=False) as reader:
            assert first(reader) == b"x"
    assert list(segments._held) == paths[2:]
    segment.remove(paths[3])
    with segments.using(paths[0], locked=False):
        assert list(segments._held) == [*paths[4:], paths[0]]
    segments.close()
    assert not segments._held


def test_a_segment_that_is_gone(tmp_path: Path) -> None:
    """Its reader is told, and the next one is served."""
    segments = OpenSegments()
    with pytest.raises(FileNotFoundError), segments.using(tmp_path / "a.mdb", locked=True):
        pytest.fail("it lent a segment that does not exist")
    path = written(tmp_path / "a.mdb", b"a")
    with segments.using(path, locked=True) as reader:
        assert first(reader) == b"a"
    segments.close()
