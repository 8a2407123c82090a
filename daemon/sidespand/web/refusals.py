"""Documents and errors as HTTP answers.

An error is ``{"error": {"code", "message", "hint"}}``; codes are stable.
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
    Unavailable,
)

# The first that fits.
_STATUSES: tuple[tuple[type[SidespanError], int, str], ...] = (
    (InvalidRequest, 400, "invalid"),
    (PermissionRefused, 403, "forbidden"),
    (NotFound, 404, "not_found"),
    (TooLarge, 413, "too_large"),
    (Unavailable, 503, "unavailable"),
)


async def not_routed(_request: Request, error: Exception) -> Response:
    """Answer for the router: there is no such route, or not with that method."""
    assert isinstance(error, HTTPException)
    code = "not_found" if error.status_code == NOT_FOUND else "invalid"
    body = {"error": {"code": code, "message": error.detail, "hint": ""}}
    return JSONResponse(body, error.status_code, error.headers)


def refusal(error: SidespanError) -> Response:
    """Return the answer for an error."""
    status, code = next(
        ((status, code) for kind, status, code in _STATUSES if isinstance(error, kind)),
        (500, "failed"),
    )
    body = {"error": {"code": code, "message": str(error), "hint": error.hint}}
    answer = JSONResponse(body, status)
    if isinstance(error, Unavailable):
        answer.headers["retry-after"] = str(max(1, error.retry_after_ms // 1000))
    return answer
