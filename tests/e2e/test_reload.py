"""SIGHUP: sinks come and go while spans are recorded, each with its own cursor."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.daemon import Daemon, running, wait_until
from tests.frame_client import ACK, FrameClient
from tests.line_files import whole_lines
from tests.otlp import encoded

pytestmark = pytest.mark.slow

WAIT_S = 20.0


def send(daemon: Daemon, *services: str) -> None:
    """Record two spans of each service."""
    with FrameClient(daemon.ingest) as client:
        client.hello(os.urandom(16))
        for seq, service in enumerate(services, 1):
            client.records(seq, encoded(2, service=service))
            client.ack(seq)


def services(daemon: Daemon, sink: str) -> list[str]:
    """Return the service of each line of a jsonl sink."""
    return [line["service"] for line in whole_lines(daemon.data / f"sinks/{sink}/spans.jsonl")]


def reload(daemon: Daemon, config: str) -> None:
    """Write the configuration anew and say so."""
    (daemon.data.parent / "sidespan.toml").write_text(config, encoding="utf-8")
    os.kill(daemon.pid, signal.SIGHUP)


def jsonl(name: str, more: str = "") -> str:
    """Return the table of a file sink."""
    return f'[sinks.{name}]\ntype = "jsonl"\n{more}\n'


@pytest.mark.fault(42)
def test_sinks_are_added_removed_and_changed_while_it_runs(tmp_path: Path) -> None:
    """A new one gets all there is, one that returns goes on, a fault changes nothing."""
    with running(tmp_path, config=jsonl("one")) as daemon:
        send(daemon, "a")
        wait_until(lambda: services(daemon, "one") == ["a"] * 2, WAIT_S, "the first sink")

        reload(daemon, jsonl("two", "filter = 'service == \"b\"'"))
        send(daemon, "b", "c")
        wait_until(lambda: services(daemon, "two") == ["b"] * 2, WAIT_S, "the second sink")
        wait_until(lambda: "stopped one" in daemon.log(), WAIT_S, "the first one's end")
        assert services(daemon, "one") == ["a"] * 2

        reload(daemon, jsonl("two", "filter = 'service is b'"))
        wait_until(lambda: "the configuration stays as it was" in daemon.log(), WAIT_S, "the fault")
        assert "sinks.two.filter: at character 9" in daemon.log()
        reload(daemon, jsonl("two", "no toml"))
        send(daemon, "b")
        wait_until(lambda: services(daemon, "two") == ["b"] * 4, WAIT_S, "the sink as it was")

        reload(daemon, jsonl("one") + jsonl("two", 'resource = {zone = "z"}'))
        send(daemon, "d")
        everything = ["a", "a", "b", "b", "c", "c", "b", "b", "d", "d"]
        wait_until(lambda: services(daemon, "one") == everything, WAIT_S, "the first one again")
        wait_until(lambda: services(daemon, "two")[-2:] == ["d"] * 2, WAIT_S, "the changed one")
        assert services(daemon, "two") == ["b"] * 4 + ["d"] * 2
        lines = (daemon.data / "sinks/two/spans.jsonl").read_text().splitlines()
        assert json.loads(lines[-1])["resource"] == {"service.name": "d", "zone": "z"}
        assert daemon.log().count("delivering to") == 1
        assert daemon.terminate() == 0


def test_a_sink_that_cannot_be_made_costs_no_other(tmp_path: Path) -> None:
    """What a sound table fails at on this disk is told, and those that were to go still run."""
    with running(tmp_path, config=jsonl("one")) as daemon:
        send(daemon, "a")
        wait_until(lambda: services(daemon, "one") == ["a"] * 2, WAIT_S, "the first sink")
        (daemon.data / "sinks/two").write_text("in the way", encoding="utf-8")

        reload(daemon, jsonl("two"))
        wait_until(lambda: "the configuration stays as it was" in daemon.log(), WAIT_S, "the fault")
        assert "sinks.two" in daemon.log()
        send(daemon, "b")
        wait_until(lambda: services(daemon, "one")[2:] == ["b"] * 2, WAIT_S, "the sink as it was")
        assert daemon.terminate() == 0


def test_a_sink_that_is_required_no_more_holds_nothing(tmp_path: Path) -> None:
    """After a reload a full journal makes room that a dead required sink had denied."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        far = (
            '[journal]\nsegment_bytes = "1MiB"\nretention_bytes = "4MiB"\ndisk_free_min = "0%"\n'
            f'[sinks.far]\ntype = "otlp"\nendpoint = "http://127.0.0.1:{nobody.getsockname()[1]}"\n'
        )
        with running(tmp_path, config=f"{far}required = true\n") as daemon:
            first = oldest(daemon)
            wait_until(lambda: not sent(daemon), WAIT_S, "a full journal")
            assert oldest(daemon) == first
            reload(daemon, far)
            wait_until(lambda: oldest(daemon) > first and sent(daemon), WAIT_S, "room")
            assert daemon.terminate() == 0


@pytest.mark.fault(42)
def test_whoever_asks_for_a_reload_is_told(tmp_path: Path) -> None:
    """What was taken up and what waits for a restart; or every fault, and nothing has changed."""

    def asked() -> subprocess.CompletedProcess[str]:
        command = [
            sys.executable,
            "-m",
            "sidespand",
            "reload",
            "--run",
            str(daemon.run),
            "--config",
        ]
        # The daemon reads its own file; the command's own tells where the socket is.
        return subprocess.run(
            [*command, os.devnull], capture_output=True, text=True, timeout=30, check=False
        )

    path = tmp_path / "sidespan.toml"
    with running(tmp_path, config=jsonl("one")) as daemon:
        wait_until((daemon.run / "api.sock").exists, WAIT_S, "the API")
        path.write_text(jsonl("two") + '[journal]\nretention_age = "3d"\n')
        done = asked()
        assert done.returncode == 0
        assert done.stdout == "reloaded; sinks started: two; stopped: one\n"
        assert "these take a restart: journal.retention_age" in done.stderr

        path.write_text(
            jsonl("two", 'colour = "red"\nhost = "${env:SIDESPAN_NO_SUCH}"') + "[log]\nlevel = 3\n"
            '[jurnal]\nretention_age = "3d"\n'
        )
        refused = asked()
        assert (refused.returncode, refused.stdout) == (2, "")
        for fault in (
            "sinks.two.host: the variable SIDESPAN_NO_SUCH is not set",
            "log.level: expected",
            "sinks.two.colour: unknown key",
            "jurnal.retention_age: unknown key, did you mean journal.retention_age?",
        ):
            assert fault in refused.stderr
        send(daemon, "a")
        wait_until(lambda: services(daemon, "two") == ["a"] * 2, WAIT_S, "the sink as it was")
        assert daemon.terminate() == 0


def sent(daemon: Daemon) -> bool:
    """Record a request of 400 kB; return whether there was room for it."""
    with FrameClient(daemon.ingest) as client:
        client.hello(os.urandom(16))
        client.records(1, encoded(1, service="x" * 400_000))
        return client.receive()[0] == ACK


def oldest(daemon: Daemon) -> str:
    """Return the name of the oldest segment."""
    return min(path.name for path in (daemon.data / "seg").glob("*/*.mdb"))
