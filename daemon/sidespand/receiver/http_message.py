"""One HTTP request and its response, as values."""

import zlib
from dataclasses import dataclass, field

from sidespand.errors import InvalidRequest, SidespanError, TooLarge
from sidespand.model import Peer

# What a zlib stream of each coding begins with (RFC 9110, section 8.4.1): "deflate" is zlib's own.
_WINDOWS = {b"gzip": 31, b"deflate": 15}
_NOBODY = Peer("http")


@dataclass(slots=True)
class Request:
    """One request as it came in.

    Args:
        method: Upper case.
        path: Without query.
        headers: Names in lower case; the last of several wins.
        body: Still in its content coding.
        keep_alive: The connection may stay.
        peer: Who makes it.
        failed: Why it cannot be served; its body was not kept.
    """

    method: str = ""
    path: str = ""
    headers: dict[bytes, bytes] = field(default_factory=dict)
    body: bytes = b""
    keep_alive: bool = True
    peer: Peer = _NOBODY
    failed: SidespanError | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """What is answered."""

    status: int
    body: bytes
    content_type: str
    headers: tuple[tuple[str, str], ...] = ()


def whole_body(request: Request, bytes_max: int) -> bytes:
    """Return the body without its content coding.

    Raises:
        TooLarge: It is over ``bytes_max`` after decompression; no more than that was made of it.
        InvalidRequest: The coding is unknown, or the body is not of it.
    """
    coding = request.headers.get(b"content-encoding", b"identity").lower()
    if coding in (b"identity", b""):
        return request.body
    window = _WINDOWS.get(coding)
    if window is None:
        named = coding[:32].decode("latin-1")
        raise InvalidRequest(f"content-encoding: {named!r} is neither gzip nor deflate")
    name = coding.decode("ascii")
    inflate = zlib.decompressobj(window)
    try:
        body = inflate.decompress(request.body, bytes_max + 1)
    except zlib.error as error:
        raise InvalidRequest(f"the body is not {name}: {error}") from error
    if len(body) > bytes_max:
        raise TooLarge(f"the body is over {bytes_max} bytes after decompression")
    if not inflate.eof:
        raise InvalidRequest(f"the {name} body is cut short")
    if inflate.unused_data:
        raise InvalidRequest(f"more follows the {name} body")
    return body
