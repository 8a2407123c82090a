"""The manifest and the paths of a store."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidespand.errors import StoreTooNew, StoreUnreadable
from sidespand.journal.layout import Layout, Manifest, Segment, register

ONE = Segment(1, 1, bytes(8))
LATER = Segment(1, 500, bytes(8))
NEXT_LINEAGE = Segment(2, 1, b"\xff" * 8)
MANIFEST = Manifest("0" * 32, (ONE, LATER))

STORE_ID = b'"%b"' % (b"0" * 32)


def make(layout: Layout, *segments: Segment) -> None:
    """Put an empty file where each segment belongs."""
    for segment in segments:
        layout.path(segment).parent.mkdir(parents=True, exist_ok=True)
        layout.path(segment).touch()


def test_a_directory_without_a_store_has_no_manifest(tmp_path: Path) -> None:
    """An empty or absent directory is where a store can be made."""
    assert Layout(tmp_path).read_manifest() is None
    assert Layout(tmp_path / "absent").read_manifest() is None
    assert Layout(tmp_path / "absent").segments() == []


def test_a_manifest_round_trips(tmp_path: Path) -> None:
    """What was written is read back, and nothing else is left beside it."""
    layout = Layout(tmp_path)
    layout.write_manifest(MANIFEST)
    assert layout.read_manifest() == MANIFEST
    assert [path.name for path in tmp_path.iterdir()] == ["STORE.json"]
    body = json.loads(layout.manifest_path.read_bytes())
    assert body["format"] == 1
    assert body["segments"][1]["first_lsn"] == "500"


def test_segments_are_listed_as_the_log_runs(tmp_path: Path) -> None:
    """By lineage, then by LSN; a lock file, a spare and strangers are no segments."""
    layout = Layout(tmp_path)
    make(layout, NEXT_LINEAGE, LATER, ONE)
    for stranger in ("spare.mdb", "0001-0000000000000000/1.mdb", "x/00000000000000000001.mdb"):
        path = layout.segments_dir / stranger
        path.parent.mkdir(exist_ok=True)
        path.touch()
    lock = layout.path(ONE)
    lock.with_name(lock.name + "-lock").touch()
    (layout.segments_dir / "0003-0000000000000000").touch()
    assert layout.segments() == [ONE, LATER, NEXT_LINEAGE]


@given(st.integers(1, 10**6), st.integers(1, 2**64 - 1), st.binary(min_size=8, max_size=8))
def test_a_segment_s_name_is_read_back(ordinal: int, first_lsn: int, lineage: bytes) -> None:
    """A path says all of a segment, for every ordinal and LSN."""
    layout = Layout(Path("/nowhere"))
    segment = Segment(ordinal, first_lsn, lineage)
    directory, file = segment.name.split("/")
    assert directory.split("-") == [f"{ordinal:04d}", lineage.hex()]
    assert file == f"{first_lsn:020d}.mdb"
    assert layout.path(segment).is_relative_to(layout.segments_dir)


def test_registering_keeps_the_order_and_knows_its_own() -> None:
    """A segment is in the manifest once, wherever it belongs."""
    manifest = register(register(Manifest("x", ()), LATER), ONE)
    assert manifest.segments == (ONE, LATER)
    assert register(manifest, ONE) is manifest


def test_a_missing_manifest_beside_segments_is_refused(tmp_path: Path) -> None:
    """A store is never begun anew over an older one."""
    layout = Layout(tmp_path)
    make(layout, ONE)
    with pytest.raises(StoreUnreadable, match=r"STORE\.json is missing") as caught:
        layout.read_manifest()
    assert "sidespan salvage" in caught.value.hint


@pytest.mark.parametrize("stored_format", [2, 999, "1", None, 1.0])
def test_a_later_format_is_refused(tmp_path: Path, stored_format: object) -> None:
    """What this version cannot know is left to one that can."""
    layout = Layout(tmp_path)
    layout.manifest_path.write_text(json.dumps({"format": stored_format, "later": {}}))
    with pytest.raises(StoreTooNew, match="this version reads up to 1") as caught:
        layout.read_manifest()
    assert "later" in caught.value.hint


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"\xff\xfe\x00",
        b"[]",
        b"null",
        b"{}",
        b'{"format": 1}',
        b'{"format": 1, "store_id": "../../etc/x", "segments": []}',
        b'{"format": 1, "store_id": %b, "segments": 5}' % STORE_ID,
        b'{"format": 1, "store_id": %b, "segments": [5]}' % STORE_ID,
        b'{"format": 1, "store_id": %b, "segments": [{"ordinal": 1}]}' % STORE_ID,
        b'{"format":1,"store_id":%b,"segments":[{"ordinal":1,"lineage":"xyz","first_lsn":"1"}]}'
        % STORE_ID,
    ],
)
def test_a_damaged_manifest_is_refused(tmp_path: Path, raw: bytes) -> None:
    """Whatever is wrong with it, the file is named and left alone."""
    layout = Layout(tmp_path)
    layout.manifest_path.write_bytes(raw)
    with pytest.raises(StoreUnreadable, match=r"STORE\.json") as caught:
        layout.read_manifest()
    assert "nothing was changed" in caught.value.hint
    assert layout.manifest_path.read_bytes() == raw


def test_a_manifest_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """A directory in its place is an operating error too."""
    layout = Layout(tmp_path)
    layout.manifest_path.mkdir()
    with pytest.raises(StoreUnreadable, match=r"STORE\.json"):
        layout.read_manifest()
