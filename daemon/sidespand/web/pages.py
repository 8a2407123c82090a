"""The web page, and what says how to build it where it is not built.

Files come out of one directory by names without a slash: no name leads elsewhere.
"""

import html
import re
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from sidespand.errors import NotFound
from sidespand.web.refusals import refusal

STATIC = Path(__file__).with_name("static")
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")
# The names of assets change with what is in them; the page's own does not.
_FOREVER = "public, max-age=31536000, immutable"
_ALWAYS_ASK = "no-cache"
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml",
          ".map": "application/json", ".woff2": "font/woff2", ".png": "image/png",
          ".ico": "image/x-icon", ".txt": "text/plain", ".webmanifest": "application/json",
          ".json": "application/json"}  # fmt: skip
_NOT_BUILT = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Sidespan</title>
<h1>The web page is not built</h1>
<p>This is a checkout without it. Build it with <code>make ui</code> (Node 20 or later) and load
this page again. The API answers meanwhile: <a href="/docs">what it can be asked</a>.</p>
</html>
"""

DOCS_STYLE = """:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif }
main { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h2 { font-size: 1rem; margin: 2rem 0 0.25rem }
p { margin: 0.25rem 0 }
table { border-collapse: collapse; margin-top: 0.5rem }
td { border-top: 1px solid #8886; padding: 0.2rem 1rem 0.2rem 0; vertical-align: top }
"""


def routes(static: Path = STATIC) -> list[Route]:
    """Return the routes of the page.

    Args:
        static: The directory that its build made.
    """

    async def page(_request: Request) -> Response:
        try:
            body = (static / "index.html").read_bytes()
        except FileNotFoundError:
            return HTMLResponse(_NOT_BUILT, headers={"cache-control": _ALWAYS_ASK})
        return HTMLResponse(body, headers={"cache-control": _ALWAYS_ASK})

    async def asset(request: Request) -> Response:
        return _file(static / "assets", request.path_params["name"], _FOREVER)

    async def beside(request: Request) -> Response:
        return _file(static, request.path_params["name"], _ALWAYS_ASK)

    return [
        Route("/", page, methods=["GET"]),
        Route("/t/{rest:path}", page, methods=["GET"]),
        Route("/assets/{name}", asset, methods=["GET"]),
        Route("/{name}", beside, methods=["GET"]),
    ]


def docs_page(document: dict[str, Any]) -> str:
    """Return a page that says what the API can be asked: no script, nothing from elsewhere.

    Args:
        document: The OpenAPI document.
    """
    operations = "\n".join(
        _operation(path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    )
    info = document["info"]
    title = f"{html.escape(info['title'])} {html.escape(info['version'])}: the API"
    return (
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{title}</title>\n'
        f'<link rel="stylesheet" href="/docs.css"><main><h1>{title}</h1>\n'
        f"<p>{html.escape(info['description'])}</p>\n"
        '<p>The same for programs: <a href="/v1/openapi.json">openapi.json</a>.</p>\n'
        f"{operations}</main></html>\n"
    )


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{html.escape(one['name'])}</code></td>"
        f"<td>{html.escape(one['description'])}</td></tr>"
        for one in operation["parameters"]
    )
    return (
        f"<section><h2>{method.upper()} <code>{html.escape(path)}</code></h2>"
        f"<p>{html.escape(operation['summary'])}</p><table>{rows}</table></section>"
    )


def _file(directory: Path, name: str, keep: str) -> Response:
    path = directory / name
    kind = _TYPES.get(path.suffix)
    if not _NAME.fullmatch(name) or kind is None or path.is_symlink() or not path.is_file():
        return refusal(NotFound(f"there is nothing at {name[:64]!r}"))
    return Response(path.read_bytes(), media_type=kind, headers={"cache-control": keep})
