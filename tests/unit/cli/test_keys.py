"""``sidespan keys``: a key made once, and the line that others pin."""

import asyncio
import stat
from pathlib import Path

from sidespand.app import node_key
from sidespand.app.checkpointer import Checkpointer
from sidespand.evidence.note import parse_verifier
from sidespand.model import NodeIdentity
from sidespand.telemetry import Telemetry
from tests.journals import NODE_REF, opened
from tests.unit.cli.conftest import Run

CONFIG = """\
data_dir = "{root}/data"
[node]
source_node_ref = "node://worker@rack-1/7"
deployment_ref = "deployment://prod/eu"
[evidence]
node_key_file = "{root}/keys/node.key"
"""


def test_init_makes_what_show_prints(run: Run, tmp_path: Path) -> None:
    """The key is where the configuration wants it, under the node's name."""
    config = tmp_path / "sidespan.toml"
    config.write_text(CONFIG.format(root=tmp_path), encoding="utf-8")

    made = run("keys", "init", "--config", config, "--json")
    shown = run("keys", "show", "--config", config, "--json")

    assert (made.status, shown.status) == (0, 0)
    assert made.document == shown.document
    verifier = parse_verifier(made.document["verifier_key"])
    assert verifier.name == made.document["name"] == "prod/eu/worker@rack-1/7"
    assert verifier.key_id.hex() == made.document["key_id"]
    path = tmp_path / "keys/node.key"
    assert made.document["file"] == str(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "next start" in made.err


def test_by_default_it_lies_in_the_store(run: Run, tmp_path: Path) -> None:
    """One fact a line; the key itself is not among them."""
    outcome = run("keys", "init", "--data", tmp_path / "data")

    facts = dict(line.split("  ", 1) for line in outcome.out.splitlines())
    assert facts["file"].strip() == str(tmp_path / "data/node.key")
    secret = (tmp_path / "data/node.key").read_text().strip().rpartition("+")[2]
    assert secret not in outcome.out + outcome.err


def test_a_second_key_is_refused(run: Run, tmp_path: Path) -> None:
    """The first one stays, and the hint tells how to see it."""
    first = run("keys", "init", "--data", tmp_path, "--json").document

    again = run("keys", "init", "--data", tmp_path)

    assert again.status == 2
    assert again.out == ""
    assert "never replaced" in again.err
    assert run("keys", "show", "--data", tmp_path, "--json").document == first


def test_show_without_a_key(run: Run, tmp_path: Path) -> None:
    """Nothing is there to show, and the next command is named."""
    outcome = run("keys", "show", "--data", tmp_path)

    assert outcome.status == 1
    assert "`sidespan keys init` makes one" in outcome.err


def record_generation(data_dir: Path, *, certified: bool) -> None:
    """Open a store, have its key recorded, and close it."""

    async def live() -> None:
        async with opened(data_dir) as store:
            signer = node_key.load(data_dir / "node.key", required=True) if certified else None
            identity = NodeIdentity(NODE_REF, "instance-1")
            checkpointer = Checkpointer(store, identity, signer, Telemetry())
            await checkpointer.start()
            await checkpointer.close()

    asyncio.run(live())


def test_status_tells_who_certified_the_running_key(run: Run, tmp_path: Path) -> None:
    """Nobody before the node has a key; afterwards the one that `keys show` prints."""
    record_generation(tmp_path, certified=False)
    before = run("status", "--json", "--data", tmp_path).document["checkpoint_key"]
    lines = run("status", "--data", tmp_path).out.splitlines()
    made = run("keys", "init", "--data", tmp_path, "--json").document
    record_generation(tmp_path, certified=True)
    after = run("status", "--json", "--data", tmp_path).document["checkpoint_key"]

    assert before["certified_by"] is None
    assert any(line.startswith("signed by") and "not certified" in line for line in lines)
    assert after["certified_by"] == made["verifier_key"]
    assert after["verifier_key"] != before["verifier_key"]
