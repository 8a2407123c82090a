"""The files of the web page, and nothing beside them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from sidespand.web import openapi, pages
from sidespand.web.table import Endpoint, Parameter

HIDDEN = "what nobody may read"


@pytest.fixture
def static(tmp_path: Path) -> Path:
    """Return a directory with a page, and a secret beside it."""
    root = tmp_path / "static"
    (root / "assets").mkdir(parents=True)
    (root / "index.html").write_text("<!doctype html><title>page</title>")
    (root / "icon.svg").write_text("<svg/>")
    (root / "assets/app-1a2b.js").write_text("let x")
    (tmp_path / "secret.js").write_text(HIDDEN)
    (root / "assets/link.js").symlink_to(tmp_path / "secret.js")
    (root / "assets/.hidden.js").write_text(HIDDEN)
    (root / "assets/key.pem").write_text(HIDDEN)
    return root


@pytest.fixture
def client(static: Path) -> Iterator[TestClient]:
    """Return a client of the page."""
    with TestClient(Starlette(routes=pages.routes(static))) as one:
        yield one


@pytest.mark.parametrize("route", ["/", "/t/aabbcc", "/t/aabbcc/deep", "/t/x?view=flow"])
def test_every_path_of_the_page_is_the_page(client: TestClient, route: str) -> None:
    """A deep link opens; a new build is seen at once."""
    answer = client.get(route)
    assert (answer.status_code, "page" in answer.text) == (200, True)
    assert answer.headers["cache-control"] == "no-cache"


def test_assets_are_kept(client: TestClient) -> None:
    """Their names change with what is in them."""
    answer = client.get("/assets/app-1a2b.js")
    assert answer.headers["content-type"].startswith("text/javascript")
    assert "immutable" in answer.headers["cache-control"]
    assert client.get("/icon.svg").headers["content-type"].startswith("image/svg+xml")


@pytest.mark.parametrize(
    "route",
    [
        "/assets/../../secret.js",
        "/assets/..%2F..%2Fsecret.js",
        "/assets/%2e%2e%2f%2e%2e%2fsecret.js",
        "/assets/..%5c..%5csecret.js",
        "/..%2fsecret.js",
        "/assets/%00app-1a2b.js",
        "/assets/app-1a2b.js%00",
        "/assets/link.js",
        "/assets/.hidden.js",
        "/assets/key.pem",
        "/assets/",
        "/assets/nothing.js",
        "/secret.js",
        "//etc/passwd",
    ],
)
def test_no_name_leads_elsewhere(client: TestClient, route: str) -> None:
    """Dots, slashes in any spelling, links and foreign kinds of files are not there."""
    answer = client.get(route)
    assert answer.status_code == 404
    assert HIDDEN not in answer.text


def test_without_a_build_it_says_how_to_make_one(tmp_path: Path) -> None:
    """A checkout serves the API all the same."""
    with TestClient(Starlette(routes=pages.routes(tmp_path))) as client:
        assert "make ui" in client.get("/").text


def test_the_page_of_the_api_shows_texts_as_texts() -> None:
    """Whatever stands in the table."""
    endpoint = Endpoint(
        "/v1/<x>", "a & b", schema="Status", parameters=(Parameter("<q>", '"<b>"'),)
    )
    page = pages.docs_page(openapi.document([endpoint]))
    assert "&lt;b&gt;" in page
    assert "<x>" not in page
    assert "<script" not in page
