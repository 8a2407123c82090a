"""Every answer of the API and of the commands with ``--json``, of one node that has seen a lot.

``python -m tests.golden.answers.gather`` adds what is new to ``shapes.json``; nothing that is in it
goes away.
"""

import contextlib
import http.server
import io
import json
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from sidespan.tracer import Tracer
from sidespan.v1.recorder_pb2 import Records
from sidespand.cli import exits, main
from tests import shapes
from tests.agent_trace import AgentRun
from tests.api_server import ask
from tests.daemon import Daemon, running, wait_until
from tests.frame_client import RECORDS, FrameClient
from tests.otlp import export_request, marked

KNOWN: Final = Path(__file__).with_name("shapes.json")
WAIT_S: Final = 30.0
# What is no one document: a word, events, and a content as it is.
LEFT_OUT: Final = ("/healthz", "/v1/stream", "/v1/spans/{span}/content")
# What commands have the daemon do; they print its answer.
ACTS: Final = ("POST /v1/redact", "POST /v1/dead-letters/replay", "POST /v1/trim")

Documents = dict[str, list[Any]]


class Gathering:
    """Documents by what was asked.

    Args:
        daemon: That answers.
    """

    def __init__(self, daemon: Daemon) -> None:
        self.found: Documents = {}
        self.daemon = daemon
        self.root = daemon.data.parent
        self.api_sock = daemon.run / "api.sock"

    def get(self, route: str, target: str) -> Any:
        """Ask the API, and keep the answer."""
        told = ask(self.api_sock, "GET", target)
        assert told.status == 200, (target, told.body)
        self.found.setdefault(f"GET {route}", []).append(told.json)
        return told.json

    def post(self, route: str, body: dict[str, Any]) -> Any:
        """Have the API do something, and keep the answer."""
        headers = {"Content-Type": "application/json"}
        told = ask(self.api_sock, "POST", route, json.dumps(body).encode(), headers)
        assert told.status in (200, 202), (route, told.body)
        self.found.setdefault(f"POST {route}", []).append(told.json)
        return told.json

    def command(self, name: str, *arguments: object, lines: bool = False) -> Any:
        """Run a command with ``--json``, and keep what it prints.

        Args:
            name: As the golden file has it: the command, and perhaps what of it.
            arguments: Behind the command's own name.
            lines: It prints a document a line.
        """
        given = [name.split(" ", maxsplit=1)[0], *map(str, arguments), "--json"]
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            status = main(given)
        assert status in (exits.OK, exits.WRONG), given
        text = printed.getvalue()
        documents = (
            [json.loads(line) for line in text.splitlines()] if lines else [json.loads(text)]
        )
        assert documents, given
        self.found.setdefault(f"{name} --json", []).extend(documents)
        return documents[-1]


def gather(root: Path) -> Documents:
    """Return documents by route or command; it takes seconds.

    Args:
        root: An empty directory.
    """
    with _refusing() as port:
        config = (
            '[sinks.archive]\ntype = "jsonl"\n'
            f'[sinks.far]\ntype = "otlp"\nprotocol = "http/protobuf"\n'
            f'endpoint = "http://127.0.0.1:{port}"\ncapture = "full"\n'
        )
        with running(root, ["--web", "127.0.0.1:0"], config=config) as daemon:
            gathering = Gathering(daemon)
            wait_until(gathering.api_sock.exists, WAIT_S, "the API")
            with _recorded(gathering) as agent_run:
                _ask_api(gathering, agent_run)
                _ask_commands(gathering, agent_run)
                _change(gathering)
        _ask_files(gathering)
    return gathering.found


@contextlib.contextmanager
def _refusing() -> Iterator[int]:
    """Yield the port of a collector that takes nothing."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(400)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def _recorded(gathering: Gathering) -> Iterator[AgentRun]:
    """Yield the run to ask for, when all is indexed; while it is held a span is open."""
    agent_run, secret = AgentRun(), AgentRun()
    rich = export_request(2)
    span = rich.resource_spans[0].scope_spans[0].spans[0]
    span.status.code, span.status.message = 2, "no network"
    event = span.events.add(name="exception", time_unix_nano=span.start_time_unix_nano)
    event.attributes.add(key="exception.type").value.string_value = "OSError"
    span.links.add(trace_id=agent_run.trace_id, span_id=agent_run.first, trace_state="a=b")
    with FrameClient(gathering.daemon.ingest, WAIT_S) as client:
        client.hello(os.urandom(16))
        sent = [
            Records(traces=rich.SerializeToString()),
            Records(traces=secret.spans()),
            Records(traces=agent_run.spans()),
            Records(logs=agent_run.logs()),
            Records(marks=marked(os.urandom(16), [os.urandom(8)])),
        ]
        for seq, one in enumerate(sent, 1):
            client.send(RECORDS, seq, one.SerializeToString())
            client.ack(seq)

        def indexed(query: str) -> bool:
            told = ask(gathering.api_sock, "GET", f"/v1/spans?q={query}")
            return told.status == 200 and bool(told.json["spans"])

        wait_until(lambda: indexed("is:open"), WAIT_S, "the index")
        arguments = ("--data", gathering.daemon.data, "--run", gathering.daemon.run)
        name = secret.trace_id.hex()
        asked = ("--query", name, "--reason", "asked to", "--actor", "ann", *arguments)
        gathering.command("redact preview", *asked, "--dry-run")
        gathering.command("redact", *asked, "--yes")
        receipt = f"/v1/receipts/{agent_run.first.hex()}"
        wait_until(
            lambda: ask(gathering.api_sock, "GET", receipt).json["covered"], WAIT_S, "a checkpoint"
        )
        yield agent_run


def _ask_api(gathering: Gathering, agent_run: AgentRun) -> None:
    trace, agent = agent_run.trace_id.hex(), agent_run.agent.hex()
    first, second, tool = (one.hex() for one in (agent_run.first, agent_run.second, agent_run.tool))
    targets = {
        "/v1/traces": ["/v1/traces", "/v1/traces?q=zanzibar&limit=1"],
        "/v1/traces/{trace}": [f"/v1/traces/{trace}"],
        "/v1/traces/{trace}/skeleton": [f"/v1/traces/{trace}/skeleton"],
        "/v1/spans": ["/v1/spans"],
        "/v1/spans/{span}": [f"/v1/spans/{one}" for one in (agent, first, second, tool)],
        "/v1/spans/{span}/diff": [
            f"/v1/spans/{second}/diff?of=messages", f"/v1/spans/{agent}/diff?of=state"
        ],
        "/v1/open": ["/v1/open"],
        "/v1/stats": ["/v1/stats?by=model"],
        "/v1/strip": ["/v1/strip"],
        "/v1/complete": ["/v1/complete?field=model"],
        "/v1/compare": [f"/v1/compare?a={first}&b={second}"],
        "/v1/explain": [f"/v1/explain?a={first}&b={second}"],
        "/v1/order": [f"/v1/order?trace_id={trace}"],
        "/v1/receipts/{item}": [f"/v1/receipts/{first}"],
        "/v1/verify": ["/v1/verify"],
        "/v1/status": ["/v1/status"],
    }  # fmt: skip
    gathering.post("/v1/sql", {"sql": "SELECT name, count(*) FROM spans GROUP BY name"})
    gathering.post("/v1/verify", {})

    def checked() -> bool:
        return ask(gathering.api_sock, "GET", "/v1/verify").json["ok"] is not None

    wait_until(checked, WAIT_S, "the check")
    for route, asked in targets.items():
        for target in asked:
            gathering.get(route, target)
    gathering.found["GET /v1/complete (fields)"] = [
        ask(gathering.api_sock, "GET", "/v1/complete").json
    ]
    description = ask(gathering.api_sock, "GET", "/v1/openapi.json").json
    # Routes, not what is said of them.
    gathering.found["GET /v1/openapi.json"] = [
        {"paths": {path: sorted(methods) for path, methods in description["paths"].items()}}
    ]
    gathering.found["refusal"] = [ask(gathering.api_sock, "GET", "/v1/traces/zzzzzz").json]
    store_id = ask(gathering.api_sock, "GET", "/v1/status").json["store_id"]
    gathering.post("/v1/reload", {})
    gathering.post("/v1/reindex", {"store_id": store_id})
    wait_until(
        lambda: ask(gathering.api_sock, "GET", f"/v1/spans/{second}").status == 200, WAIT_S,
        "the index",
    )  # fmt: skip


def _ask_commands(gathering: Gathering, agent_run: AgentRun) -> None:
    data = gathering.daemon.data
    here = ("--data", data, "--run", gathering.daemon.run)
    files = ("--data", data)
    trace = agent_run.trace_id.hex()
    say = gathering.command
    say("ls", *here)
    say("ls open", *here, "--open")
    say("show", trace, *here)
    say("show io", trace, *here, "--io")
    say("show journal", trace, *files, "--all")
    say("diff", agent_run.agent.hex(), *here)
    say("diff of a trace", trace, *here)
    say("tail", *here, lines=True)
    say("stats", *here)
    say("top", *here, "-n", "1", lines=True)
    say("query", *here)
    say("query of a statement", "SELECT count(*) FROM spans", *here)
    say("sql", "SELECT count(*) FROM spans", *here)
    say("status", *files)
    say("doctor", *here)
    say("open", trace, *here, "--print")
    _ask_others(gathering, agent_run)


def _ask_others(gathering: Gathering, agent_run: AgentRun) -> None:
    root, data = gathering.root, gathering.daemon.data
    config = root / "sidespan.toml"
    here = ("--data", data, "--run", gathering.daemon.run)
    files = ("--data", data)
    trace, first, second = agent_run.trace_id.hex(), agent_run.first.hex(), agent_run.second.hex()
    say = gathering.command
    say("compare", first, second, *files)
    say("explain", first, second, *files)
    say("order", trace, *files)
    say("violations", *files)
    say("lineage", *files)
    say("receipt", first, *files)
    say("receipt of a record", first, *files, "--record")
    say("receipt of a trace", trace, *files)
    say("check", config)
    say("config init", "init", root / "made.toml")
    say("env", "--run", gathering.daemon.run, "--door", "socket")
    say("keys init", "init", "--data", root / "keyed")
    say("keys show", "show", "--data", root / "keyed")
    say("reload", "--config", config, "--run", gathering.daemon.run)
    exported = root / "export.jsonl"
    with contextlib.redirect_stdout(io.StringIO()):
        assert main(["export", "-f", "jsonl", "-o", str(exported), *map(str, here)]) == exits.OK
        bundle = root / "one.bundle"
        assert main(["prove", first, "-o", str(bundle), *map(str, files)]) == exits.OK
    say("import", exported, "--socket", gathering.daemon.ingest)
    say("verify a bundle", bundle)
    say("verify a file", exported)
    say("fsck", *files)
    Tracer("planner", trace_dir=root / "steps").step("choose").start().finish()
    steps = ("--dir", root / "steps")
    say("list of sessions", *steps)
    say("view of sessions", "planner", *steps)
    say("stats of sessions", *steps)


def _change(gathering: Gathering) -> None:
    here = ("--data", gathering.daemon.data, "--run", gathering.daemon.run,
            "--config", gathering.root / "sidespan.toml")  # fmt: skip
    letters = gathering.daemon.data / "sinks/far"
    wait_until(lambda: any(letters.glob("dead*")), WAIT_S, "the refused spans")
    say = gathering.command
    say("deadletter ls", "ls", *here)
    say("deadletter ls of a sink", "ls", "far", *here)
    say("deadletter show", "show", "far", "--all", *here)
    say("deadletter replay", "replay", "far", "--all", *here)
    say("deadletter drop", "drop", "far", "--all", *here)
    say("trim preview", "--before", "1h", "--dry-run", *here)
    say("trim", "--before", "1h", "--yes", *here)
    say("reindex", *here)
    say("backup", gathering.root / "saved", "--data", gathering.daemon.data)


def _ask_files(gathering: Gathering) -> None:
    """Ask a store that no daemon has."""
    root, say = gathering.root, gathering.command
    alone = root / "restored"
    say("restore", root / "saved", alone)
    here = ("--data", alone)
    say("ls of a journal", *here)
    say("tail of a journal", *here, lines=True)
    say("verify", *here)
    say("salvage preview", *here, "--dry-run")
    say("salvage", *here, "--yes")
    say("reindex alone", *here)
    say("trim alone", *here, "--before", "1h", "--yes")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory:
        found = {name: shapes.of(one) for name, one in gather(Path(directory)).items()}
    known = json.loads(KNOWN.read_text(encoding="utf-8")) if KNOWN.exists() else {}
    names = sorted({*known, *found})
    grown = {
        name: shapes.merged(known[name], found[name])
        if name in known and name in found
        else known.get(name) or found[name]
        for name in names
    }
    KNOWN.write_text(json.dumps(grown, indent=1) + "\n", encoding="utf-8")
    sys.stderr.write(f"{len(grown)} documents in {KNOWN}\n")
