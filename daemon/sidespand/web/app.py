"""The API of one door: the table of its endpoints, served.

Who may ask is decided before, by the guard: on ``api.sock`` by the socket's mode, on TCP by the
token. What changes the store is on ``api.sock`` alone, and where a group may ask there, for the
daemon's own user and root.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from sidespand.answers.stock import Stock
from sidespand.errors import PermissionRefused, SidespanError
from sidespand.limits import API_ORDERS_MAX, API_QUESTIONS_MAX, API_THREADS
from sidespand.web import evidence, openapi, pages, spans, state, stream, sums, traces, writing
from sidespand.web.access import Door
from sidespand.web.encoding import encoded_without
from sidespand.web.evidence import Checker
from sidespand.web.guard import Guard
from sidespand.web.pool import Pool
from sidespand.web.refusals import not_routed, refusal
from sidespand.web.server import PEER_UID
from sidespand.web.stream import Feed
from sidespand.web.table import Endpoint, read_parameters
from sidespand.web.writing import Admin

_log = logging.getLogger(__name__)
_OPENAPI = "/v1/openapi.json"


class Api:
    """What the doors of one worker share; must be made on its event loop.

    Args:
        stock: What answers are made of.
        admin: Does what changes the store.
        checker: Checks the store.
        web: Returns where the page is; None where it is off.
        ingest: The socket of thin clients.
    """

    def __init__(
        self,
        stock: Stock,
        admin: Admin,
        checker: Checker,
        web: Callable[[], str | None],
        ingest: Path,
    ) -> None:
        self._pool = Pool("api", API_THREADS, API_QUESTIONS_MAX)
        self._slow = Pool("api-order", 1, API_ORDERS_MAX)
        self._secrets = stock.secrets
        self._feed = Feed(stock, self._pool)
        self.endpoints: Sequence[Endpoint] = (
            *state.endpoints(stock, web, ingest),
            *traces.endpoints(stock),
            *sums.endpoints(stock, self._pool),
            *spans.endpoints(stock, self._pool),
            *evidence.endpoints(stock, checker),
            *stream.endpoints(stock, self._pool, self._feed),
            *writing.endpoints(admin),
        )

    def app(self, door: Door) -> ASGIApp:
        """Return what one door serves."""
        served = [one for one in self.endpoints if door.writes or not one.writes]
        document = openapi.document(served)
        page = pages.docs_page(document)

        async def described(_request: Request) -> Response:
            return JSONResponse(document)

        async def docs(_request: Request) -> Response:
            return HTMLResponse(page)

        async def style(_request: Request) -> Response:
            return Response(pages.DOCS_STYLE, media_type="text/css")

        paths = dict.fromkeys(one.path for one in served)
        routes = [
            *(self._route(path, served, door) for path in paths),
            Route(_OPENAPI, described, methods=["GET"]),
            Route("/docs", docs, methods=["GET"]),
            Route("/docs.css", style, methods=["GET"]),
            *pages.routes(),
        ]
        inner = Starlette(routes=routes, exception_handlers={HTTPException: not_routed})
        return Guard(inner, door, public=(_OPENAPI,))

    async def close(self) -> None:
        """End the streams, and begin no question more."""
        await self._feed.close()
        self._pool.close()
        self._slow.close()

    def _route(self, path: str, served: Sequence[Endpoint], door: Door) -> Route:
        # One for all methods of a path: the router answers for those that it has not.
        handlers = {one.method: self._served(one, door) for one in served if one.path == path}

        async def serve(request: Request) -> Response:
            # HEAD is asked as GET; the server leaves the body out.
            method = "GET" if request.method == "HEAD" else request.method
            return await handlers[method](request)

        return Route(path, serve, methods=list(handlers))

    def _served(self, endpoint: Endpoint, door: Door) -> Callable[[Request], Awaitable[Response]]:
        async def serve(request: Request) -> Response:
            try:
                if endpoint.writes and not door.may_write(getattr(request.state, PEER_UID, None)):
                    raise PermissionRefused(
                        "only the daemon's own user, and root, may change the store",
                        hint="run the command as that user, such as with sudo",
                    )
                asked = read_parameters(request, endpoint.parameters)
                if endpoint.handler is not None:
                    return await endpoint.handler(asked)
                answer = endpoint.answer
                assert answer is not None
                pool = self._slow if endpoint.slow else self._pool
                body = await pool.run(lambda: encoded_without(answer(asked), self._secrets))
                return Response(body, media_type="application/json")
            except SidespanError as error:
                return refusal(error)
            except Exception:
                _log.exception("%s %s failed", endpoint.method, endpoint.path)
                return refusal(SidespanError("this went wrong", hint="the daemon's log says more"))

        return serve
