"""The example: two processes, two SDKs, one trace."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sidespand import token
from tests.daemon import running, wait_until

EXAMPLE = Path(__file__).parents[2] / "examples/polyglot_agent"
WAIT_S = 30.0


@pytest.mark.slow
def test_one_trace_across_two_sdks(tmp_path: Path) -> None:
    """Parents are right across the call, and the worker's spans cite the plan or what is later."""
    port_file = tmp_path / "port"
    with running(tmp_path / "node") as daemon:
        environment = {
            **os.environ,
            "SIDESPAN_SOCKET": str(daemon.ingest),
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"unix://{daemon.grpc}",
            "OTEL_EXPORTER_OTLP_INSECURE": "true",
        }
        worker = subprocess.Popen(
            [sys.executable, str(EXAMPLE / "worker.py"), "--port-file", str(port_file)],
            env=environment, cwd=tmp_path,
        )  # fmt: skip
        try:
            wait_until(port_file.exists, WAIT_S, "the worker to listen")
            planner = subprocess.run(
                [
                    sys.executable, str(EXAMPLE / "planner.py"),
                    "--worker", f"127.0.0.1:{port_file.read_text().strip()}",
                ],
                env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=WAIT_S,
                check=False,
            )  # fmt: skip
        finally:
            worker.terminate()
            assert worker.wait(WAIT_S) == 0
        assert (planner.returncode, planner.stderr) == (0, "")
        assert "rain jacket for Sunday" in planner.stdout
        shown = subprocess.run(
            [
                sys.executable, "-m", "sidespand", "show", "last", "--json",
                "--data", str(daemon.data),
            ],
            capture_output=True, text=True, timeout=WAIT_S, check=True,
        )  # fmt: skip

    spans = json.loads(shown.stdout)["spans"]
    names = {span["span_id"]: (span["service"], span["name"]) for span in spans}
    children = sorted((names.get(span["parent_span_id"]), names[span["span_id"]]) for span in spans
                      if span["parent_span_id"] in names)  # fmt: skip
    agent = ("planner", "invoke_agent packing-planner")
    tool = ("planner", "execute_tool get_forecast")
    client = ("planner", "tools.Toolbox/Run")
    server = ("worker", "/tools.Toolbox/Run")
    assert children == sorted([
        (agent, ("planner", "plan")),
        (agent, ("planner", "chat scripted-1")),
        (agent, tool),
        (agent, ("planner", "chat scripted-1")),
        (tool, client),
        (client, server),
        (server, ("worker", "get_forecast")),
    ])  # fmt: skip
    (plan,) = [span for span in spans if span["name"] == "plan"]
    for span in spans:
        text = token.find_member(span["trace_state"])
        assert (text is not None) == (span["service"] == "worker")
        if text is not None:
            cited = token.decode(text)
            assert cited is not None
            assert cited.lineage.hex() == plan["stamp"]["lineage"]
            # On a slow machine a later one than the plan's is the newest by the time of the call.
            assert int(plan["stamp"]["lsn"]) <= cited.lsn < int(span["stamp"]["lsn"])


def test_the_worker_has_no_line_of_ours() -> None:
    """It imports what any program with the stock SDK imports."""
    source = (EXAMPLE / "worker.py").read_text(encoding="utf-8")

    imported = [
        line.split()[1] for line in source.splitlines() if line.startswith(("import ", "from "))
    ]
    assert not [name for name in imported if name.startswith("sidespan")]
