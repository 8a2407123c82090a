"""What stock exporters make of our refusals: what docs/otlp.md says of each, and no other."""

import asyncio
import re
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import pytest

from sidespand.errors import TooLarge, Unavailable
from sidespand.model import Kind
from tests.daemon import running
from tests.doors import TCP_FLAGS, ports
from tests.e2e.exporters.answerer import ScriptedAdmission, answering, told
from tests.e2e.exporters.programs import EXPORTERS, LANGUAGES, RUN_S_MAX, Exporter, emit, install
from tests.journals import records_of

PAGE = Path(__file__).parents[3] / "docs/otlp.md"
DELAY_S = 2.0
# A timer may be early by a tick.
TICK_S = 0.01
AGAIN, LOST = "sent again", "lost"

Try = Callable[[Exporter, Path], Awaitable[str]]

pytestmark = pytest.mark.slow


def documented(column: str, language: str) -> dict[str, str]:
    """Return what the page says under ``column``, by exporter."""
    section = PAGE.read_text(encoding="utf-8").split("\n## Stock exporters\n")[1]
    found = {}
    heads: list[str] = []
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|"):
            heads = []
        elif not heads:
            heads = cells
        elif column in heads:
            found[cells[0]] = cells[heads.index(column)]
    return {one.name: found[one.name] for one in EXPORTERS if one.language == language}


def happened(language: str, attempt: Try, root: Path) -> Mapping[str, str]:
    """Return what ``attempt`` says of each exporter of a language; they run side by side."""
    install(language)
    exporters = [one for one in EXPORTERS if one.language == language]

    async def all_of_them() -> list[str]:
        roots = [root / str(number) for number in range(len(exporters))]
        for one in roots:
            one.mkdir()
        return await asyncio.gather(*map(attempt, exporters, roots))

    names = [one.name for one in exporters]
    return dict(zip(names, asyncio.run(all_of_them()), strict=True))


def stored(root: Path) -> int:
    """Return how many records of spans a store holds."""
    return sum(one.header.kind is Kind.SPANS for one in records_of(root / "data"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_who_comes_back_when_told_to_wait(language: str, tmp_path: Path) -> None:
    """After UNAVAILABLE or 503 with a delay the batch comes once more, no earlier, or is lost."""

    async def attempt(exporter: Exporter, root: Path) -> str:
        refusal = Unavailable("the disk is full", retry_after_ms=int(DELAY_S * 1000))
        emitted, attempts_s = await told(exporter, root, refusal, "")
        assert emitted.ok == bool(stored(root))
        if not emitted.ok:
            assert len(attempts_s) == 1
            return LOST
        first_s, second_s = attempts_s
        assert second_s - first_s > DELAY_S - TICK_S
        return AGAIN

    assert happened(language, attempt, tmp_path) == documented("told to wait", language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_who_outlives_a_restart(language: str, tmp_path: Path) -> None:
    """A connection that breaks before the daemon is back costs the batch, or it comes again."""

    async def attempt(exporter: Exporter, root: Path) -> str:
        with socket.create_server(("127.0.0.1", 0)) as going:
            going.setblocking(False)
            port = going.getsockname()[1]
            emitting = asyncio.create_task(emit(exporter, port))
            async with asyncio.timeout(RUN_S_MAX):
                connection, _ = await asyncio.get_running_loop().sock_accept(going)
            # A process that is killed with unread bytes resets its connections.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
        async with answering(exporter, ScriptedAdmission(""), root, port):
            emitted = await emitting
        assert emitted.ok == bool(stored(root))
        return AGAIN if emitted.ok else LOST

    assert happened(language, attempt, tmp_path) == documented("daemon restarts", language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_too_large_is_lost(language: str, tmp_path: Path) -> None:
    """After RESOURCE_EXHAUSTED or 413 nothing is stored, however often the batch comes."""

    async def attempt(exporter: Exporter, root: Path) -> str:
        emitted, attempts_s = await told(exporter, root, TooLarge("over the limit"))
        assert (emitted.ok, stored(root)) == (False, 0)
        return LOST if len(attempts_s) == 1 else f"lost after {len(attempts_s)} requests"

    assert happened(language, attempt, tmp_path) == documented("too large", language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_daemons_size_limit_reaches_the_exporter(language: str, tmp_path: Path) -> None:
    """A batch over ``message_bytes_max`` is refused by the real daemon, and the SDK is told."""
    install(language)
    exporters = [one for one in EXPORTERS if one.language == language]
    config = '[receivers]\nmessage_bytes_max = "512B"\n'
    with running(tmp_path, TCP_FLAGS, config=config) as daemon:
        there = ports(daemon)

        async def all_of_them() -> list[bool]:
            doors = [there.grpc if one.protocol == "grpc" else there.http for one in exporters]
            return [one.ok for one in await asyncio.gather(*map(emit, exporters, doors))]

        said = asyncio.run(all_of_them())
        assert daemon.terminate() == 0

    assert said == [False] * len(exporters)
    assert stored(tmp_path) == 0


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_partial_success_is_not_sent_again(language: str, tmp_path: Path) -> None:
    """What was stored comes once; some exporters tell the SDK that the batch failed."""

    async def attempt(exporter: Exporter, root: Path) -> str:
        emitted, attempts_s = await told(
            exporter, root, "1 of 6 refused; the first: span_id has 0 bytes"
        )
        assert (len(attempts_s), stored(root)) == (1, 1)
        return "success" if emitted.ok else "error"

    assert happened(language, attempt, tmp_path) == documented("partial success", language)


@pytest.mark.long
@pytest.mark.parametrize("language", LANGUAGES)
def test_how_often_a_batch_comes_until_it_is_lost(language: str, tmp_path: Path) -> None:
    """A refusal that stays ends in loss after the documented number of requests."""

    async def attempt(exporter: Exporter, root: Path) -> str:
        emitted, attempts_s = await told(exporter, root, Unavailable("the disk is full"))
        assert (emitted.ok, stored(root)) == (False, 0)
        return str(len(attempts_s))

    ranges = documented("requests until lost", language)
    for name, requests in happened(language, attempt, tmp_path).items():
        low, _, high = ranges[name].partition(" to ")
        assert int(low) <= int(requests) <= int(high or low), name


@pytest.mark.parametrize(
    ("language", "lock"),
    [("python", "requirements.txt"), ("node", "package-lock.json"), ("go", "go.mod")],
)
def test_the_page_names_the_versions_that_are_tested(language: str, lock: str) -> None:
    """Each exporter's version is the one in its lock file."""
    text = (Path(__file__).parent / language / lock).read_text(encoding="utf-8")
    locked = {}
    for one in EXPORTERS:
        if one.language == language:
            version = re.search(rf'/?{one.package}(?:==| v|": {{\s+"version": ")([\d.a-z]+)', text)
            assert version is not None
            locked[one.name] = version[1]

    assert documented("version", language) == locked
