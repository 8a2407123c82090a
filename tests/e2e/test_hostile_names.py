"""What senders call things makes no file, whatever sinks there are."""

import asyncio
import re
from pathlib import Path

import grpc
import pytest

from sidespand.governed import declare
from sidespand.sinks import aitrace_ids
from tests import doors
from tests.collector import Collector, Failure, collecting
from tests.daemon import Daemon, running, wait_until
from tests.journals import run
from tests.otlp import export_request
from tests.unit.sinks.policies import put, span_of

pytestmark = pytest.mark.slow

WAIT_S = 20.0
HOSTILE = ("../../up", "/etc/up", "a\0up", "up" + "x" * 4096, "..", "up\n", "*.>", "%2e%2e%2fup")
HEX, NUMBER = "[0-9a-f]", "[0-9]+"
# All that sinks may have made, below the directory of each.
FILES = re.compile(
    rf"(?:lines|steps|runs)/spans(?:\.{NUMBER}-{HEX}{{16}}-{NUMBER}-{NUMBER})?\.jsonl"
    rf"|traces/traces/{HEX}{{32}}_{NUMBER}_{HEX}{{16}}_{NUMBER}-{NUMBER}(?:\.evidence)?\.json"
    r"|traces/pending\.sqlite3(?:-wal|-shm)?"
    r"|refused/dead-letters\.(?:jsonl|lock)"
    r"|[a-z]+/(?:cursor\.json|capture)|spill\.salt"
)


def config(root: Path, refusing: Collector) -> str:
    """Return every type of sink that writes a file, and a tap."""
    lines = [
        f'[sinks.{sink}]\ntype = "jsonl"\nformat = "{name}"\nrotate_bytes = "1KiB"\n'
        for sink, name in (("lines", "spans"), ("steps", "decision-tracer"), ("runs", "agenttrace"))
    ]
    return f"""
        [tap]
        path = "{root / "tap.jsonl"}"
        [sinks.traces]
        type = "aitrace_file"
        quiet = "0s"
        [sinks.refused]
        type = "otlp"
        endpoint = "http://{refusing.address}"
        {"".join(lines)}
    """


def request(word: str) -> bytes:
    """Return a span that is called ``word`` wherever a sender may choose."""
    message = export_request(1, trace_state=word)
    span = span_of(message)
    span.name = word
    ids = (aitrace_ids.TRACE_KEY, aitrace_ids.SPAN_KEY, aitrace_ids.PARENT_KEY)
    put(span.attributes, dict.fromkeys((*ids, "run.id", "session.id", "agent.name"), word))
    span.events.add(name=word)
    group = message.resource_spans[0]
    put(group.resource.attributes, dict.fromkeys(("service.instance.id", "host.name"), word))
    group.resource.attributes[0].value.string_value = word
    group.scope_spans[0].scope.name = word
    return message.SerializeToString()


def governed(word: str) -> bytes:
    """Return a request that names ``word`` as its sink."""
    message = export_request(1)
    declare(message.resource_spans[0].resource, frozenset([word]))
    return message.SerializeToString()


def _made(daemon: Daemon) -> list[str]:
    place = daemon.data / "sinks"
    return [str(one.relative_to(place)) for one in place.rglob("*") if one.is_file()]


def _line_count(path: Path) -> int:
    try:
        return len(path.read_bytes().splitlines())
    except FileNotFoundError:
        # It was rotated since it was listed; the next look finds it under its new name.
        return 0


def _use(root: Path, refusing: Collector) -> None:
    with running(root, doors.TCP_FLAGS, config=config(root, refusing)) as daemon:
        around = set(root.parent.iterdir())
        with doors.opened("frames", daemon) as door:
            for word in HOSTILE:
                assert door.send(request(word)).code == door.ok
                assert door.send(governed(word)).code == door.invalid
        count = len(HOSTILE)

        def settled() -> bool:
            made = _made(daemon)
            whole = sum(one.endswith(".evidence.json") for one in made) == count
            lines = [(daemon.data / "sinks" / one) for one in made if one.endswith(".jsonl")]
            kept = {
                sink: sum(_line_count(one) for one in lines if sink in one.parts)
                for sink in ("lines", "steps", "refused")
            }
            return whole and all(number == count for number in kept.values())

        wait_until(settled, WAIT_S, "every sink")
        assert daemon.terminate() == 0
        assert [one for one in _made(daemon) if not FILES.fullmatch(one)] == []
        assert {one.name for one in (daemon.data / "sinks").iterdir()} == {
            "lines", "steps", "runs", "traces", "refused", "spill.salt",
        }  # fmt: skip
        assert {one.name for one in root.iterdir()} == {
            "data", "run", "daemon.log", "sidespan.toml", "tap.jsonl",
        }  # fmt: skip
        assert set(root.parent.iterdir()) == around


def test_no_word_of_a_sender_is_in_a_path(tmp_path: Path) -> None:
    """Names with ``../``, NUL or 4 KB arrive in every sink; files are called by position alone."""

    async def test() -> None:
        async with collecting() as refusing:
            never = Failure(grpc.StatusCode.INVALID_ARGUMENT, "never")
            refusing.judge = lambda _: never
            root = tmp_path / "outer/node"
            root.mkdir(parents=True)
            await asyncio.to_thread(_use, root, refusing)

    run(test())
