"""Makes the fixture store of the current format: once for each format, never over an old one.

    python -m tests.golden.stores.make FORMAT

A real daemon records two generations: spans of a program that dies with one open, an LLM call with
its content, state snapshots, a tool that failed, a redaction, checkpoints under a node key.
"""

import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from tests.daemon import Daemon, wait_until

HERE = Path(__file__).parent
QUESTIONS: dict[str, list[str]] = {
    "ls": ["ls", "--json"],
    "show": ["show", "{trace}", "--json"],
    "lineage": ["lineage", "--json"],
    "receipt": ["receipt", "{trace}", "--json"],
    "order": ["order", "{trace}", "--json"],
    "violations": ["violations", "--json"],
    "verify": ["verify", "--json"],
    "fsck": ["fsck", "--json"],
}
_AGENT = """
import os, signal, sidespan
sidespan.init(service="planner")
with sidespan.trace("plan-trip", city="Lisbon") as trip:
    trip.state("memory", memory := {"coats": 0})
    with sidespan.llm("gpt-x", provider="openai") as call:
        usage = {"prompt_tokens": 812, "completion_tokens": 40}
        call.response({"model": "gpt-x-1", "usage": usage})
    with sidespan.tool("pack", arguments={"item": "coat"}, durable=True) as tool:
        memory["coats"] += 1
        tool.fail(RuntimeError("no coat"))
assert sidespan.flush()
sidespan.span("waits for ever", durable=True).__enter__()
os.kill(os.getpid(), signal.SIGKILL)
"""
_SECOND = """
import sidespan
sidespan.init(service="worker")
with sidespan.trace("second life"):
    sidespan.add_event("to be redacted", {"secret": "x" * 40})
assert sidespan.flush()
"""


def _kept(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    # The index is derived, and a private key is nobody's example.
    return None if Path(member.name).name in ("index", "node.key", "api.token") else member


def ask(data: Path, question: list[str]) -> str:
    """Return what a command prints of a store that no daemon has."""
    command, *rest = question
    return subprocess.run(
        [sys.executable, "-m", "sidespand", command, *rest, "--data", str(data)],
        check=True, capture_output=True, text=True, timeout=60,
    ).stdout  # fmt: skip


def run(daemon: Daemon, program: str) -> None:
    """Run a program that traces; it may end as it likes."""
    environment = {**daemon.environment, "SIDESPAN_SOCKET": str(daemon.ingest)}
    subprocess.run([sys.executable, "-c", program], env=environment, timeout=60, check=False)


def redact(daemon: Daemon, trace: str) -> None:
    """Take the content of a trace out of the store of a running daemon."""
    given = ["--query", trace, "--actor", "fixture", "--reason", "a fixture", "--yes"]
    where = ["--data", str(daemon.data), "--run", str(daemon.run)]
    subprocess.run(
        [sys.executable, "-m", "sidespand", "redact", *given, *where], check=True, timeout=60
    )


def open_spans(data: Path) -> list[object]:
    """Return the spans that have begun and not ended."""
    found: list[object] = json.loads(ask(data, ["ls", "--open", "--json"]))["open_spans"]
    return found


def ask_all(data: Path) -> dict[str, object]:
    """Return what each command says of the store, as JSON holds it."""
    trace = trace_named(data, "plan-trip")
    return {
        name: json.loads(ask(data, [trace if one == "{trace}" else one for one in question]))
        for name, question in QUESTIONS.items()
    }


def trace_named(data: Path, name: str) -> str:
    """Return the id of the trace whose root has that name."""
    traces = json.loads(ask(data, ["ls", "--json"]))["traces"]
    (found,) = (one["trace_id"] for one in traces if name in json.dumps(one))
    return str(found)


def main(number: int) -> int:
    """Write ``format-<number>.tar.xz`` and ``format-<number>.json``."""
    archive = HERE / f"format-{number}.tar.xz"
    assert not archive.exists(), f"{archive} is there: what was once written stays readable"
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        (root / "data").mkdir(mode=0o700)
        config = (
            '[node]\nsource_node_ref = "node://fixture"\n[journal]\nsegment_bytes = "1MiB"\n'
            'retention_age = "36500d"\nretention_bytes = "1GiB"\n'
        )
        daemon = Daemon(root, config=config)
        subprocess.run(
            [sys.executable, "-m", "sidespand", "keys", "init", "--data", str(root / "data"),
             "--config", str(root / "sidespan.toml")], check=True,
        )  # fmt: skip
        daemon.start()
        run(daemon, _AGENT)
        wait_until(lambda: not open_spans(daemon.data), 20, "the record of its end")
        assert daemon.terminate() == 0
        daemon.start()
        run(daemon, _SECOND)
        redact(daemon, trace_named(daemon.data, "second life"))
        assert daemon.terminate() == 0
        answers = ask_all(daemon.data)
        with tarfile.open(archive, "w:xz") as tar:
            tar.add(daemon.data, "store", filter=_kept)
        (HERE / f"format-{number}.json").write_text(json.dumps(answers, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
