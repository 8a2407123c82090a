"""What every sink promises: each of ours keeps the contract that authors of others run, too."""

import asyncio
import contextlib
import json
import os
import re
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import grpc
import pytest

from sidespand.config import SinkConfig
from sidespand.model import Retry
from sidespand.ports import Sink
from sidespand.sinks import registry
from sidespand.sinks.console import ConsoleSink
from sidespand.testing import Side, SinkContract
from tests.collector import Collector, Failure, collecting
from tests.fakes import ScriptedSink
from tests.journals import NODE_REF, lsns
from tests.nats_servers import STREAM, NatsServer, add_stream, client_of, messages, serving
from tests.nats_servers import lsns as lsns_in

_T = TypeVar("_T")


def built(place: Path, kind: str, options: dict[str, object]) -> Sink:
    """Return a sink made of its configuration."""
    (plan,) = registry.parse([SinkConfig("under-test", kind, options)])
    return registry.build(plan, place / "sink", lambda *_: {"source_node_ref": NODE_REF})


class ScriptedSide:
    """A fake, so that the suite itself is known to be about carriers and sinks, not about OTLP."""

    def __init__(self) -> None:
        self.sinks: list[ScriptedSink] = []
        self.script: list[Retry] = []

    def make(self) -> Sink:
        """Return a sink with what is left of the script."""
        sink = ScriptedSink(*self.script)
        self.sinks.append(sink)
        return sink

    def held(self) -> list[int]:
        """Return what all of them took."""
        return [lsn for sink in self.sinks for lsn in lsns(sink.taken)]

    def fail(self, times: int) -> Callable[[], None]:
        """Script failures."""
        self.script = [Retry("scripted")] * times
        return lambda: None


class TestScripted(SinkContract):
    """The suite over a fake."""

    @asynccontextmanager
    async def side(self, _place: Path) -> AsyncIterator[Side]:
        """Yield the fake."""
        yield ScriptedSide()


class OtlpSide:
    """A collector on loopback."""

    def __init__(self, place: Path, collector: Collector) -> None:
        self._place = place
        self._collector = collector

    def make(self) -> Sink:
        """Return a sink that exports there."""
        options = {"endpoint": f"http://{self._collector.address}", "compression": "gzip"}
        return built(self._place, "otlp", options)

    def held(self) -> list[int]:
        """Return the stamps that arrived."""
        return self._collector.lsns()

    def fail(self, times: int) -> Callable[[], None]:
        """Answer that it is busy."""
        self._collector.answers += [Failure(grpc.StatusCode.UNAVAILABLE, "busy")] * times
        return lambda: None


class TestOtlp(SinkContract):
    """``otlp`` over gRPC."""

    @asynccontextmanager
    async def side(self, place: Path) -> AsyncIterator[Side]:
        """Yield a collector."""
        async with collecting() as collector:
            yield OtlpSide(place, collector)


class JsonlSide:
    """A file and its rotated ones; a directory in its place lets nothing be written."""

    def __init__(self, place: Path, options: dict[str, object]) -> None:
        self._place = place
        self._path = place / "spans.jsonl"
        self._options = options

    def make(self) -> Sink:
        """Return a sink that writes the file."""
        return built(self._place, "jsonl", {"path": str(self._path), **self._options})

    def held(self) -> list[int]:
        """Return the LSN of each line of a span."""
        paths = sorted(self._place.glob("spans.*-*.jsonl"))
        if self._path.is_file():
            paths.append(self._path)
        found = [json.loads(line) for path in paths for line in path.read_text().splitlines()]
        return [int(one["stamp"]["lsn"]) for one in found if one.get("type") != "run"]

    def fail(self, times: int) -> Callable[[], None]:
        """Put a directory in the way."""
        assert times
        self._path.mkdir()
        return self._path.rmdir


class TestJsonl(SinkContract):
    """``jsonl``, in one file."""

    holds_once = True
    options: dict[str, object] = {}  # noqa: RUF012 -- it is read alone.

    @asynccontextmanager
    async def side(self, place: Path) -> AsyncIterator[Side]:
        """Yield the file."""
        yield JsonlSide(place, self.options)


class TestJsonlRotated(TestJsonl):
    """``jsonl`` with a file for each line or two."""

    options = {"rotate_bytes": 1000}  # noqa: RUF012


class TestJsonlOfDecisionTracer(TestJsonl):
    """``jsonl`` in decision-tracer's format."""

    options = {"format": "decision-tracer"}  # noqa: RUF012


class TestJsonlOfAgentTrace(TestJsonl):
    """``jsonl`` in AgentTrace's format."""

    options = {"format": "agenttrace", "rotate_bytes": 1500}  # noqa: RUF012


class AitraceSide:
    """A directory of traces; a file in its place lets nothing be written."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._directory = place / "traces"

    def make(self) -> Sink:
        """Return a sink that writes each trace at once."""
        options = {"directory": str(self._directory), "quiet": "0s"}
        return built(self._place, "aitrace_file", options)

    def held(self) -> list[int]:
        """Return the LSN of every span in every file."""
        if not self._directory.is_dir():
            return []
        found = [
            [int(span["sidespan"]["lsn"]) for span in json.loads(path.read_bytes())["spans"]]
            for path in self._directory.glob("*.json")
            if not path.name.endswith(".evidence.json")
        ]
        return [lsn for one in sorted(found) for lsn in one]

    def fail(self, times: int) -> Callable[[], None]:
        """Put a file in the way."""
        assert times
        self._directory.write_bytes(b"")
        return self._directory.unlink


class TestAitraceFile(SinkContract):
    """``aitrace_file``."""

    holds_once = True

    @asynccontextmanager
    async def side(self, place: Path) -> AsyncIterator[Side]:
        """Yield the directory."""
        yield AitraceSide(place)


class ConsoleSide:
    """A pipe; while it is full nobody reads."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        self._read = b""

    def make(self) -> Sink:
        """Return a sink that prints into it."""
        return ConsoleSink(self._writer, "utf-8", verbose=True, colour=False, wait_s=0.01)

    def held(self) -> list[int]:
        """Return the LSNs that were printed."""
        with contextlib.suppress(BlockingIOError):
            self._read += os.read(self._reader, 1 << 20)
        return [int(lsn) for lsn in re.findall(rb" lsn (\d+) ", self._read)]

    def fail(self, times: int) -> Callable[[], None]:
        """Fill the pipe."""
        assert times
        os.set_blocking(self._writer, False)
        try:
            while True:
                os.write(self._writer, b"x" * 4096)
        except BlockingIOError:
            os.set_blocking(self._writer, True)

        def relieve() -> None:
            self.held()

        return relieve

    def close(self) -> None:
        """Close both ends."""
        os.close(self._reader)
        os.close(self._writer)


class TestConsole(SinkContract):
    """``console``."""

    @asynccontextmanager
    async def side(self, _place: Path) -> AsyncIterator[Side]:
        """Yield the pipe."""
        side = ConsoleSide()
        try:
            yield side
        finally:
            side.close()


class NatsSide:
    """A server; without its stream nothing is taken."""

    def __init__(self, place: Path, server: NatsServer) -> None:
        self._place = place
        self._server = server

    def make(self) -> Sink:
        """Return a sink that publishes there."""
        return built(self._place, "nats", {"servers": [self._server.url], "timeout": "2s"})

    def held(self) -> list[int]:
        """Return the stamps in the stream, asked by a client with a loop of its own."""

        async def ask() -> list[int]:
            async with client_of(self._server.url) as client:
                names = [one.config.name for one in await client.jetstream().streams_info()]
                return lsns_in(await messages(client)) if STREAM in names else []

        return self._apart(ask)

    def fail(self, times: int) -> Callable[[], None]:
        """Remove the stream; it is made again afterwards."""
        assert times

        async def remove() -> None:
            async with client_of(self._server.url) as client:
                await client.jetstream().delete_stream(STREAM)

        async def add() -> None:
            async with client_of(self._server.url) as client:
                await add_stream(client)

        self._apart(remove)
        return lambda: self._apart(add)

    def _apart(self, ask: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(lambda: asyncio.run(ask())).result()


@pytest.mark.slow
class TestNats(SinkContract):
    """``nats``, with a stream that knows what it has."""

    holds_once = True

    @asynccontextmanager
    async def side(self, place: Path) -> AsyncIterator[Side]:
        """Yield a server with its stream."""
        with serving(place) as server:
            async with client_of(server.url) as client:
                await add_stream(client)
            yield NatsSide(place, server)
