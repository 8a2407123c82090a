"""The routes of the API.

    GET  /healthz     200 while the worker runs
    POST /v1/redact   take the content of records out of the node
    POST /v1/dead-letters/replay   deliver again what a sink refused

Who may ask is decided before: on ``api.sock`` by its mode, which is its owner's alone.
"""

import json
from collections.abc import Awaitable, Callable, Collection
from typing import Any, Protocol

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from sidespand.errors import InvalidRequest, SidespanError
from sidespand.limits import API_POSITIONS_MAX, REDACT_TEXT_CHARACTERS_MAX
from sidespand.web.answers import not_routed, refusal
from sidespand.web.guard import Guard

_Handler = Callable[[Request], Awaitable[Response]]


class Admin(Protocol):
    """What the API may have done to the store."""

    @property
    def store_id(self) -> str:
        """Which store that is."""
        ...

    async def redact(self, positions: list[str], actor: str, reason: str) -> dict[str, Any]:
        """Redact the records at ``positions``; return what became of it, as JSON holds it.

        Raises:
            SidespanError: As the recorder or the reader of the store says.
        """
        ...

    async def replay(self, sink: str, letters: Any) -> dict[str, Any]:
        """Deliver dead letters of a sink once more; return what became of it, as JSON holds it.

        Raises:
            SidespanError: There is no such sink, or ``letters`` do not name any.
        """
        ...


def make_app(admin: Admin, hosts: Collection[str]) -> ASGIApp:
    """Return the API.

    Args:
        admin: Does what is asked.
        hosts: Names, without port, by which it may be called.
    """

    async def healthz(_request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def replay(request: Request) -> Response:
        body = await _json(request)
        _require_store(body, admin)
        return JSONResponse(await admin.replay(_text(body, "sink"), body.get("letters")))

    async def redact(request: Request) -> Response:
        body = await _json(request)
        _require_store(body, admin)
        positions = body.get("positions")
        if not isinstance(positions, list) or not 1 <= len(positions) <= API_POSITIONS_MAX:
            raise InvalidRequest(f"positions: expected 1 to {API_POSITIONS_MAX}")
        if not all(isinstance(one, str) for one in positions):
            raise InvalidRequest("positions: expected text such as lineage:lsn")
        actor, reason = _text(body, "actor"), _text(body, "reason")
        return JSONResponse(await admin.redact(positions, actor, reason))

    routes = [
        Route("/healthz", healthz, methods=["GET"]),
        Route("/v1/redact", _answering(redact), methods=["POST"]),
        Route("/v1/dead-letters/replay", _answering(replay), methods=["POST"]),
    ]
    return Guard(Starlette(routes=routes, exception_handlers={HTTPException: not_routed}), hosts)


def _answering(handler: _Handler) -> _Handler:
    async def answered(request: Request) -> Response:
        try:
            return await handler(request)
        except SidespanError as error:
            return refusal(error)

    return answered


async def _json(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.body())
    except (ValueError, RecursionError) as error:
        raise InvalidRequest("the body is not JSON") from error
    if not isinstance(body, dict):
        raise InvalidRequest("the body is not a JSON object")
    return body


def _require_store(body: dict[str, Any], admin: Admin) -> None:
    if _text(body, "store_id") != admin.store_id:
        raise InvalidRequest(
            f"store_id: this daemon serves the store {admin.store_id}",
            hint="name the daemon of your store with --run DIR",
        )


def _text(body: dict[str, Any], field: str) -> str:
    text = body.get(field)
    if not isinstance(text, str) or not 1 <= len(text.strip()) <= REDACT_TEXT_CHARACTERS_MAX:
        raise InvalidRequest(f"{field}: expected 1 to {REDACT_TEXT_CHARACTERS_MAX} characters")
    return text
