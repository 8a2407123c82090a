"""The API on its socket: who may ask, what is asked, and how a refusal looks."""

import asyncio
import http.client
import json
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from sidespand.cli import api
from sidespand.errors import (
    InvalidRequest,
    NotFound,
    PermissionRefused,
    SidespanError,
    Unavailable,
)
from sidespand.limits import API_BODY_BYTES_MAX, API_POSITIONS_MAX
from sidespand.web.app import make_app
from sidespand.web.server import ApiServer
from tests.journals import run

STORE_ID = "00" * 16
GOOD: dict[str, Any] = {
    "store_id": STORE_ID,
    "positions": ["00112233445566aa:7"],
    "actor": "ann",
    "reason": "asked to",
}
JSON = {"Content-Type": "application/json"}


class Desk:
    """Implements ``web.app.Admin``: remembers what is asked, answers or raises."""

    store_id = STORE_ID

    def __init__(self, error: SidespanError | None = None) -> None:
        self.error = error
        self.asked: list[tuple[list[str], str, str]] = []

    async def redact(self, positions: list[str], actor: str, reason: str) -> dict[str, Any]:
        """Note it."""
        self.asked.append((positions, actor, reason))
        if self.error is not None:
            raise self.error
        return {"position": "done"}


@asynccontextmanager
async def serving(path: Path, desk: Desk) -> AsyncIterator[None]:
    """Serve the API at ``path``."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(os.fspath(path))
    listener.listen()
    server = ApiServer(make_app(desk, ("localhost",)), [listener])
    server.start()
    try:
        yield
    finally:
        await server.close()


def ask(
    path: Path, method: str, route: str, body: bytes | None, headers: dict[str, str]
) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body of one request; blocks."""
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(os.fspath(path))
    try:
        connection.request(method, route, body, headers)
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return response.status, found, response.read()
    finally:
        connection.close()


def served(tmp_path: Path, desk: Desk, use: Callable[[Path], Awaitable[None]]) -> None:
    """Run ``use`` beside a server."""

    async def test() -> None:
        path = tmp_path / "api.sock"
        async with serving(path, desk):
            await use(path)

    run(test())


def answered(
    tmp_path: Path,
    method: str,
    route: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
    *,
    desk: Desk | None = None,
) -> tuple[int, dict[str, str], dict[str, Any]]:
    """Return the answer to one request, whose body is JSON."""
    got: list[tuple[int, dict[str, str], bytes]] = []

    async def use(path: Path) -> None:
        got.append(await asyncio.to_thread(ask, path, method, route, body, headers or {}))

    served(tmp_path, desk or Desk(), use)
    status, found, raw = got[0]
    return status, found, json.loads(raw) if raw.startswith(b"{") else {"text": raw.decode()}


def test_health(tmp_path: Path) -> None:
    """Who asks whether it lives is told."""
    status, headers, body = answered(tmp_path, "GET", "/healthz")
    assert (status, body) == (200, {"text": "ok\n"})
    assert "server" not in headers


def test_what_is_asked_reaches_the_admin(tmp_path: Path) -> None:
    """Positions, actor and reason arrive as they were sent, and the answer goes back."""
    desk = Desk()
    status, _, body = answered(
        tmp_path, "POST", "/v1/redact", json.dumps(GOOD).encode(), JSON, desk=desk
    )
    assert (status, body) == (200, {"position": "done"})
    assert desk.asked == [(["00112233445566aa:7"], "ann", "asked to")]


@pytest.mark.parametrize(
    ("error", "expected", "code"),
    [
        (InvalidRequest("no"), 400, "invalid"),
        (PermissionRefused("no"), 403, "forbidden"),
        (NotFound("no"), 404, "not_found"),
        (Unavailable("no", retry_after_ms=2500), 503, "unavailable"),
        (SidespanError("no", hint="look"), 500, "failed"),
    ],
)
def test_a_refusal_has_a_status_and_words(
    tmp_path: Path, error: SidespanError, expected: int, code: str
) -> None:
    """A program reads the code, a person the message and the hint."""
    status, headers, body = answered(
        tmp_path, "POST", "/v1/redact", json.dumps(GOOD).encode(), JSON, desk=Desk(error)
    )
    assert status == expected
    assert body == {"error": {"code": code, "message": "no", "hint": error.hint}}
    assert headers.get("retry-after") == ("2" if expected == 503 else None)


@pytest.mark.parametrize(
    "changed",
    [
        {"store_id": "11" * 16},
        {"store_id": 7},
        {"positions": []},
        {"positions": "00112233445566aa:7"},
        {"positions": [7]},
        {"positions": ["x"] * (API_POSITIONS_MAX + 1)},
        {"reason": " "},
        {"reason": "x" * 513},
        {"actor": None},
    ],
)
def test_a_request_that_is_none_reaches_nobody(tmp_path: Path, changed: dict[str, Any]) -> None:
    """Each field is checked; the message names it."""
    desk = Desk()
    raw = json.dumps({**GOOD, **changed}).encode()
    status, _, body = answered(tmp_path, "POST", "/v1/redact", raw, JSON, desk=desk)
    assert status == 400
    assert next(iter(changed)) in body["error"]["message"]
    assert desk.asked == []


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({**JSON, "Host": "evil.example"}, 403),
        ({**JSON, "Host": "localhost.evil.example:4320"}, 403),
        ({**JSON, "Origin": "https://evil.example"}, 403),
        ({**JSON, "Origin": "null"}, 403),
        ({"Content-Type": "text/plain"}, 400),
        ({}, 400),
        ({**JSON, "Origin": "http://localhost:4320", "Host": "localhost:4320"}, 200),
        ({"Content-Type": "application/json; charset=utf-8"}, 200),
    ],
)
def test_pages_of_others_may_not_ask(
    tmp_path: Path, headers: dict[str, str], expected: int
) -> None:
    """A rebound name, a foreign origin and a form are refused before anything is read."""
    desk = Desk()
    status, _, _ = answered(
        tmp_path, "POST", "/v1/redact", json.dumps(GOOD).encode(), headers, desk=desk
    )
    assert status == expected
    assert bool(desk.asked) is (expected == 200)


@pytest.mark.parametrize(
    ("raw", "headers", "expected"),
    [
        (b"[1]", {}, 400),
        (b"{", {}, 400),
        (b"\xff\xfe", {}, 400),
        (b"[" * 100_000, {}, 400),
        (b"", {"Content-Length": str(API_BODY_BYTES_MAX + 1)}, 413),
        (b"", {"Content-Length": "9" * 19}, 413),
        (b"", {"Transfer-Encoding": "chunked"}, 400),
    ],
)
def test_a_body_is_judged_before_it_is_read(
    tmp_path: Path, raw: bytes, headers: dict[str, str], expected: int
) -> None:
    """Nonsense is malformed, and what is too long is not read at all."""
    status, _, _ = answered(tmp_path, "POST", "/v1/redact", raw, {**JSON, **headers})
    assert status == expected


def test_an_unknown_route(tmp_path: Path) -> None:
    """What there is not is not found, in words that a program reads."""
    status, _, body = answered(tmp_path, "GET", "/v1/nothing")
    assert (status, body["error"]["code"]) == (404, "not_found")


def test_a_route_has_its_methods(tmp_path: Path) -> None:
    """To ask for what changes something is no way to change it."""
    status, headers, body = answered(tmp_path, "GET", "/v1/redact")
    assert (status, body["error"]["code"]) == (405, "invalid")
    assert headers["allow"] == "POST"


def test_the_command_line_asks_the_same_way(tmp_path: Path) -> None:
    """Answers and refusals come out of the client as values and errors."""

    async def use(path: Path) -> None:
        assert await asyncio.to_thread(api.post, path, "/v1/redact", GOOD) == {"position": "done"}
        with pytest.raises(SidespanError, match="store_id"):
            await asyncio.to_thread(api.post, path, "/v1/redact", {**GOOD, "store_id": "other"})
        with pytest.raises(NotFound):
            await asyncio.to_thread(api.post, path, "/v1/nothing", {})

    served(tmp_path, Desk(), use)


def test_without_a_daemon_the_command_line_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the socket and the next step."""
    monkeypatch.setattr(api, "API_CONNECT_S", 0.0)
    with pytest.raises(SidespanError, match=r"api\.sock") as caught:
        api.post(tmp_path / "api.sock", "/v1/redact", GOOD)
    assert "--run" in caught.value.hint
