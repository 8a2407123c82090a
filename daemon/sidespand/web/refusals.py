"""Errors as HTTP answers.

An error is ``{"error": {"code", "message", "hint", "retryable"}}``; codes are stable.
"""

from http.client import NOT_FOUND

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sidespand.errors import (
    InvalidRequest,
    NotFound,
    PermissionRefused,
    SidespanError,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from sidespand.query.find import UnusableId

# The first that fits.
_STATUSES: tuple[tuple[type[SidespanError], int, str], ...] = (
    (InvalidRequest, 400, "invalid"),
    (UnusableId, 400, "invalid"),
    (Unauthenticated, 401, "unauthenticated"),
    (PermissionRefused, 403, "forbidden"),
    (NotFound, 404, "not_found"),
    (TooLarge, 413, "too_large"),
    (Unavailable, 503, "unavailable"),
)


async def not_routed(_request: Request, error: Exception) -> Response:
    """Answer for the router: there is no such route, or not with that method."""
    assert isinstance(error, HTTPException)
    code = "not_found" if error.status_code == NOT_FOUND else "invalid"
    return _answer(error.status_code, code, error.detail, "", dict(error.headers or {}))


def refusal(error: SidespanError) -> Response:
    """Return the answer for an error."""
    status, code = next(
        ((status, code) for kind, status, code in _STATUSES if isinstance(error, kind)),
        (500, "failed"),
    )
    headers = {}
    if isinstance(error, Unavailable):
        headers["retry-after"] = str(max(1, error.retry_after_ms // 1000))
    if isinstance(error, Unauthenticated):
        headers["www-authenticate"] = "Bearer"
    return _answer(status, code, str(error), error.hint, headers, retryable=error.retryable)


def _answer(
    status: int,
    code: str,
    message: str,
    hint: str,
    headers: dict[str, str],
    *,
    retryable: bool = False,
) -> Response:
    told = {"code": code, "message": message, "hint": hint, "retryable": retryable}
    return JSONResponse({"error": told}, status, headers)
