"""The vectors are what their writer makes, and the daemon agrees with them."""

import json

import pytest

from sidespand import token
from sidespand.hlc import Hlc
from sidespand.receiver.frames import FrameSplitter, FrameType, encode
from tests.conformance.write import DIRECTORY, documents

DOCUMENTS = {name: json.loads(text) for name, text in documents().items()}


def test_no_file_is_forgotten() -> None:
    """Every file has a writer, and every writer's file is there."""
    assert {path.name for path in DIRECTORY.glob("*.json")} == set(DOCUMENTS)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_file_is_what_its_writer_makes(name: str) -> None:
    """Vectors and their source do not drift apart."""
    assert (DIRECTORY / name).read_text(encoding="ascii") == documents()[name]


def test_the_daemon_writes_and_reads_the_frames() -> None:
    """Its codec makes the same bytes, and cuts what clients send, in one piece or byte by byte."""
    cases = DOCUMENTS["frames.json"]["encode"]
    whole = b""
    expected = []
    for case in cases:
        kind, seq, body = FrameType[case["type"]], int(case["seq"]), bytes.fromhex(case["body"])
        made = encode(kind, seq, body)
        assert made == bytes.fromhex(case["frame"])
        whole += made
        expected.append((kind, seq, body))
    for pieces in ([whole], [whole[at : at + 1] for at in range(len(whole))]):
        splitter = FrameSplitter(1024)
        assert [frame for piece in pieces for frame in splitter.feed(piece)] == expected
        assert not splitter.partial


def test_the_daemon_reads_and_writes_the_tokens() -> None:
    """A valid one is read as it says and written the same, an invalid one is none."""
    tokens = DOCUMENTS["tokens.json"]
    for case in tokens["valid"]:
        stamp = Hlc(int(case["hlc_wall_ns"]), int(case["hlc_logical"]))
        lineage, tag = bytes.fromhex(case["lineage"]), bytes.fromhex(case["tag"])
        expected = token.Token(lineage, int(case["lsn"]), stamp, tag)
        assert token.decode(case["text"]) == expected
        assert token.encode(*expected) == case["text"]
    for case in tokens["invalid"]:
        assert token.decode(case["text"]) is None, case["name"]


def test_the_daemon_finds_the_tokens() -> None:
    """Its reader of ``tracestate`` finds the member that the vectors name."""
    for case in DOCUMENTS["tracestate.json"]["find_token"]:
        assert token.find_member(case["tracestate"]) == case["expected"], case["name"]
