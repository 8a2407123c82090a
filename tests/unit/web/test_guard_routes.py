"""No route of the API is left out of what guards them all."""

import asyncio
import re
from pathlib import Path

import pytest

from tests.api_server import TOKEN, Doors, ask, served

BEARER = {"Authorization": f"Bearer {TOKEN}"}
PUBLIC = ("/v1/openapi.json",)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, 401),
        ({"Authorization": f"Bearer {TOKEN}x"}, 401),
        ({**BEARER, "Host": "evil.example"}, 403),
        ({**BEARER, "Origin": "https://evil.example"}, 403),
        ({**BEARER, "Sec-Fetch-Site": "cross-site"}, 403),
    ],
    ids=["no token", "another token", "another name", "another origin", "from elsewhere"],
)
def test_every_route_refuses_over_tcp(
    tmp_path: Path, headers: dict[str, str], expected: int
) -> None:
    """Answers, streams, contents and what only the socket has."""
    told: dict[str, int] = {}

    async def use(doors: Doors) -> None:
        for endpoint in doors.api.endpoints:
            if not endpoint.path.startswith("/v1/") or endpoint.path in PUBLIC:
                continue
            route = re.sub(r"\{[^}]*\}", "00112233445566778899aabbccddeeff", endpoint.path)
            answer = await asyncio.to_thread(ask, doors.port, endpoint.method, route, None, headers)
            told[f"{endpoint.method} {endpoint.path}"] = answer.status

    served(tmp_path, use)

    assert len(told) > 15
    assert "GET /v1/stream" in told
    assert {route: status for route, status in told.items() if status != expected} == {}
