"""The API over a store of a test, served in this process on a socket and on TCP."""

import asyncio
import http.client
import json
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from sidespand.ai import normaliser
from sidespand.answers.stock import Stock
from sidespand.errors import SidespanError
from sidespand.index.reader import IndexReader
from sidespand.journal.reader import JournalReader
from sidespand.model import Content
from sidespand.web.access import Door
from sidespand.web.app import Api
from sidespand.web.server import ApiServer
from tests.journals import run, write

STORE_ID = "00" * 16
TOKEN = "the-token-of-these-tests"


class Desk:
    """Implements ``web.writing.Admin``: remembers what is asked, answers or raises."""

    store_id = STORE_ID

    def __init__(self, error: SidespanError | None = None) -> None:
        self.error = error
        self.asked: list[tuple[list[str], str, str]] = []

    async def redact(self, positions: list[str], actor: str, reason: str) -> dict[str, Any]:
        """Note it."""
        self.asked.append((positions, actor, reason))
        if self.error is not None:
            raise self.error
        return {"position": "done"}

    async def replay(self, sink: str, letters: Any) -> dict[str, Any]:
        """Say what was asked."""
        return {"sink": sink, "letters": letters}

    async def trim(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Say what was asked."""
        return dict(body)

    async def reindex(self) -> dict[str, Any]:
        """Say nothing."""
        return {}

    async def reload(self) -> dict[str, Any]:
        """Say that nothing has changed."""
        return {"started": [], "stopped": [], "restart": []}


class Check:
    """Implements ``web.evidence.Checker``: counts how often it is begun."""

    def __init__(self) -> None:
        self.begun = 0

    def begin(self) -> None:
        """Count."""
        self.begun += 1

    def document(self) -> dict[str, Any]:
        """Say how often."""
        nothing: dict[str, Any] = {"findings": [], "established": [], "not_established": []}
        return {"running": self.begun > 0, "at_ns": None, "ok": None, **nothing}


class Doors(NamedTuple):
    """Where a served API is.

    Args:
        path: Of its socket.
        port: Of its TCP door on 127.0.0.1.
        api: The API.
    """

    path: Path
    port: int
    api: Api


class Told(NamedTuple):
    """An answer.

    Args:
        status: Of HTTP.
        headers: By lower-case name.
        body: As bytes.
    """

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@asynccontextmanager
async def serving(
    place: Path,
    *,
    desk: Desk | None = None,
    contents: Sequence[Content] = (),
    origins: Sequence[str] = (),
    index: IndexReader | None = None,
) -> AsyncIterator[Doors]:
    """Serve the API of a store that is made in ``place``."""
    await write(place / "data", contents)
    reader = JournalReader(place / "data")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(os.fspath(place / "api.sock"))
    tcp = socket.create_server(("127.0.0.1", 0))
    for one in (listener, tcp):
        one.listen()
        one.setblocking(False)
    port = tcp.getsockname()[1]
    stock = Stock(reader, normaliser(), index)
    web = f"http://127.0.0.1:{port}"
    api = Api(stock, desk or Desk(), Check(), lambda: web, place / "ingest.sock")
    hosts = ("localhost", "127.0.0.1")
    servers = [
        ApiServer(api.app(Door(hosts, writes=True)), [listener]),
        ApiServer(api.app(Door(hosts, origins, TOKEN)), [tcp]),
    ]
    for server in servers:
        server.start()
    try:
        yield Doors(place / "api.sock", port, api)
    finally:
        await api.close()
        for server in servers:
            await server.close()
        reader.close()


def ask(
    where: Path | int,
    method: str,
    route: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> Told:
    """Return the answer to one request; blocks.

    Args:
        where: A socket, or a port of 127.0.0.1.
        method: Of HTTP.
        route: Path and query.
        body: None for none.
        headers: Beside those that HTTP needs.
    """
    connection = http.client.HTTPConnection("localhost", timeout=20)
    if isinstance(where, Path):
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(os.fspath(where))
    else:
        connection.sock = socket.create_connection(("127.0.0.1", where))
    try:
        connection.request(method, route, body, headers or {})
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return Told(response.status, found, response.read())
    finally:
        connection.close()


def served(
    place: Path,
    use: Callable[[Doors], Awaitable[None]],
    *,
    desk: Desk | None = None,
    contents: Sequence[Content] = (),
    origins: Sequence[str] = (),
) -> None:
    """Run ``use`` beside a served API."""

    async def test() -> None:
        async with serving(place, desk=desk, contents=contents, origins=origins) as doors:
            await use(doors)

    run(test())


def answered(
    place: Path,
    method: str,
    route: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
    *,
    desk: Desk | None = None,
    tcp: bool = False,
    origins: Sequence[str] = (),
) -> Told:
    """Return the answer to one request over the socket, or over TCP."""
    got: list[Told] = []

    async def use(doors: Doors) -> None:
        where = doors.port if tcp else doors.path
        got.append(await asyncio.to_thread(ask, where, method, route, body, headers))

    served(place, use, desk=desk, origins=origins)
    return got[0]
