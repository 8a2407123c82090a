"""What the Python client's other faces record lies in the real daemon's journal, and is proved."""

import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from sidespand.app import node_key
from tests.daemon import Daemon, running, wait_until

pytestmark = pytest.mark.slow

SIDESPAN = [
    sys.executable,
    "-c",
    "import sys; from sidespand.cli.script import main; sys.exit(main())",
]
PROCESS_S_MAX = 60


def program(daemon: Daemon, text: str, *arguments: str) -> str:
    """Run a Python program against the daemon; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(text), *arguments],
        env={**os.environ, "SIDESPAN_SOCKET": str(daemon.ingest)},
        capture_output=True, text=True, timeout=PROCESS_S_MAX, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def sidespand(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run one of the daemon's commands."""
    return subprocess.run(
        [sys.executable, "-m", "sidespand", *map(str, arguments)],
        capture_output=True, text=True, timeout=PROCESS_S_MAX, check=False,
    )  # fmt: skip


def shown(daemon: Daemon, trace: str) -> dict[str, Any]:
    """Return the spans of a trace, by name."""
    document = json.loads(sidespand("show", trace, "--data", daemon.data, "--json").stdout)
    return {span["name"]: span for span in document["spans"]}


def test_a_shell_script_is_one_trace(tmp_path: Path) -> None:
    """Command, emitted span and Python program are in one tree; the token goes along."""
    script = """
        set -e
        "$@" emit fetched --attr files=3
        python=$1
        "$python" -c 'import os, sidespan
        sidespan.init("worker")
        with sidespan.span("work", parent=sidespan.extract(os.environ)): pass
        '
        echo "$TRACESTATE"
        exit 4
    """
    with running(tmp_path) as daemon:
        done = subprocess.run(
            [*SIDESPAN, "run", "--name", "job", "--", "sh", "-c", textwrap.dedent(script), "sh",
             *SIDESPAN],
            env={**os.environ, "SIDESPAN_SOCKET": str(daemon.ingest)},
            capture_output=True, text=True, timeout=PROCESS_S_MAX, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (4, "")
        parent, state = done.stdout.split()
        spans = shown(daemon, parent.split("-")[1])

    job = spans["job"]
    assert {span["parent_span_id"] for name, span in spans.items() if name != "job"} == {
        job["span_id"]
    }
    assert set(spans) == {"job", "fetched", "work"}
    assert (job["status"], job["attributes"]["process.exit.code"]) == ("error", 4)
    assert spans["fetched"]["attributes"] == {"files": 3}
    assert state.startswith(f"sidespan=1-{job['stamp']['lineage']}-")


OTEL = """
    import time
    import sidespan, sidespan.otel
    from opentelemetry import trace

    provider = sidespan.otel.register(service="planner")
    tracer = trace.get_tracer("lib.a", "1.2")
    with tracer.start_as_current_span("plan") as plan:
        plan.set_attribute("goal", "lunch")
        with trace.get_tracer("lib.b").start_as_current_span("act"):
            pass
    assert provider.force_flush(5000)
    left = tracer.start_span("left open", attributes={"at": "start"})
    trace_id = format(left.get_span_context().trace_id, "032x")
    print(format(plan.get_span_context().trace_id, "032x"), trace_id, flush=True)
    input()
"""


def test_opentelemetry_spans_keep_their_scopes_and_open_ones_are_told(tmp_path: Path) -> None:
    """As the SDK made them; one whose process is killed stays, abandoned."""
    with running(tmp_path) as daemon:
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(OTEL)], text=True,
            env={**os.environ, "SIDESPAN_SOCKET": str(daemon.ingest)},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        ended, left = process.stdout.readline().split()
        wait_until(
            lambda: sidespand("show", left, "--data", daemon.data).returncode == 0, 20, "a mark"
        )
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()
        wait_until(
            lambda: shown(daemon, left)["left open"]["state"] == "abandoned", 20, "the end of it"
        )
        spans = shown(daemon, ended)
        abandoned = shown(daemon, left)["left open"]

    assert spans["act"]["parent_span_id"] == spans["plan"]["span_id"]
    assert spans["plan"]["attributes"] == {"goal": "lunch"}
    assert spans["plan"]["resource"]["service.name"] == "planner"
    assert (spans["plan"]["scope"], spans["act"]["scope"]) == ("lib.a", "lib.b")
    assert abandoned["attributes"] == {"at": "start"}


AGENT = """
    import sys
    import sidespan
    from sidespan.agenttrace import Tracer, trace_llm, trace_tool

    sidespan.init("agent")
    tracer = Tracer()

    @trace_tool(tracer)
    def search(query):
        return {"hits": [query]}

    @trace_llm(tracer, model="m", cost_per_prompt_token=0.00003, cost_per_completion_token=0.00006)
    def think(context):
        return {"usage": {"prompt_tokens": 450, "completion_tokens": 200}}

    with tracer.run("research", correlation_id="flow-7") as run:
        think(search("x"))
    tracer.flush()
    print(run.own.trace_id)
"""


def test_a_run_of_agenttrace_is_a_trace(tmp_path: Path) -> None:
    """Tool and model below the run, with cost and correlation."""
    with running(tmp_path) as daemon:
        spans = shown(daemon, program(daemon, AGENT).strip())

    run = spans["invoke_agent research"]
    assert run["attributes"]["sidespan.correlation_id"] == "flow-7"
    assert spans["chat m"]["attributes"]["gen_ai.usage.cost"] == pytest.approx(0.0255)
    assert {spans[name]["parent_span_id"] for name in ("chat m", "execute_tool search")} == {
        run["span_id"]
    }


STEP = """
    import sys
    import sidespan
    from sidespan.tracer import Tracer

    sidespan.init("agent")
    with Tracer("trader", trace_dir=sys.argv[1]).step(sys.argv[2]) as step:
        trace_id = sidespan.current().trace_id
    assert sidespan.flush(5)
    print(trace_id)
"""


def _record_step(root: Path, step: str) -> dict[str, Any]:
    """Record one step in the store of ``root``; return the bundle that proves it."""
    made = root / f"{step}.json"
    with running(root) as daemon:
        spans = shown(daemon, program(daemon, STEP, str(root / "traces"), step).strip())
        prove = ("prove", spans[step]["span_id"], "--data", daemon.data, "--with-payload")
        wait_until(lambda: sidespand(*prove, "-o", made).returncode == 0, 20, "a checkpoint")
    bundle: dict[str, Any] = json.loads(made.read_text("utf-8"))
    return bundle


def _verdict(root: Path, bundle: dict[str, Any], key: str) -> int:
    path = root / "bundle.json"
    path.write_text(json.dumps(bundle), encoding="utf-8")
    return sidespand("verify", path, "--key", key).returncode


def test_what_was_done_to_a_journal_of_steps_is_found(tmp_path: Path) -> None:
    """A signature taken away, a record in another's place, another key, a tail cut off."""
    ours, foreign = tmp_path / "ours", tmp_path / "foreign"
    key = str(node_key.create(ours / "data/node.key", "ours").verifier)
    node_key.create(foreign / "data/node.key", "foreign")
    scan = _record_step(ours, "scan")
    shutil.copytree(ours / "data", tmp_path / "cut")
    decide = _record_step(ours, "decide")
    assert [_verdict(tmp_path, bundle, key) for bundle in (scan, decide)] == [0, 0]

    unsigned = scan["proof"].partition("\n\u2014 ")[0] + "\n"
    assert _verdict(tmp_path, {**scan, "proof": unsigned}, key) == 1
    relinked = {**scan, **{part: decide[part] for part in ("record", "salt", "payload")}}
    assert _verdict(tmp_path, relinked, key) == 1
    assert _verdict(tmp_path, {**scan, "payload": decide["payload"]}, key) == 1
    assert _verdict(tmp_path, _record_step(foreign, "scan"), key) == 1

    kept = tmp_path / "checkpoint"
    kept.write_text(decide["proof"].partition("\n\n")[2], encoding="utf-8")
    verify = ("verify", "--key", key, "--checkpoint", kept)
    assert sidespand(*verify, ours / "data").returncode == 0
    assert sidespand(*verify, tmp_path / "cut").returncode == 1
