"""Asks a running daemon, over its ``api.sock``."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sidespand.errors import InvalidRequest, NotFound, SidespanError, TooLarge
from sidespand.limits import (
    API_ANSWER_BYTES_MAX,
    API_ANSWER_S,
    API_CONNECT_S,
    API_EVENT_BYTES_MAX,
    API_QUIET_S,
)

if TYPE_CHECKING:
    from sidespand.cli.unix_http import UnixConnection

_OK = 200
_LEAVES = {400: InvalidRequest, 404: NotFound, 413: TooLarge}
# What is typed need not be UTF-8: the daemon, which finds nothing of that name, says so.
_NOT_UTF8 = "surrogatepass"


class Absent(SidespanError):
    """Nobody answers on the socket."""


class Event(NamedTuple):
    """One event of a stream.

    Args:
        kind: Such as ``trace`` or ``heartbeat``.
        id: Where a stream goes on behind it; empty when it says nothing of that.
        document: What it brings.
    """

    kind: str
    id: str
    document: Any


def post(api_sock: Path, route: str, body: dict[str, Any]) -> dict[str, Any]:
    """Return the daemon's answer to one request; waits for a worker that is being started.

    Args:
        api_sock: Its socket.
        route: Such as ``/v1/redact``.
        body: What JSON holds.

    Raises:
        Absent: Nobody answers there; at once where no daemon runs.
        NotFound: The daemon says so. Not retryable.
        SidespanError: It refuses.
    """
    connection = _connection(api_sock, API_CONNECT_S, API_ANSWER_S)
    try:
        headers = {"Content-Type": "application/json"}
        sent = json.dumps(body).encode("ascii")
        return _answer(api_sock, connection, "POST", route, body=sent, headers=headers)
    finally:
        connection.close()


def get(api_sock: Path, route: str, given: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the daemon's answer to one question.

    Args:
        api_sock: Its socket.
        route: Such as ``/v1/traces``; parts that come from outside are quoted with ``part``.
        given: What is asked for; None stands for what is not given.

    Raises:
        Absent: Nobody answers there.
        NotFound: The daemon says so. Not retryable.
        SidespanError: It refuses, or answers something else.
    """
    connection = _connection(api_sock, 0.0, API_QUIET_S)
    try:
        return _answer(api_sock, connection, "GET", _target(route, given))
    finally:
        connection.close()


def text(sock: Path, route: str) -> str:
    """Return a page that a door of the daemon has, such as ``/metrics`` of ``http.sock``.

    Raises:
        Absent: Nobody answers there, or not with that.
    """
    connection = _connection(sock, 0.0, API_QUIET_S)
    try:
        status = connection.request("GET", route, {}, b"")
        body = connection.read(API_ANSWER_BYTES_MAX)
    except OSError as error:
        raise _absent(sock, error) from error
    finally:
        connection.close()
    if status != _OK:
        raise _absent(sock, OSError(f"HTTP status {status}"))
    return body.decode("utf-8", "replace")


def events(api_sock: Path, route: str, given: Mapping[str, Any]) -> Iterator[Event]:
    """Yield the events of a stream until the daemon ends it; arguments and errors as in ``get``."""
    connection = _connection(api_sock, 0.0, API_QUIET_S)
    try:
        accepted = {"Accept": "text/event-stream"}
        status = connection.request("GET", _target(route, given), accepted, b"")
        if status != _OK:
            body = connection.read(API_ANSWER_BYTES_MAX)
            raise _refusal(api_sock, status, _json(api_sock, body))
        kind, event_id, data = "message", "", b""
        for line in _lines(connection.pieces()):
            name, _, value = line.rstrip(b"\r").partition(b":")
            value = value.removeprefix(b" ")
            if name == b"event":
                kind = value.decode("utf-8", "replace")
            elif name == b"id":
                event_id = value.decode("utf-8", "replace")
            elif name == b"data":
                data += value
            elif not line.strip() and data:
                yield Event(kind, event_id, _json(api_sock, data))
                kind, data = "message", b""
    except OSError as error:
        raise _absent(api_sock, error) from error
    finally:
        connection.close()


def _lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the lines of a body as they come, without their ends.

    Raises:
        OSError: One is longer than any event.
    """
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        yield from lines
        if len(rest) > API_EVENT_BYTES_MAX:
            raise OSError("an event is too long")


def _connection(path: Path, connect_s: float, answer_s: float) -> "UnixConnection":
    # It costs more to load than a command that finds no daemon takes.
    from sidespand.cli.unix_http import UnixConnection

    return UnixConnection(path, connect_s, answer_s)


def part(text: str) -> str:
    """Return ``text`` as one part of a route."""
    from urllib.parse import quote

    return quote(text, safe="", errors=_NOT_UTF8)


def _target(route: str, given: Mapping[str, Any] | None) -> str:
    from urllib.parse import urlencode

    asked = {key: value for key, value in (given or {}).items() if value is not None}
    return f"{route}?{urlencode(asked, errors=_NOT_UTF8)}" if asked else route


def _answer(
    api_sock: Path,
    connection: "UnixConnection",
    method: str,
    target: str,
    *,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    try:
        status = connection.request(method, target, headers or {}, body)
        found = connection.read(API_ANSWER_BYTES_MAX)
    except OSError as error:
        raise _absent(api_sock, error) from error
    document = _json(api_sock, found)
    if status == _OK and isinstance(document, dict):
        return document
    raise _refusal(api_sock, status, document)


def _json(api_sock: Path, body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError as error:
        raise SidespanError(f"{api_sock} is not answered by this version of Sidespan") from error


def _absent(api_sock: Path, error: Exception) -> Absent:
    return Absent(
        f"no daemon answers on {api_sock}: {error}",
        hint="start it with `sidespan serve`, or name its runtime directory with --run DIR",
    )


def _refusal(api_sock: Path, status: int, found: Any) -> SidespanError:
    told = found.get("error", {}) if isinstance(found, dict) else {}
    message = str(told.get("message", f"{api_sock}: HTTP status {status}"))
    return _LEAVES.get(status, SidespanError)(message, hint=str(told.get("hint", "")))
