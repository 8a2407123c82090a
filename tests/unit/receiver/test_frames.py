"""Frames are cut out of any stream as they were written, within their bounds."""

import itertools
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidespand.errors import ProtocolViolation
from sidespand.limits import HELLO_BYTES_MAX
from sidespand.receiver.frames import Frame, FrameSplitter, FrameType, OversizeFrame, encode
from tests.frame_client import HEAD

LIMIT = 100
FROM_CLIENTS = (FrameType.HELLO, FrameType.RECORDS, FrameType.BYE)

seqs = st.integers(0, 2**64 - 1)
frames = st.one_of(
    st.builds(Frame, st.just(FrameType.HELLO), seqs, st.binary(max_size=LIMIT)),
    st.builds(Frame, st.just(FrameType.RECORDS), seqs, st.binary(max_size=LIMIT)),
    st.builds(Frame, st.just(FrameType.BYE), seqs, st.just(b"")),
)


@st.composite
def cut_streams(draw: st.DrawFn) -> tuple[list[Frame], list[bytes]]:
    """Return frames, and their bytes cut into pieces at random places."""
    sent = draw(st.lists(frames, max_size=8))
    stream = b"".join(encode(*one) for one in sent)
    places = draw(st.lists(st.integers(0, len(stream)), max_size=20))
    edges = sorted({0, len(stream), *places})
    return sent, [stream[start:end] for start, end in itertools.pairwise(edges)]


@given(cut_streams())
def test_frames_come_out_as_they_went_in(given_: tuple[list[Frame], list[bytes]]) -> None:
    """Wherever the stream is cut, every frame comes once, in order, as soon as it is complete."""
    sent, pieces = given_
    splitter = FrameSplitter(LIMIT)
    ends = list(itertools.accumulate(len(encode(*one)) for one in sent))
    found: list[Frame] = []
    received = 0

    for piece in pieces:
        found += splitter.feed(piece)
        received += len(piece)
        complete = sum(end <= received for end in ends)
        assert found == sent[:complete]
        assert splitter.partial == (received not in (0, *ends))
    assert found == sent


@given(st.binary(max_size=200), st.integers(1, 20))
def test_any_bytes_are_frames_or_a_violation(stream: bytes, size: int) -> None:
    """Nothing else comes of hostile bytes, however they arrive."""
    splitter = FrameSplitter(LIMIT)
    try:
        for start in range(0, len(stream), size):
            for frame in splitter.feed(stream[start : start + size]):
                assert frame.type in FROM_CLIENTS
                assert len(frame.body) <= LIMIT or frame.type is FrameType.HELLO
    except ProtocolViolation:
        return


@pytest.mark.parametrize(
    ("number", "limit"), [(FrameType.HELLO, HELLO_BYTES_MAX), (FrameType.RECORDS, LIMIT)]
)
def test_a_body_may_be_as_long_as_its_limit(number: FrameType, limit: int) -> None:
    """At the limit it comes out whole; one byte more is refused before it is read."""
    assert list(FrameSplitter(LIMIT).feed(encode(number, 1, bytes(limit)))) == [
        Frame(number, 1, bytes(limit))
    ]
    with pytest.raises(ProtocolViolation, match=f"{limit + 1} bytes is over the limit of {limit}"):
        list(FrameSplitter(LIMIT).feed(HEAD.pack(9 + limit + 1, number, 1)))


def test_a_records_frame_too_large_is_named_by_its_seq() -> None:
    """The frames before it come out; the error knows the seq that is refused."""
    splitter = FrameSplitter(LIMIT)
    stream = encode(FrameType.RECORDS, 4, b"x") + HEAD.pack(0xFFFFFFFF, FrameType.RECORDS, 5)
    cut = splitter.feed(stream)

    assert next(cut) == Frame(FrameType.RECORDS, 4, b"x")
    with pytest.raises(OversizeFrame) as refused:
        next(cut)
    assert refused.value.seq == 5


def test_only_what_clients_send_is_taken() -> None:
    """Every other type is a violation at its head, whatever its length."""
    for number in set(range(256)) - {int(one) for one in FROM_CLIENTS}:
        with pytest.raises(ProtocolViolation, match=f"frame type {number} is not one"):
            list(FrameSplitter(LIMIT).feed(HEAD.pack(0xFFFFFFFF, number, 0)))


@pytest.mark.parametrize("length", range(9))
def test_a_length_must_hold_the_head(length: int) -> None:
    """The length counts type and seq."""
    with pytest.raises(ProtocolViolation, match=f"length {length} is shorter than its head"):
        list(FrameSplitter(LIMIT).feed(HEAD.pack(length, FrameType.RECORDS, 1)))


def test_a_stated_length_reserves_nothing() -> None:
    """Memory is taken by what came, not by what was announced."""
    splitter = FrameSplitter(2**31)
    tracemalloc.start()
    try:
        assert list(splitter.feed(HEAD.pack(9 + 2**31, FrameType.RECORDS, 1))) == []
        assert list(splitter.feed(bytes(1000))) == []
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 100_000
