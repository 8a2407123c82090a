"""Endpoints that change the store: redaction, dead letters, the index anew. Sockets only."""

from collections.abc import Mapping
from typing import Any, Protocol

from starlette.responses import JSONResponse, Response

from sidespand.errors import InvalidRequest
from sidespand.limits import API_POSITIONS_MAX, REDACT_TEXT_CHARACTERS_MAX
from sidespand.web.table import Asked, Endpoint, read_body


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

    async def trim(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Remove the oldest segments; ``app.trimming_alone`` has the body and the answer.

        Raises:
            SidespanError: ``body`` is no such order, or the recorder refuses.
        """
        ...

    async def reindex(self) -> dict[str, Any]:
        """Have the index made anew from the journal; return how it stands, as JSON holds it.

        Raises:
            SidespanError: There is none to make.
        """
        ...

    async def reload(self) -> dict[str, Any]:
        """Have the configuration read again; return what has changed, as JSON holds it.

        Raises:
            InvalidRequest: It cannot be used; nothing was changed.
        """
        ...


def endpoints(admin: Admin) -> list[Endpoint]:
    """Return the endpoints.

    Args:
        admin: Does what is asked.
    """

    async def replay(asked: Asked) -> Response:
        body = await read_body(asked.request)
        require_store(body, admin.store_id)
        return JSONResponse(await admin.replay(text_of(body, "sink"), body.get("letters")))

    async def redact(asked: Asked) -> Response:
        body = await read_body(asked.request)
        require_store(body, admin.store_id)
        positions = body.get("positions")
        if not isinstance(positions, list) or not 1 <= len(positions) <= API_POSITIONS_MAX:
            raise InvalidRequest(f"positions: expected 1 to {API_POSITIONS_MAX}")
        if not all(isinstance(one, str) for one in positions):
            raise InvalidRequest("positions: expected text such as lineage:lsn")
        actor, reason = text_of(body, "actor"), text_of(body, "reason")
        return JSONResponse(await admin.redact(positions, actor, reason))

    async def trim(asked: Asked) -> Response:
        body = await read_body(asked.request)
        require_store(body, admin.store_id)
        return JSONResponse(await admin.trim(body))

    async def reindex(asked: Asked) -> Response:
        require_store(await read_body(asked.request), admin.store_id)
        return JSONResponse(await admin.reindex())

    async def reload(asked: Asked) -> Response:
        await read_body(asked.request)
        return JSONResponse(await admin.reload())

    return [
        Endpoint("/v1/reload", "Read the configuration again.", handler=reload,
                 schema="Reloaded", method="POST", body="Nothing", writes=True),
        Endpoint("/v1/reindex", "Make the index anew from the journal.", handler=reindex,
                 schema="Reindexed", method="POST", body="StoreNamed", writes=True),
        Endpoint("/v1/trim", "Remove the oldest segments.", handler=trim, schema="Trimmed",
                 method="POST", body="StoreNamed", writes=True),
        Endpoint("/v1/redact", "Take the content of records out of the node.", handler=redact,
                 schema="Redacted", method="POST", body="Redaction", writes=True),
        Endpoint("/v1/dead-letters/replay", "Deliver again what a sink refused.", handler=replay,
                 schema="Replayed", method="POST", body="Replay", writes=True),
    ]  # fmt: skip


def require_store(body: dict[str, Any], store_id: str) -> None:
    """Refuse a body that means another store.

    Raises:
        InvalidRequest: It does, or names none. Not retryable.
    """
    if text_of(body, "store_id") != store_id:
        raise InvalidRequest(
            f"store_id: this daemon serves the store {store_id}",
            hint="name the daemon of your store with --run DIR",
        )


def text_of(body: dict[str, Any], field: str) -> str:
    """Return a text of a body.

    Raises:
        InvalidRequest: It is missing, empty or too long. Not retryable.
    """
    text = body.get(field)
    if not isinstance(text, str) or not 1 <= len(text.strip()) <= REDACT_TEXT_CHARACTERS_MAX:
        raise InvalidRequest(f"{field}: expected 1 to {REDACT_TEXT_CHARACTERS_MAX} characters")
    return text
