"""Who may ask the API, on either door, and what every answer forbids a browser."""

import json
from pathlib import Path

import pytest

from tests.api_server import STORE_ID, TOKEN, Desk, answered

BEARER = {"Authorization": f"Bearer {TOKEN}"}
JSON = {"Content-Type": "application/json"}
FRIEND = "https://traces.example"
REDACTION = json.dumps(
    {"store_id": STORE_ID, "positions": ["00112233445566aa:7"], "actor": "ann", "reason": "why"}
).encode()


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (BEARER, 200),
        ({"Authorization": f"bearer {TOKEN}"}, 200),
        ({}, 401),
        ({"Authorization": "Bearer "}, 401),
        ({"Authorization": f"Bearer {TOKEN}x"}, 401),
        ({"Authorization": f"Bearer {TOKEN[:-1]}"}, 401),
        ({"Authorization": f"Basic {TOKEN}"}, 401),
        ({"Authorization": TOKEN}, 401),
        ({"Authorization": "Bearer \xff\xfe"}, 401),
        ({**BEARER, "Host": "evil.example"}, 403),
        ({**BEARER, "Host": "127.0.0.1.evil.example:4320"}, 403),
        ({**BEARER, "Host": ""}, 403),
        ({**BEARER, "Host": "localhost:4320", "Origin": "http://localhost:4320"}, 200),
        ({**BEARER, "Host": "localhost:4320", "Origin": "http://localhost:9999"}, 403),
        ({**BEARER, "Origin": "https://evil.example"}, 403),
        ({**BEARER, "Origin": "null"}, 403),
        ({**BEARER, "Origin": "http://["}, 403),
        ({**BEARER, "Sec-Fetch-Site": "cross-site"}, 403),
        ({**BEARER, "Sec-Fetch-Site": "same-site"}, 403),
        ({**BEARER, "Sec-Fetch-Site": "same-origin"}, 200),
        ({**BEARER, "Origin": FRIEND, "Sec-Fetch-Site": "cross-site"}, 200),
        ({"Origin": FRIEND, "Sec-Fetch-Site": "cross-site"}, 401),
    ],
)
def test_who_may_ask_over_tcp(tmp_path: Path, headers: dict[str, str], expected: int) -> None:
    """Only who knows the token, calls this server by its name and comes from its own page."""
    told = answered(tmp_path, "GET", "/v1/status", headers=headers, tcp=True, origins=[FRIEND])
    assert told.status == expected
    assert (told.headers.get("www-authenticate") == "Bearer") is (expected == 401)


def test_the_socket_asks_for_no_token(tmp_path: Path) -> None:
    """Its mode has decided already."""
    assert answered(tmp_path, "GET", "/v1/status").status == 200


@pytest.mark.parametrize("route", ["/v1/redact", "/v1/dead-letters/replay"])
def test_nothing_changes_the_store_over_tcp(tmp_path: Path, route: str) -> None:
    """Even with the token the route is not there, nor in the document of that door."""
    desk = Desk()
    told = answered(tmp_path, "POST", route, REDACTION, {**BEARER, **JSON}, desk=desk, tcp=True)
    assert (told.status, desk.asked) == (404, [])


def test_the_page_and_the_documents_need_no_token(tmp_path: Path) -> None:
    """They tell nothing of what was recorded; the page asks for the token itself."""
    for route in ("/", "/t/00112233?view=flow", "/docs", "/docs.css", "/v1/openapi.json"):
        place = tmp_path / route.replace("/", "_").replace("?", "_")
        place.mkdir()
        assert answered(place, "GET", route, tcp=True).status == 200, route


@pytest.mark.parametrize("route", ["/", "/v1/status", "/v1/nothing", "/docs", "/assets/x.js"])
def test_every_answer_forbids_what_a_page_does_not_need(tmp_path: Path, route: str) -> None:
    """No inline script, nothing from elsewhere, no frame, no guess of a type, no referrer."""
    headers = answered(tmp_path, "GET", route, tcp=True).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self';")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    # What was recorded stays in no cache; the page itself may, and is asked for again.
    assert headers["cache-control"] == ("no-cache" if route == "/" else "no-store")
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "access-control-allow-origin" not in headers


def test_a_named_origin_is_told_that_it_may_read(tmp_path: Path) -> None:
    """And its browser may ask with the token; another origin's preflight gets no such leave."""
    asked = {"Origin": FRIEND, "Access-Control-Request-Method": "GET"}
    told = answered(tmp_path, "OPTIONS", "/v1/traces", headers=asked, tcp=True, origins=[FRIEND])
    assert told.status == 204
    assert told.headers["access-control-allow-origin"] == FRIEND
    allowed = told.headers["access-control-allow-headers"].split(", ")
    assert {"authorization", "last-event-id", "range"} <= set(allowed)
    assert told.headers["vary"] == "Origin"
    asking = tmp_path / "asking"
    asking.mkdir()
    given = {**BEARER, "Origin": FRIEND}
    told = answered(asking, "GET", "/v1/status", headers=given, tcp=True, origins=[FRIEND])
    shown = told.headers["access-control-expose-headers"].split(", ")
    assert set(shown) == {"content-range", "retry-after"}
    assert told.headers["access-control-allow-origin"] == FRIEND
    other = tmp_path / "other"
    other.mkdir()
    told = answered(other, "OPTIONS", "/v1/traces", headers=asked, tcp=True)
    assert told.status == 403
    assert "access-control-allow-origin" not in told.headers


def test_a_question_is_short(tmp_path: Path) -> None:
    """A query line of megabytes is not parsed."""
    told = answered(tmp_path, "GET", "/v1/traces?q=" + "a" * 20_000)
    assert told.status == 413


@pytest.mark.parametrize(
    ("route", "words"),
    [
        ("/v1/traces?what=x", "what"),
        ("/v1/traces?limit=0", "limit"),
        ("/v1/traces?limit=99999999999999999999", "limit"),
        ("/v1/traces?limit=-1", "limit"),
        ("/v1/traces?limit=%D9%A3", "limit"),
        ("/v1/stats?by=colour", "by"),
        ("/v1/stats", "by"),
        ("/v1/compare?a=1", "b"),
        ("/v1/traces?q=x&q=y", "q"),
        ("/v1/spans/aabbcc/diff?of=nothing", "of"),
    ],
)
def test_a_parameter_that_is_none_is_named(tmp_path: Path, route: str, words: str) -> None:
    """Whatever is misspelt, out of its bounds, missing or given twice."""
    told = answered(tmp_path, "GET", route)
    assert (told.status, told.json["error"]["code"]) == (400, "invalid")
    assert words in told.json["error"]["message"]
