"""What is redacted is nowhere on the node afterwards, with and without a running daemon."""

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sidespand.model import Record
from tests import doors
from tests.collector import Collector, collecting
from tests.daemon import Daemon, running, wait_until
from tests.frame_client import FrameClient
from tests.journals import records_of, run
from tests.otlp import export_request

pytestmark = pytest.mark.slow

WAIT_S = 20.0
CONFIG = '[sinks.archive]\ntype = "jsonl"\n'
SECRET = b"the-secret-of-this-test"
KEPT = b"what-everybody-may-read"


def sidespan(daemon: Daemon, *arguments: str, expect: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a command on the daemon's store."""
    config = daemon.data.parent / "sidespan.toml"
    finished = subprocess.run(
        [sys.executable, "-m", "sidespand", arguments[0],
         "--config", str(config), "--data", str(daemon.data), *arguments[1:]],
        capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert finished.returncode == expect, finished.stderr
    return finished


def redact(daemon: Daemon, *arguments: str) -> dict[str, Any]:
    """Redact without being asked; return what the command says."""
    told = sidespan(
        daemon, "redact", "--run", str(daemon.run), *arguments,
        "--yes", "--json", "--reason", "asked to", "--actor", "ann",
    )  # fmt: skip
    found: dict[str, Any] = json.loads(told.stdout)
    return found


def request(trace_id: bytes, value: bytes, spans: int = 1) -> bytes:
    """Return spans of one trace whose every part holds ``value``."""
    message = export_request(spans, trace_id=trace_id)
    for span in message.resource_spans[0].scope_spans[0].spans:
        span.attributes[0].value.string_value = value.decode()
        span.name = f"name-{value.decode()}"
        span.status.message = value.decode()
    return message.SerializeToString()


def send(daemon: Daemon, *bodies: bytes) -> list[str]:
    """Record requests; return the position of each one's last item."""
    positions = []
    with FrameClient(daemon.ingest, doors.TIMEOUT_S) as client:
        client.hello(os.urandom(16))
        for seq, body in enumerate(bodies, 1):
            client.records(seq, body)
            ack = client.ack(seq)
            positions.append(f"{ack.token.split('-')[1]}:{ack.last_lsn}")
    return positions


def files_holding(daemon: Daemon, needle: bytes) -> list[str]:
    """Return the files of the data directory whose bytes hold ``needle``."""
    return [
        str(path.relative_to(daemon.data))
        for path in daemon.data.rglob("*")
        if path.is_file() and needle in path.read_bytes()
    ]


def archive(daemon: Daemon) -> Path:
    """Return the file of the jsonl sink."""
    return daemon.data / "sinks/archive/spans.jsonl"


def archived(daemon: Daemon, lines: int) -> bool:
    """Tell whether the jsonl sink holds so many spans."""
    path = archive(daemon)
    return path.exists() and len(path.read_bytes().splitlines()) == lines


def test_a_running_daemon_redacts(tmp_path: Path) -> None:
    """A grep over every file finds nothing, copies elsewhere are named, and life goes on."""
    trace = os.urandom(16)
    found: list[list[Record]] = []

    def use(collector: Collector) -> None:
        config = f'{CONFIG}[sinks.copy]\ntype = "otlp"\nendpoint = "http://{collector.address}"\n'
        with running(tmp_path, config=config) as daemon:
            send(daemon, request(os.urandom(16), KEPT), request(trace, SECRET, 3))
            wait_until(lambda: archived(daemon, 4), WAIT_S, "the file sink")
            wait_until(lambda: len(collector.lsns()) == 4, WAIT_S, "the collector")
            assert len(files_holding(daemon, SECRET)) >= 2
            found.append(records_of(daemon.data))

            told = redact(daemon, "--query", trace.hex())

            assert (told["erased"], told["pending"], told["index"]) == (["archive"], [], "erased")
            assert told["left_behind"] == []
            assert files_holding(daemon, SECRET) == []
            assert len(files_holding(daemon, KEPT)) >= 2
            assert told["copies"] == [{"sink": "copy", "items": 3}]
            send(daemon, request(os.urandom(16), KEPT))
            wait_until(lambda: archived(daemon, 2), WAIT_S, "the file sink to go on")
            assert files_holding(daemon, SECRET) == []
            found.append(records_of(daemon.data))

    async def test() -> None:
        async with collecting() as collector:
            await asyncio.to_thread(use, collector)

    run(test())
    before, after = found
    assert [one.leaf for one in after][: len(before)] == [one.leaf for one in before]
    assert sum(one.payload is None for one in after) == 1


def test_a_stopped_daemon_is_no_hindrance(tmp_path: Path) -> None:
    """The command does it alone; nothing comes back, and every proof still verifies."""
    with running(tmp_path, config=CONFIG) as daemon:
        (position, _) = send(daemon, request(os.urandom(16), SECRET), request(os.urandom(16), KEPT))
        wait_until(lambda: archived(daemon, 2), WAIT_S, "the file sink")
    told = redact(daemon, position)
    assert (told["erased"], told["pending"], told["index"]) == (["archive"], [], "erased")
    assert files_holding(daemon, SECRET) == []

    with running(tmp_path, config=CONFIG) as daemon:
        send(daemon, request(os.urandom(16), KEPT))
        wait_until(lambda: archived(daemon, 2), WAIT_S, "the file sink to go on")
        assert files_holding(daemon, SECRET) == []
    checked = json.loads(sidespan(daemon, "verify", str(daemon.data), "--json").stdout)
    assert checked["findings"] == []
    again = redact(daemon, position)
    assert again["redacted"] == []
    assert len(again["already_redacted"]) == 1


@pytest.mark.parametrize("alone", [True, False])
def test_a_sink_that_was_taken_away_is_named(tmp_path: Path, *, alone: bool) -> None:
    """Its files are not looked at, and the answer says so; when it comes back it erases them."""
    with running(tmp_path, config=CONFIG) as daemon:
        (position,) = send(daemon, request(os.urandom(16), SECRET))
        wait_until(lambda: archived(daemon, 1), WAIT_S, "the file sink")
        assert daemon.terminate() == 0
    if alone:
        (tmp_path / "sidespan.toml").write_text("")
        told = redact(daemon, position)
    else:
        with running(tmp_path) as daemon:
            wait_until((daemon.run / "api.sock").exists, WAIT_S, "the API")
            told = redact(daemon, position)
    assert (told["erased"], told["left_behind"]) == ([], ["archive"])
    assert files_holding(daemon, SECRET) == ["sinks/archive/spans.jsonl"]

    with running(tmp_path, config=CONFIG) as daemon:
        wait_until(lambda: not files_holding(daemon, SECRET), WAIT_S, "the erasure")


def test_what_goes_with_it_is_listed_first(tmp_path: Path) -> None:
    """A dry run names the other spans of the request and changes nothing."""
    mine, other = os.urandom(16), os.urandom(16)
    both = export_request(1, trace_id=mine)
    both.resource_spans[0].scope_spans[0].spans.extend(
        export_request(1, trace_id=other).resource_spans[0].scope_spans[0].spans
    )
    with running(tmp_path) as daemon:
        send(daemon, both.SerializeToString())
        before = [one.payload for one in records_of(daemon.data)]
        told = sidespan(daemon, "redact", "--query", mine.hex(), "--dry-run")
        assert [one.payload for one in records_of(daemon.data)][: len(before)] == before
        document = json.loads(
            sidespan(daemon, "redact", "--query", mine.hex(), "--dry-run", "--json").stdout
        )
    assert other.hex() in told.stdout
    assert "1 other item (+)" in told.stderr
    (record,) = document["records"]
    assert [one["asked_for"] for one in record["items"]] == [True, False]


def test_nobody_redacts_by_accident(tmp_path: Path) -> None:
    """Without a terminal and without --yes, without a reason, or without a target: an error."""
    with running(tmp_path) as daemon:
        (position,) = send(daemon, request(os.urandom(16), SECRET))
        where = ("--run", str(daemon.run))
        sidespan(daemon, "redact", position, *where, "--reason", "why", expect=2)
        sidespan(daemon, "redact", position, *where, "--yes", expect=2)
        sidespan(daemon, "redact", *where, "--yes", "--reason", "why", expect=2)
        control = re.sub(r":\d+$", ":1", position)
        sidespan(daemon, "redact", control, *where, "--yes", "--reason", "why", expect=2)
        sidespan(daemon, "redact", f"{position}9", *where, "--yes", "--reason", "why", expect=1)
        assert files_holding(daemon, SECRET)


def test_readers_tell_what_is_gone_and_why(tmp_path: Path) -> None:
    """show, ls and receipt name actor, reason and time of what they cannot show."""
    trace = os.urandom(16)
    with running(tmp_path) as daemon:
        (position,) = send(daemon, request(trace, SECRET))
        redact(daemon, position)
        shown = json.loads(sidespan(daemon, "show", trace.hex(), "--json").stdout)
        by_prefix = sidespan(daemon, "show", trace.hex()[:8])
        listed = json.loads(sidespan(daemon, "ls", "--json").stdout)
        receipt = json.loads(sidespan(daemon, "receipt", position, "--json").stdout)
    assert shown["spans"] == []
    for told in (shown["redacted"], listed["redacted"], [receipt["redaction"]]):
        assert [(one["actor"], one["reason"]) for one in told] == [("ann", "asked to")]
        assert int(told[0]["time_ns"]) > 0
    assert "asked to" in by_prefix.stderr
    assert receipt["payload"] == "redacted"


def test_the_api_belongs_to_its_owner(tmp_path: Path) -> None:
    """Nobody else may connect, and a stop leaves no socket behind."""
    with running(tmp_path) as daemon:
        api_sock = daemon.run / "api.sock"
        wait_until(api_sock.exists, WAIT_S, "the API")
        assert api_sock.stat().st_mode & 0o777 == 0o600
    assert not api_sock.exists()
