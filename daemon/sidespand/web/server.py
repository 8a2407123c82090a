"""Serves the API on sockets that somebody else has bound, in the running event loop."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Iterator, Sequence

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sidespand import platform
from sidespand.errors import Unavailable
from sidespand.limits import API_CONNECTIONS_MAX, API_HEAD_S
from sidespand.web.refusals import refusal

# In the state of a request: the uid of a Unix socket's peer.
PEER_UID = "peer_uid"


class _Protocol(HttpToolsProtocol):
    """One connection: it is closed when it is slow to say what it wants."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_head()
        connection = transport.get_extra_info("socket")
        if connection is not None and connection.family == socket.AF_UNIX:
            # Each request of the connection gets a copy.
            uid = platform.peer_credentials(connection).uid
            self.app_state = {**self.app_state, PEER_UID: uid}

    def connection_lost(self, exc: Exception | None) -> None:
        self._expect_nothing()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        self._expect_head()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._expect_nothing()
        self.app = self.config.loaded_app if self._has_room() else _crowded
        super().on_headers_complete()

    def _has_room(self) -> bool:
        return len(self.connections) <= API_CONNECTIONS_MAX

    def _expect_head(self) -> None:
        self._expect_nothing()
        self._deadline = self.loop.call_later(API_HEAD_S, self.transport.close)

    def _expect_nothing(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


async def _crowded(scope: Scope, receive: Receive, send: Send) -> None:
    error = Unavailable("too many connections at once", hint="close other windows on this page")
    answer = refusal(error)
    answer.headers["connection"] = "close"
    await answer(scope, receive, send)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.stopping = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # The process decides about signals, not one of its servers.
        yield

    async def main_loop(self) -> None:
        # It would wake ten times a second to see whether it should end.
        await self.stopping.wait()


class ApiServer:
    """One server.

    Args:
        app: What answers.
        sockets: They listen already; they are closed with the server.
    """

    def __init__(self, app: ASGIApp, sockets: Sequence[socket.socket]) -> None:
        # Its starts and stops are the worker's.
        logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
        config = uvicorn.Config(
            app,
            http=_Protocol,
            ws="none",
            lifespan="off",
            loop="none",
            interface="asgi3",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=1,
        )
        self._server = _Server(config)
        self._sockets = list(sockets)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to answer."""
        self._task = asyncio.get_running_loop().create_task(self._server.serve(self._sockets))

    async def close(self) -> None:
        """Take no new request; let those that run go on for a second."""
        self._server.stopping.set()
        if self._task is not None:
            await self._task
