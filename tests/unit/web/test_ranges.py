"""Ranges of large values, as RFC 9110 has them."""

import pytest

from sidespand.errors import InvalidRequest
from sidespand.web import spans
from sidespand.web.spans import ranged

BODY = b"0123456789"


@pytest.mark.parametrize(
    ("wanted", "status", "body", "content_range"),
    [
        (None, 200, BODY, None),
        ("bytes=0-3", 206, b"0123", "bytes 0-3/10"),
        ("bytes=8-", 206, b"89", "bytes 8-9/10"),
        ("bytes=8-99", 206, b"89", "bytes 8-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=-30", 206, BODY, "bytes 0-9/10"),
        ("bytes=10-", 416, b"", "bytes */10"),
        ("bytes=-0", 416, b"", "bytes */10"),
        ("bytes=5-2", 416, b"", "bytes */10"),
        ("bytes=0-1,3-4", 200, BODY, None),
        ("bytes=-", 200, BODY, None),
        ("lines=0-3", 200, BODY, None),
        ("bytes=" + "9" * 40 + "-", 200, BODY, None),
    ],
)
def test_one_range(wanted: str | None, status: int, body: bytes, content_range: str | None) -> None:
    """A range is cut to what there is; what is no single range of bytes is passed over."""
    answer = ranged(BODY, "text/plain", wanted)
    assert (answer.status_code, answer.body) == (status, body)
    assert answer.headers.get("content-range") == content_range
    assert answer.headers["accept-ranges"] == "bytes"


@pytest.mark.parametrize("wanted", [None, "bytes=0-", "bytes=0-8", "bytes=-9", "bytes=0-1,3-4"])
def test_a_part_has_a_bound(monkeypatch: pytest.MonkeyPatch, wanted: str | None) -> None:
    """Whether it is asked for as a range or as the whole; what is within it is given."""
    monkeypatch.setattr(spans, "CONTENT_PART_BYTES_MAX", 8)
    with pytest.raises(InvalidRequest, match="range"):
        ranged(BODY, "text/plain", wanted)
    assert ranged(BODY, "text/plain", "bytes=2-9").body == BODY[2:]
