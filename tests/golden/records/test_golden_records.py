"""Stores that were written once are read for ever: the codec makes and reads the same bytes."""

import pytest

from sidespand.journal import keys, record
from sidespand.journal.open_row import decode_open_span
from sidespand.journal.state import decode_head, decode_session
from sidespand.merkle import leaf_hash
from sidespand.model import Edge, Header
from sidespand.token import Token, decode
from tests.golden.records import shapes
from tests.golden.records.shapes import DIRECTORY


def golden(name: str) -> bytes:
    """Return the bytes of a file."""
    return (DIRECTORY / name).read_bytes()


def test_no_shape_is_missing_and_no_file_is_forgotten() -> None:
    """Every shape has its bytes, and bytes of a shape that is no longer written are still read."""
    files = {path.name for path in DIRECTORY.iterdir() if path.suffix in {".bin", ".txt"}}
    assert files == set(shapes.shapes())


@pytest.mark.parametrize("name", shapes.shapes())
def test_the_codec_writes_the_same_bytes(name: str) -> None:
    """The same values make the same bytes as on the day the format was made."""
    assert shapes.shapes()[name] == golden(name)


@pytest.mark.fault(25)
@pytest.mark.parametrize(
    ("name", "header", "edges", "payload"),
    [
        ("record-spans.bin", shapes.HEADER, (), shapes.PAYLOAD),
        ("record-edges.bin", shapes.HEADER, shapes.EDGES, shapes.PAYLOAD),
        ("record-redacted.bin", shapes.HEADER, shapes.EDGES, None),
        ("record-control.bin", shapes.CONTROL, (), shapes.CONTROL_PAYLOAD),
        ("record-extreme.bin", shapes.EXTREME, (), b""),
    ],
)
def test_records_are_read(
    name: str, header: Header, edges: tuple[Edge, ...], payload: bytes | None
) -> None:
    """Old bytes give the values they were made of, and the leaf they had."""
    value = golden(name)
    proved = value[: record.HEADER.size + len(edges) * record.EDGE.size]
    assert record.decode(value) == (header, edges, leaf_hash(proved), payload)


@pytest.mark.fault(25)
def test_rows_are_read() -> None:
    """Old heads and session rows give the values they were made of."""
    assert decode_head(golden("head-empty.bin")) == shapes.EMPTY_HEAD
    assert decode_head(golden("head-full.bin")) == shapes.FULL_HEAD
    assert decode_session(golden("session-bound.bin")) == shapes.BOUND_SESSION
    assert decode_session(golden("session-unbound.bin")) == shapes.UNBOUND_SESSION


def test_open_spans_are_read() -> None:
    """Old rows of open spans give the spans they were made of."""
    key = golden("key-open-span.bin")
    assert decode_open_span(key, golden("open-span.bin")) == shapes.OPEN_SPAN
    assert decode_open_span(key, golden("open-span-unseen.bin")) == shapes.UNSEEN_OPEN_SPAN


def test_keys_are_read() -> None:
    """Old keys give the numbers they were made of."""
    assert keys.parse_record_key(golden("key-record.bin")) == 0x0102030405060708
    assert keys.is_session_key(golden("key-session.bin"))
    assert keys.parse_generation_key(golden("key-generation.bin")) == 0x01020304


def test_tokens_are_read() -> None:
    """A token that is under way for years is still one."""
    head = shapes.FULL_HEAD
    text = golden("token.txt").decode().rstrip("\n")
    assert decode(text) == Token(head.lineage, head.last_lsn, head.stamp, head.tag)
