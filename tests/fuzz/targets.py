"""What must hold of each decoder for any bytes: one function each, which raises if it does not."""

from collections.abc import Callable, Iterator, Mapping

from sidespand.admission import OtlpAdmission
from sidespand.admission.edges import find_edges
from sidespand.errors import InvalidRequest, ProtocolViolation, Refused, TooLarge
from sidespand.limits import HELLO_BYTES_MAX, KIB, TRACESTATE_BYTES_MAX
from sidespand.model import Kind
from sidespand.receiver.frames import Frame, FrameSplitter, FrameType, OversizeFrame, encode
from sidespand.receiver.otlp_json import to_protobuf
from sidespand.token import MEMBER_KEY, decode, find_member
from sidespand.token import encode as encode_token
from tests.otlp import export_request

_BODY_BYTES_MAX = 4 * KIB
_JSON_KINDS = (Kind.SPANS, Kind.LOGS, Kind.METRICS)
_ADMISSION = OtlpAdmission()


def frames(data: bytes) -> None:
    """A stream means the same wherever it is cut, and frames are what was sent.

    The first byte says into pieces of how many bytes the rest is cut.
    """
    step, stream = (data[0] or 1, data[1:]) if data else (1, b"")
    whole = list(_split([stream]))
    pieces = [stream[start : start + step] for start in range(0, len(stream), step)]
    assert list(_split(pieces)) == whole
    sent = b"".join(encode(one.type, one.seq, one.body) for one in whole if isinstance(one, Frame))
    assert stream.startswith(sent)


def _split(pieces: list[bytes]) -> Iterator[Frame | str]:
    splitter = FrameSplitter(_BODY_BYTES_MAX)
    try:
        for piece in pieces:
            for one in splitter.feed(piece):
                limit = HELLO_BYTES_MAX if one.type is FrameType.HELLO else _BODY_BYTES_MAX
                assert len(one.body) <= limit
                yield one
            assert splitter.partial or splitter.begun == (0, 0)
            assert splitter.begun[1] <= _BODY_BYTES_MAX
    except OversizeFrame as error:
        yield f"oversize {error.seq} {error}"
    except ProtocolViolation as error:
        yield str(error)


def otlp_json(data: bytes) -> None:
    """Text becomes protobuf that is admitted or refused, or is refused itself, by name.

    The first byte says of which signal it is.
    """
    kind, body = (_JSON_KINDS[data[0] % 3], data[1:]) if data else (Kind.SPANS, b"")
    try:
        encoded = to_protobuf(kind, body)
    except (InvalidRequest, TooLarge) as refusal:
        if refusal.retryable or not str(refusal):
            raise AssertionError("it must be refused for good, with a reason") from refusal
        return
    try:
        admitted = _ADMISSION.admit(kind, encoded)
    except Refused:
        return
    for content in admitted.contents:
        assert content.item_count > 0
        again = _ADMISSION.admit(kind, content.payload)
        assert (again.contents, again.rejected_items) == ((content,), 0)


def tokens(data: bytes) -> None:
    """Junk is no token and disturbs nothing; what is one says the same once written again."""
    text = data.decode("utf-8", "replace")
    token = decode(text)
    if token is not None:
        assert decode(encode_token(*token)) == token
        assert find_member(f"a=1,{MEMBER_KEY}={text}") == text
    member = find_member(text)
    assert member is None or f"{MEMBER_KEY}={member}" in text
    if len(text) > TRACESTATE_BYTES_MAX:
        assert member is None
    request = export_request(1, trace_id=bytes(range(16)), span_ids=[b"span id."], trace_state=text)
    found, truncated = find_edges(request)
    assert len(found) <= 1
    assert not truncated
    payload = request.SerializeToString()
    (content,) = _ADMISSION.admit(Kind.SPANS, payload).contents
    assert content.payload is payload
    assert content.edges == found


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    "frames": frames,
    "otlp_json": otlp_json,
    "tokens": tokens,
}
