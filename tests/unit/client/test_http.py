"""HTTP servers and clients: one trace across the hop, with the real libraries on real sockets."""

import asyncio
import io
import socketserver
import threading
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.types import StartResponse
from wsgiref.util import FileWrapper
from wsgiref.validate import validator

import httpx
import pytest
import requests
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket

import sidespan
import sidespan.asgi
import sidespan.httpx
import sidespan.requests
import sidespan.wsgi
from sidespan.testing import Capture, CapturedSpan, capture
from tests.daemon import wait_until

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"
HEADERS = {"traceparent": PARENT, "tracestate": "a=1", "x-snakepit-correlation-id": "sp-7"}


@pytest.fixture
def spans() -> Iterator[Capture]:
    """Record into memory."""
    with capture() as captured:
        yield captured


def of_kind(spans: Capture, kind: str) -> CapturedSpan:
    """Return the one span of a kind, as soon as it is there."""
    wait_until(lambda: any(s.kind == kind for s in spans.spans), 10, f"a {kind} span")
    (found,) = [span for span in spans.spans if span.kind == kind]
    return found


async def _hello(request: Request) -> Response:
    sidespan.current().set(seen=request.path_params.get("who"))
    with sidespan.span("work"):
        await asyncio.sleep(0)
    return PlainTextResponse("hello", status_code=int(request.query_params.get("status", "200")))


async def _stream(_: Request) -> Response:
    async def parts() -> AsyncIterator[bytes]:
        for n in range(3):
            with sidespan.span(f"part {n}"):
                yield b"x"

    return StreamingResponse(parts())


async def _fail(_: Request) -> Response:
    raise LookupError("gone")


async def _echo(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text(sidespan.current().trace_id)
    await socket.close()


def asgi_app() -> Starlette:
    """Return an application of a real framework with the middleware."""
    return Starlette(
        routes=[
            Route("/hello/{who}", _hello),
            Route("/stream", _stream),
            Route("/fail", _fail),
            WebSocketRoute("/echo", _echo),
        ],
        middleware=[Middleware(sidespan.asgi.TraceMiddleware)],
    )


def asgi_get(path: str) -> httpx.Response:
    """Make one request of the application, without a socket."""

    async def get() -> httpx.Response:
        transport = httpx.ASGITransport(asgi_app(), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
            return await client.get(path, headers=HEADERS)

    return asyncio.run(get())


def test_an_asgi_request_is_a_span(spans: Capture) -> None:
    """A child of its caller's, current in the handler, with what HTTP's conventions name."""
    assert asgi_get("/hello/ann?secret=1").text == "hello"

    served = of_kind(spans, "server")
    assert (served.name, served.trace_id, served.parent_span_id) == ("GET", TRACE, SPAN)
    assert served.trace_state == "a=1"
    assert served.status == "unset"
    expected = {
        "http.request.method": "GET", "url.path": "/hello/ann", "url.scheme": "http",
        "http.response.status_code": 200, "seen": "ann", "sidespan.correlation_id": "sp-7",
        "http.route": "/hello/{who}",
    }  # fmt: skip
    assert expected.items() <= served.attributes.items()
    assert "secret" not in str(served.attributes)
    assert spans.named("work").parent_span_id == served.span_id
    assert sidespan.current().recording is False


def test_an_asgi_server_fails_by_its_own_failures(spans: Capture) -> None:
    """An exception and a 5xx are failures of the span; a 4xx is an answer."""
    assert asgi_get("/fail").status_code == 500
    assert asgi_get("/hello/x?status=503").status_code == 503
    assert asgi_get("/nowhere").status_code == 404

    served = [span for span in spans.spans if span.kind == "server"]
    assert [span.status for span in served] == ["error", "error", "unset"]
    assert served[0].attributes["error.type"] == "LookupError"
    assert served[1].message == "HTTP 503"
    assert served[2].attributes["http.response.status_code"] == 404


def test_an_asgi_body_is_made_within_the_span(spans: Capture) -> None:
    """A streamed one too, to its last part."""
    assert asgi_get("/stream").text == "xxx"

    served = of_kind(spans, "server")
    for n in range(3):
        part = spans.named(f"part {n}")
        assert part.parent_span_id == served.span_id
        assert part.end_ns <= served.end_ns


def test_a_websocket_and_the_lifespan(spans: Capture) -> None:
    """A WebSocket is one span; the application's own life is none."""
    with TestClient(asgi_app()) as client, client.websocket_connect(
        "/echo", headers=HEADERS
    ) as socket:  # fmt: skip
        assert socket.receive_text() == TRACE

    served = of_kind(spans, "server")
    assert served.parent_span_id == SPAN
    assert served.attributes["http.response.status_code"] == 101


def test_nothing_changes_while_off() -> None:
    """Answers and exceptions are the application's."""
    assert asgi_get("/hello/ann").text == "hello"
    with pytest.raises(LookupError, match="gone"):
        TestClient(asgi_app()).get("/fail")
    with serving(wsgi_app) as url, httpx.Client(transport=sidespan.httpx.Transport()) as client:
        assert client.get(f"{url}/hello").text == "hello"
        assert sidespan.requests.traced(requests.Session()).get(f"{url}/hello", timeout=9).ok


def wsgi_app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    """Answer by path."""
    path = environ["PATH_INFO"]
    if path == "/fail":
        raise LookupError("gone")
    sidespan.current().set(seen=path)
    start_response("503 No" if path == "/busy" else "200 OK", [("content-type", "text/plain")])
    if path == "/stream":
        return _parts()
    if path == "/file":
        return environ["wsgi.file_wrapper"](open(__file__, "rb"))  # noqa: PTH123 - As an application does.
    return [sidespan.current().trace_id.encode() if path == "/trace" else b"hello"]


def _parts() -> Iterator[bytes]:
    for n in range(3):
        with sidespan.span(f"part {n}"):
            yield b"x"


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Keep quiet."""

    def get_stderr(self) -> Any:
        """Return where a failing application's traceback goes."""
        return io.StringIO()


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """Serve an application with the standard library's server; yield its address."""
    server = make_server("127.0.0.1", 0, app, _Server, _Quiet)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_wsgi_request_is_a_span(spans: Capture) -> None:
    """A child of its caller's, current in the application; the body's length is still known."""
    with serving(validator(sidespan.wsgi.TraceMiddleware(wsgi_app))) as url:
        answer = requests.get(f"{url}/trace?secret=1", headers=HEADERS, timeout=9)

    assert answer.text == TRACE
    served = of_kind(spans, "server")
    assert (served.name, served.trace_id, served.parent_span_id) == ("GET", TRACE, SPAN)
    expected = {
        "http.request.method": "GET", "url.path": "/trace", "http.response.status_code": 200,
        "seen": "/trace", "sidespan.correlation_id": "sp-7", "client.address": "127.0.0.1",
    }  # fmt: skip
    assert expected.items() <= served.attributes.items()
    assert "secret" not in str(served.attributes)
    assert sidespan.current().recording is False


def test_a_wsgi_body_is_made_within_the_span(spans: Capture) -> None:
    """Part by part; a list keeps its length, and a file goes the server's way."""
    with serving(sidespan.wsgi.TraceMiddleware(wsgi_app)) as url:
        assert requests.get(f"{url}/stream", timeout=9).text == "xxx"
        served = of_kind(spans, "server")
        assert {span.parent_span_id for span in spans.spans[:3]} == {served.span_id}
        assert requests.get(f"{url}/hello", timeout=9).headers["content-length"] == "5"
        assert requests.get(f"{url}/file", timeout=9).content.startswith(b'"""HTTP')


def test_a_wsgi_server_fails_by_its_own_failures(spans: Capture) -> None:
    """An exception and a 5xx fail the span; the exception is the server's to handle."""
    app = sidespan.wsgi.TraceMiddleware(wsgi_app)
    with pytest.raises(LookupError, match="gone"):
        app({"PATH_INFO": "/fail"}, lambda *_: lambda _: None)
    with serving(app) as url:
        assert requests.get(f"{url}/busy", timeout=9).status_code == 503
    wait_until(lambda: len(spans.spans) == 2, 10, "both spans")

    assert [span.status for span in spans.spans] == ["error", "error"]
    assert sidespan.current().recording is False


def test_a_wsgi_body_that_nobody_reads_ends_its_span(spans: Capture) -> None:
    """Closed or forgotten, it is over."""
    app = sidespan.wsgi.TraceMiddleware(wsgi_app)
    for close in (True, False):
        environ = {"PATH_INFO": "/stream", "wsgi.file_wrapper": FileWrapper}
        body: Any = app(environ, lambda *_: lambda _: None)
        assert next(body) == b"x"
        assert sidespan.current().recording is False
        if close:
            body.close()
        del body

    assert len([span for span in spans.spans if span.kind == "server"]) == 2


def test_httpx_joins_client_and_server(spans: Capture) -> None:
    """The request carries the trace; status, address and failures are on the client's span."""
    with (
        serving(sidespan.wsgi.TraceMiddleware(wsgi_app)) as url,
        httpx.Client(transport=sidespan.httpx.Transport()) as client,
        sidespan.span("root") as root,
    ):
        answer = client.get(
            url.replace("//", "//user:pass@") + "/trace?key=hush",
            headers={"x-snakepit-correlation-id": "sp-7"},
        )

    assert answer.text == root.trace_id
    made, served = of_kind(spans, "client"), of_kind(spans, "server")
    assert (made.name, made.parent_span_id) == ("GET", root.span_id)
    assert served.parent_span_id == made.span_id
    assert made.attributes["url.full"] == f"{url}/trace"
    assert made.attributes["http.response.status_code"] == 200
    assert made.attributes["sidespan.correlation_id"] == "sp-7"
    assert "hush" not in str(made.attributes)
    assert "pass" not in str(made.attributes)


def test_an_httpx_span_lasts_as_long_as_its_body(spans: Capture) -> None:
    """Read or closed early; a refused connection fails it and goes on."""
    with (
        serving(wsgi_app) as url,
        httpx.Client(transport=sidespan.httpx.Transport()) as client,
    ):
        with client.stream("GET", f"{url}/stream") as answer:
            assert not [span for span in spans.spans if span.kind == "client"]
            assert answer.read() == b"xxx"
        with client.stream("GET", f"{url}/stream"):
            pass
        assert client.get(f"{url}/busy").status_code == 503
    with (
        httpx.Client(transport=sidespan.httpx.Transport()) as client,
        pytest.raises(httpx.ConnectError),
    ):
        client.get(url)

    made = [span for span in spans.spans if span.kind == "client"]
    assert [span.status for span in made] == ["unset", "unset", "error", "error"]
    assert made[3].attributes["error.type"] == "httpx.ConnectError"


@pytest.mark.slow
def test_httpx_async_against_uvicorn(spans: Capture) -> None:
    """One trace over a real asynchronous server, several requests at a time."""
    config = uvicorn.Config(asgi_app(), port=0, log_level="critical", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started, 20, "uvicorn to start")
        port = server.servers[0].sockets[0].getsockname()[1]

        async def main() -> None:
            async with httpx.AsyncClient(transport=sidespan.httpx.AsyncTransport()) as client:
                with sidespan.span("root"):
                    await asyncio.gather(
                        *(client.get(f"http://127.0.0.1:{port}/hello/{n}") for n in range(5))
                    )

        asyncio.run(main())
        wait_until(lambda: len(spans.spans) == 16, 10, "all spans")
    finally:
        server.should_exit = True
        thread.join()

    made = {span.span_id for span in spans.spans if span.kind == "client"}
    served = [span for span in spans.spans if span.kind == "server"]
    assert {span.parent_span_id for span in served} == made
    assert {span.trace_id for span in spans.spans} == {spans.named("root").trace_id}


def test_requests_joins_client_and_server(spans: Capture) -> None:
    """With one line; once however often it is said; failures go on."""
    session = sidespan.requests.traced(sidespan.requests.traced(requests.Session()))
    with (
        session,
        serving(sidespan.wsgi.TraceMiddleware(wsgi_app)) as url,
        sidespan.span("root") as root,
    ):
        answer = session.get(f"{url}/trace?key=hush", timeout=9)

    assert answer.text == root.trace_id
    made, served = of_kind(spans, "client"), of_kind(spans, "server")
    assert (made.parent_span_id, served.parent_span_id) == (root.span_id, made.span_id)
    assert made.attributes["url.full"] == f"{url}/trace"
    with session, pytest.raises(requests.ConnectionError):
        session.get(url, timeout=9)
    failed = [span for span in spans.spans if span.status == "error"]
    assert [span.attributes["error.type"] for span in failed] == [
        "requests.exceptions.ConnectionError"
    ]


def test_hostile_scopes_are_served(spans: Capture) -> None:
    """What cannot be read costs the span its details, never the request."""

    async def app(_: Any, __: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": "many"})

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {}

    sent: list[Any] = []
    scope = {"type": "http", "headers": [("text", 1)], "server": 5, "method": "BREW"}
    asyncio.run(sidespan.asgi.TraceMiddleware(app)(scope, receive, send))
    body = sidespan.wsgi.TraceMiddleware(lambda _, __: [b"x"])(
        {"HTTP_X": object(), "PATH_INFO": 5, "SERVER_PORT": object()}, lambda *_: None
    )
    assert list(body) == [b"x"]
    del body

    assert sent == [{"type": "http.response.start", "status": "many"}]
    served = [span for span in spans.spans if span.kind == "server"]
    assert [span.name for span in served] == ["HTTP", "GET"]
    assert served[0].attributes["http.request.method_original"] == "BREW"
