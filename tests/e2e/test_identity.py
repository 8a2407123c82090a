"""Who the daemon says it is, and what it does with a store that is a copy or went backwards."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sidespand.evidence.collection import Evidence
from sidespand.evidence.violations import Code, violations
from tests.daemon import START_S_MAX, STOP_S_MAX, Daemon, running, wait_until
from tests.frame_client import FrameClient
from tests.journals import records_of
from tests.otlp import encoded
from tests.unit.journal.copies import places, put_back, reasons

INSTANCE = b"instance-0000001"

pytestmark = pytest.mark.slow


def sidespan(*arguments: object) -> Any:
    """Return what a command prints as JSON."""
    finished = subprocess.run(
        [sys.executable, "-m", "sidespand", *map(str, arguments), "--json"],
        capture_output=True, text=True, timeout=START_S_MAX, check=True,
    )  # fmt: skip
    return json.loads(finished.stdout)


def record(daemon: Daemon, seq: int, acked_seq: int = 0) -> int:
    """Store one request in the client's session; return its last LSN."""
    with FrameClient(daemon.ingest) as client:
        client.hello(INSTANCE, acked_seq)
        client.records(seq, encoded())
        return client.ack(seq).last_lsn


def stamps(daemon: Daemon) -> list[dict[str, Any]]:
    """Return the stamp of every span that the archive has, in its order."""
    archive = daemon.data / "sinks/archive/spans.jsonl"
    text = archive.read_text(encoding="utf-8") if archive.exists() else ""
    # The last one may still be in the making.
    return [json.loads(line)["stamp"] for line in text.split("\n")[:-1]]


def wait_delivered(daemon: Daemon, count: int) -> None:
    """Wait until the archive has so many spans."""
    wait_until(lambda: len(stamps(daemon)) >= count, STOP_S_MAX, "the sink to take them")


def test_a_container_names_its_node_by_the_environment(tmp_path: Path) -> None:
    """As Kubernetes does with its downward API: they reach status and the generation."""
    references = {
        "source_node_ref": "node://sidespan@worker-7",
        "node_instance_id": "8d6f2b5e-pod-uid",
        "node_role": "tool-server",
        "deployment_ref": "deployment://shop/production",
        "cluster_ref": "cluster://eu-1",
    }
    environment = {f"SIDESPAN_NODE_{name.upper()}": text for name, text in references.items()}
    with running(tmp_path, environment=environment) as daemon:
        status = sidespan("status", "--data", daemon.data)
        lineage = sidespan("lineage", "--data", daemon.data)

    assert {name: status[name] for name in references} == references
    assert status["lineage_reason"] == "created"
    (generation,) = lineage["lineages"][0]["generations"]
    assert lineage["running"] is True
    assert generation["source_node_ref"] == references["source_node_ref"]
    assert generation["clean"] is None


def test_a_hostile_reference_stops_the_start(tmp_path: Path) -> None:
    """The variable is named, and nothing is opened."""
    daemon = Daemon(tmp_path, environment={"SIDESPAN_NODE_CLUSTER_REF": "\x1b[31m two"})
    daemon.spawn()
    assert daemon.process is not None
    assert daemon.process.wait(START_S_MAX) == 2
    assert "environment SIDESPAN_NODE_CLUSTER_REF: expected" in daemon.log()
    assert "\x1b" not in daemon.log()
    assert not daemon.data.exists()


@pytest.mark.fault(22)
def test_a_clone_beside_its_original(tmp_path: Path) -> None:
    """Refused at first, then with leave in a lineage of its own; a reader of both sees a fork."""
    original, clone = tmp_path / "original", tmp_path / "clone"
    with running(original) as daemon:
        record(daemon, 1)
    clone.mkdir()
    shutil.copytree(original / "data", clone / "data")

    refused = Daemon(clone)
    refused.spawn()
    assert refused.process is not None
    assert refused.process.wait(START_S_MAX) == 2
    assert "data_dir: this store is a copy, or was moved" in refused.log()
    assert "--accept-move" in refused.log()
    with running(clone, ["--accept-move"]) as daemon:
        record(daemon, 2, acked_seq=1)
        assert "a new lineage begins (moved)" in daemon.log()
    with running(original) as daemon:
        record(daemon, 2, acked_seq=1)

    both = [*records_of(original / "data"), *records_of(clone / "data")]
    assert [one.code for one in violations(Evidence(both))].count(Code.FORK) == 1
    places(both)


@pytest.mark.fault(23)
def test_a_restored_backup(tmp_path: Path) -> None:
    """The anchor beside the sockets outlives the daemon: the rollback is told, nothing reused."""
    config = '[sinks.archive]\ntype = "jsonl"\n'
    with running(tmp_path, config=config) as daemon:
        record(daemon, 1)
        wait_delivered(daemon, 1)
    backup = shutil.copytree(daemon.data, tmp_path / "backup")
    with running(tmp_path, config=config) as daemon:
        record(daemon, 2, acked_seq=1)
        record(daemon, 3, acked_seq=2)
    lost = records_of(daemon.data)
    put_back(Path(backup), daemon.data)

    with running(tmp_path, config=config) as daemon:
        assert record(daemon, 4, acked_seq=3) > 0
        assert "a new lineage begins (rolled_back)" in daemon.log()
        wait_delivered(daemon, 2)

    assert reasons(daemon.data) == ["created", "rolled_back"]
    places([*lost, *records_of(daemon.data)])
    before, after = stamps(daemon)
    assert (before["lineage"], after["lineage"]) == (
        lost[0].header.lineage.hex(),
        sidespan("status", "--data", daemon.data)["lineage"],
    )


@pytest.mark.fault(23)
def test_a_rollback_while_the_daemon_was_killed(tmp_path: Path) -> None:
    """The anchor follows the commits within a second or so, and needs no end in good order."""
    with running(tmp_path) as daemon:
        record(daemon, 1)
    backup = shutil.copytree(daemon.data, tmp_path / "backup")
    with running(tmp_path) as daemon:
        last_lsn = record(daemon, 2, acked_seq=1)
        (anchor,) = (daemon.run / "anchor").iterdir()
        wait_until(
            lambda: int(json.loads(anchor.read_bytes())["lsn"]) >= last_lsn,
            STOP_S_MAX, "the anchor to follow",
        )  # fmt: skip
        daemon.kill()
    put_back(Path(backup), daemon.data)

    with running(tmp_path) as daemon:
        record(daemon, 3, acked_seq=2)

    assert reasons(daemon.data) == ["created", "rolled_back"]
