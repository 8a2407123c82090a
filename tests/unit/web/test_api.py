"""The API on its socket: who may ask, what is asked, and how a refusal looks."""

import asyncio
import json
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
from tests.api_server import STORE_ID, Desk, Doors, answered, served

GOOD: dict[str, Any] = {
    "store_id": STORE_ID,
    "positions": ["00112233445566aa:7"],
    "actor": "ann",
    "reason": "asked to",
}
JSON = {"Content-Type": "application/json"}


def test_health(tmp_path: Path) -> None:
    """Who asks whether it lives is told."""
    status, headers, body = answered(tmp_path, "GET", "/healthz")
    assert (status, body) == (200, b"ok\n")
    assert "server" not in headers


def test_what_is_asked_reaches_the_admin(tmp_path: Path) -> None:
    """Positions, actor and reason arrive as they were sent, and the answer goes back."""
    desk = Desk()
    told = answered(tmp_path, "POST", "/v1/redact", json.dumps(GOOD).encode(), JSON, desk=desk)
    assert (told.status, told.json) == (200, {"position": "done"})
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
    told = answered(
        tmp_path, "POST", "/v1/redact", json.dumps(GOOD).encode(), JSON, desk=Desk(error)
    )
    assert told.status == expected
    assert told.json["error"] == {
        "code": code, "message": "no", "hint": error.hint, "retryable": error.retryable
    }  # fmt: skip
    assert told.headers.get("retry-after") == ("2" if expected == 503 else None)


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
    told = answered(tmp_path, "POST", "/v1/redact", raw, JSON, desk=desk)
    assert told.status == 400
    assert next(iter(changed)) in told.json["error"]["message"]
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
    told = answered(tmp_path, "GET", "/v1/nothing")
    assert (told.status, told.json["error"]["code"]) == (404, "not_found")


def test_a_route_has_its_methods(tmp_path: Path) -> None:
    """To ask for what changes something is no way to change it."""
    told = answered(tmp_path, "GET", "/v1/redact")
    assert (told.status, told.json["error"]["code"]) == (405, "invalid")
    assert told.headers["allow"] == "POST"


def test_the_command_line_asks_the_same_way(tmp_path: Path) -> None:
    """Answers and refusals come out of the client as values and errors."""

    async def use(doors: Doors) -> None:
        path = doors.path
        assert await asyncio.to_thread(api.post, path, "/v1/redact", GOOD) == {"position": "done"}
        with pytest.raises(SidespanError, match="store_id"):
            await asyncio.to_thread(api.post, path, "/v1/redact", {**GOOD, "store_id": "other"})
        with pytest.raises(NotFound):
            await asyncio.to_thread(api.post, path, "/v1/nothing", {})

    served(tmp_path, use)


def test_what_is_typed_need_not_be_utf_8(tmp_path: Path) -> None:
    """Bytes that the shell handed over as they were are refused by the daemon, in words."""

    async def use(doors: Doors) -> None:
        for typed in ("\udcff", "\ud800x"):
            with pytest.raises(InvalidRequest, match="by"):
                await asyncio.to_thread(api.get, doors.path, "/v1/stats", {"by": typed})
            route = f"/v1/receipts/{api.part(typed)}"
            with pytest.raises(InvalidRequest, match="id"):
                await asyncio.to_thread(api.get, doors.path, route)

    served(tmp_path, use)


def test_without_a_daemon_the_command_line_says_so(tmp_path: Path) -> None:
    """The error names the socket and the next step."""
    with pytest.raises(SidespanError, match=r"api\.sock") as caught:
        api.post(tmp_path / "api.sock", "/v1/redact", GOOD)
    assert "--run" in caught.value.hint
