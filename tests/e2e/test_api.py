"""The API of a real daemon: every endpoint on both doors, its locks, and its stream."""

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from jsonschema import Draft202012Validator

from sidespan.v1.recorder_pb2 import Records
from tests.agent_trace import LARGE, WORD, AgentRun
from tests.api_server import Told, ask
from tests.daemon import Daemon, running, wait_until
from tests.doors import TIMEOUT_S
from tests.frame_client import RECORDS, FrameClient
from tests.otlp import encoded, marked

pytestmark = pytest.mark.slow

WAIT_S = 20.0
TARGETS = {
    "/v1/traces/{trace}": "/v1/traces/{trace}",
    "/v1/traces/{trace}/skeleton": "/v1/traces/{trace}/skeleton",
    "/v1/spans/{span}": "/v1/spans/{tool}?trace_id={trace}",
    "/v1/spans/{span}/content": "/v1/spans/{tool}/content?field=/span/attributes/large",
    "/v1/spans/{span}/diff": "/v1/spans/{second}/diff?of=messages",
    "/v1/stats": "/v1/stats?by=model",
    "/v1/compare": "/v1/compare?a={first}&b={second}",
    "/v1/explain": "/v1/explain?a={first}&b={second}",
    "/v1/order": "/v1/order?trace_id={trace}",
    "/v1/receipts/{item}": "/v1/receipts/{first}",
}


class Node(NamedTuple):
    """A running daemon and what it has recorded.

    Args:
        daemon: The daemon.
        port: Of its web door.
        token: Of its API.
        agent_run: Recorded whole, and indexed.
    """

    daemon: Daemon
    port: int
    token: str
    agent_run: AgentRun

    @property
    def path(self) -> Path:
        """Its api.sock."""
        return self.daemon.run / "api.sock"

    @property
    def bearer(self) -> dict[str, str]:
        """The header that shows the token."""
        return {"Authorization": f"Bearer {self.token}"}

    def route(self, template: str) -> str:
        """Return a route with the ids of the recorded run."""
        run = self.agent_run
        ids = {"trace": run.trace_id, "tool": run.tool, "first": run.first, "second": run.second}
        return template.format(**{name: one.hex() for name, one in ids.items()})

    def get(self, template: str) -> Any:
        """Return the JSON that its socket answers."""
        told = ask(self.path, "GET", self.route(template))
        assert told.status == 200, told.body
        return told.json


def record(daemon: Daemon, *bodies: bytes, logs: bytes = b"", marks: bytes = b"") -> None:
    """Record requests in a session of their own, that stays open with its marks."""
    with FrameClient(daemon.ingest, TIMEOUT_S) as client:
        client.hello(os.urandom(16))
        sent = [Records(traces=one) for one in bodies]
        sent += [Records(logs=logs)] if logs else []
        sent += [Records(marks=marks)] if marks else []
        for seq, one in enumerate(sent, 1):
            client.send(RECORDS, seq, one.SerializeToString())
            client.ack(seq)


def indexed(path: Path, trace_id: bytes, span_count: int) -> bool:
    """Tell whether so many spans of a trace are in the list."""
    told = ask(path, "GET", f"/v1/traces?q=trace:{trace_id.hex()}")
    return told.status == 200 and [one["span_count"] for one in told.json["traces"]] == [span_count]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """Yield a daemon that has recorded a run."""
    with running(tmp_path_factory.mktemp("api"), ["--web", "127.0.0.1:0"]) as daemon:
        path = daemon.run / "api.sock"
        wait_until(path.exists, WAIT_S, "the API")
        agent_run = AgentRun()
        record(daemon, agent_run.spans(), logs=agent_run.logs())
        wait_until(lambda: indexed(path, agent_run.trace_id, 4), WAIT_S, "the index")
        port = int(ask(path, "GET", "/v1/status").json["web"].rpartition(":")[2])
        token = (daemon.data / "api.token").read_text(encoding="ascii").strip()
        yield Node(daemon, port, token, agent_run)


def test_every_endpoint_answers_as_documented(node: Node) -> None:
    """On both doors, with the schema that the document states."""
    for where, headers in ((node.path, {}), (node.port, node.bearer)):
        document = ask(where, "GET", "/v1/openapi.json", None, headers).json
        for path, methods in document["paths"].items():
            if "get" not in methods or path == "/v1/stream":
                continue
            told = ask(where, "GET", node.route(TARGETS.get(path, path)), None, headers)
            assert told.status == 200, (path, told.body)
            ((kind, good),) = methods["get"]["responses"]["2XX"]["content"].items()
            assert told.headers["content-type"].startswith(kind)
            if kind == "application/json":
                schema = {**good["schema"], "components": document["components"]}
                Draft202012Validator(schema).validate(told.json)


def test_a_list_finds_and_shows_where(node: Node) -> None:
    """A word out of a prompt leads to its trace, with the text around it."""
    (row,) = node.get(f"/v1/traces?q={WORD}")["traces"]
    assert row["trace_id"] == node.agent_run.trace_id.hex()
    assert WORD in row["match"]
    assert (row["agent"], row["llm_count"], row["tool_count"]) == ("packer", 2, 1)
    assert (row["tokens_in"], row["tokens_out"]) == (40, 10)


def test_a_tree_has_what_each_step_is(node: Node) -> None:
    """Parents before children, each with the one model of what agents do."""
    document = node.get("/v1/traces/{trace}")
    assert [one["name"] for one in document["spans"]] == [
        "invoke_agent packer", "chat gpt-4o", "execute_tool weather", "chat gpt-4o",
    ]  # fmt: skip
    assert [one["ai"]["kind"] for one in document["spans"]] == ["agent", "llm", "tool", "llm"]
    skeleton = node.get("/v1/traces/{trace}/skeleton")
    assert skeleton["count"] == 4
    assert skeleton["columns"]["span_id"] == [one["span_id"] for one in document["spans"]]


def test_a_span_shows_its_conversation_and_its_tool(node: Node) -> None:
    """Messages in one form, the tool's call, its log, and where the record lies."""
    answer = node.get("/v1/spans/{second}")
    assert [one["role"] for one in answer["messages"]["input"]] == ["user", "assistant", "tool"]
    assert answer["messages"]["output"][0]["parts"][0]["content"] == "No coat."
    tool = node.get("/v1/spans/{tool}")
    assert (tool["tool"]["name"], tool["tool"]["call_id"]) == ("weather", "call-1")
    assert [one["body"] for one in tool["logs"]] == ["asked the weather"]
    assert tool["record"]["item_count"] == 4


def test_a_large_value_is_read_by_range(node: Node) -> None:
    """The answer names it, its size and its beginning; the parts make the whole."""
    cut = node.get("/v1/spans/{tool}")["span"]["attributes"]["large"]
    whole = LARGE.encode()
    assert (cut["bytes"], LARGE.startswith(cut["preview"])) == (len(whole), True)
    route = node.route("/v1/spans/{tool}/content?field=") + cut["$content"]
    parts = []
    for first in range(0, len(whole), 70_000):
        wanted = {"Range": f"bytes={first}-{first + 69_999}"}
        told = ask(node.path, "GET", route, None, wanted)
        assert told.status == 206
        parts.append(told.body)
    assert b"".join(parts) == whole
    assert ask(node.path, "GET", route).body == whole


def test_what_changed_is_told(node: Node) -> None:
    """Of a state within a span, of messages from one call to the next."""
    state = node.get(node.route("/v1/spans/") + node.agent_run.agent.hex() + "/diff?of=state")
    assert [(one["op"], one["path"]) for one in state["changes"]] == [
        ("changed", ["memory", "coats"]), ("added", ["memory", "notes", 0]),
    ]  # fmt: skip
    messages = node.get("/v1/spans/{second}/diff?of=messages")
    assert messages["from"]["span_id"] == node.agent_run.first.hex()
    assert [(one["op"], one["label"]) for one in messages["changes"]] == [
        ("added", "tool message 2")
    ]


@pytest.mark.parametrize("command", ["compare", "diff", "explain", "order", "receipt"])
def test_the_command_line_says_the_same(node: Node, command: str) -> None:
    """One implementation answers both."""
    # A receipt changes once: when a checkpoint is signed that covers it.
    wait_until(lambda: node.get("/v1/receipts/{first}")["covered"], WAIT_S, "a checkpoint")
    arguments = {
        "compare": ["{first}", "{second}"], "explain": ["{first}", "{second}"],
        "order": ["{trace}"], "receipt": ["{first}"], "diff": ["{second}"],
    }[command]  # fmt: skip
    routes = {"receipt": "/v1/receipts/{item}", "diff": "/v1/spans/{span}/diff"}
    route = routes.get(command, f"/v1/{command}")
    shown = subprocess.run(
        [sys.executable, "-m", "sidespand", command, "--json", "--data", str(node.daemon.data),
         *map(node.route, arguments)],
        capture_output=True, check=True, timeout=60,
    )  # fmt: skip
    assert json.loads(shown.stdout) == node.get(TARGETS[route])


def test_status_names_the_page(node: Node) -> None:
    """Whichever port the kernel chose."""
    command = [sys.executable, "-m", "sidespand", "status", "--json", "--data"]
    shown = subprocess.run([*command, str(node.daemon.data)], capture_output=True, check=True)
    assert json.loads(shown.stdout)["web"] == f"http://127.0.0.1:{node.port}"


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, 200),
        ({"Authorization": ""}, 401),
        ({"Authorization": "Bearer wrong-token-of-some-length"}, 401),
        ({"Host": "evil.example:4320"}, 403),
        ({"Host": "sidespan.attacker.example"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
def test_locks(node: Node, changed: dict[str, str], expected: int) -> None:
    """A wrong token, a rebound name and a foreign page get nothing of what was recorded."""
    told = ask(node.port, "GET", "/v1/traces", None, {**node.bearer, **changed})
    assert told.status == expected
    assert (b"packer" in told.body) is (expected == 200)


def test_the_token_is_its_owners(node: Node) -> None:
    """Nobody else may read it, and the web door never changes the store."""
    assert (node.daemon.data / "api.token").stat().st_mode & 0o777 == 0o600
    document = ask(node.port, "GET", "/v1/openapi.json").json
    assert "/v1/redact" not in document["paths"]
    assert "/v1/redact" in ask(node.path, "GET", "/v1/openapi.json").json["paths"]


@pytest.mark.parametrize(
    "target",
    ["/../../api.token", "/assets/../../../api.token", "/assets/%2e%2e/%2e%2e/app.py", "/./app.py"],
)
def test_no_path_leads_out_of_the_page(node: Node, target: str) -> None:
    """A target is sent as it is, as no browser would."""
    with socket.create_connection(("127.0.0.1", node.port), timeout=WAIT_S) as raw:
        head = f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        raw.sendall(head.encode())
        answer = b"".join(iter(lambda: raw.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 404")
    assert node.token.encode() not in answer


class Stream:
    """One connection to ``/v1/stream``.

    Args:
        node: Whose.
        after: The id after which to go on; empty to begin now.
    """

    def __init__(self, node: Node, after: str = "") -> None:
        self._connection = http.client.HTTPConnection("localhost", timeout=WAIT_S)
        self._connection.sock = socket.socket(socket.AF_UNIX)
        self._connection.sock.settimeout(WAIT_S)
        self._connection.sock.connect(str(node.path))
        headers = {"Last-Event-ID": after} if after else {}
        self._connection.request("GET", "/v1/stream", headers=headers)
        self._answer = self._connection.getresponse()
        assert self._answer.status == 200
        self.last_id = after
        self._deadline_s = time.monotonic() + 2 * WAIT_S

    def next(self) -> tuple[str, Any]:
        """Return the next event and its data; what never comes is not waited for."""
        assert time.monotonic() < self._deadline_s, "the stream did not tell what was awaited"
        name, data = "", b""
        while line := self._answer.readline():
            field, _, value = line.rstrip(b"\n").partition(b": ")
            if field == b"id":
                self.last_id = value.decode()
            elif field == b"event":
                name = value.decode()
            elif field == b"data":
                data = value
            elif not line.strip():
                return name, json.loads(data)
        raise EOFError

    def until(self, trace_id: bytes, span_count: int) -> list[str]:
        """Return the traces that were told of until one has so many spans."""
        told: list[str] = []
        while True:
            name, data = self.next()
            if name == "trace":
                told.append(data["trace_id"])
                if data["trace_id"] == trace_id.hex() and data["span_count"] == span_count:
                    # The last event of the batch has the id, which may be further on.
                    while _lsn(self.last_id) < _lsn(data["last_position"]):
                        self.next()
                    return told

    def row(self, trace_id: bytes) -> Any:
        """Return what the next event about a trace says of it."""
        while True:
            name, data = self.next()
            if name == "trace" and data["trace_id"] == trace_id.hex():
                return data

    def close(self) -> None:
        """Leave, as a tab that is closed."""
        self._connection.close()


def _lsn(position: str) -> int:
    return int(position.rpartition(":")[2] or 0)


def test_the_stream_goes_on_where_it_was_left(node: Node) -> None:
    """What came while nobody listened is told, and nothing that was told before is told again."""
    before, between, after = (os.urandom(16) for _ in range(3))
    stream = Stream(node)
    assert stream.next()[0] == "heartbeat"
    record(node.daemon, encoded(2, trace_id=before))
    assert stream.until(before, 2)[-1] == before.hex()
    stream.close()
    record(node.daemon, encoded(1, trace_id=between), encoded(3, trace_id=between))
    stream = Stream(node, stream.last_id)
    told = stream.until(between, 4)
    record(node.daemon, encoded(1, trace_id=after))
    told += stream.until(after, 1)
    stream.close()
    assert before.hex() not in told
    assert set(told) == {between.hex(), after.hex()}


def test_an_open_span_is_in_the_stream_and_in_the_list(node: Node) -> None:
    """The mark is enough: it is shown before it ends."""
    trace_id, span_id = os.urandom(16), os.urandom(8)
    stream = Stream(node)
    with FrameClient(node.daemon.ingest, TIMEOUT_S) as client:
        client.hello(os.urandom(16))
        client.records(1, marks=marked(trace_id, [span_id]))
        client.ack(1)
        assert stream.row(trace_id)["status"] == "open"
        assert span_id.hex() in [one["span_id"] for one in node.get("/v1/open")["spans"]]
        end = encoded(1, trace_id=trace_id, span_ids=[span_id])
        client.records(2, end, ended=trace_id + span_id)
        client.ack(2)
        while stream.row(trace_id)["status"] != "ok":
            pass
    stream.close()


def test_what_is_redacted_is_gone_at_once(node: Node) -> None:
    """As soon as the command has answered, no endpoint has any of it."""
    secret = AgentRun()
    record(node.daemon, secret.spans())
    wait_until(lambda: indexed(node.path, secret.trace_id, 4), WAIT_S, "the index")
    subprocess.run(
        [sys.executable, "-m", "sidespand", "redact", "--query", secret.trace_id.hex(), "--yes",
         "--data", str(node.daemon.data), "--run", str(node.daemon.run), "--reason", "asked to",
         "--actor", "ann"],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    answers: list[Told] = [
        ask(node.path, "GET", route)
        for route in (
            f"/v1/spans/{secret.tool.hex()}",
            f"/v1/spans/{secret.tool.hex()}/content?field=/span/attributes/large",
            f"/v1/spans/{secret.second.hex()}/diff?of=messages",
            f"/v1/traces/{secret.trace_id.hex()}/skeleton",
        )
    ]
    assert [one.status for one in answers] == [404] * len(answers)
    assert "was redacted by ann: asked to" in answers[-1].json["error"]["message"]
    left = node.get(f"/v1/traces/{secret.trace_id.hex()}")
    assert (left["spans"], [one["reason"] for one in left["redacted"]]) == ([], ["asked to"])
    listed = ask(node.path, "GET", f"/v1/traces?q={WORD}").json["traces"]
    assert secret.trace_id.hex() not in [one["trace_id"] for one in listed]


def test_a_statement_reads_and_never_writes(node: Node) -> None:
    """SELECT answers; anything else is refused before it runs."""

    def run(statement: str) -> Told:
        body = json.dumps({"sql": statement}).encode()
        return ask(node.path, "POST", "/v1/sql", body, {"Content-Type": "application/json"})

    told = run("SELECT count(*) AS n FROM spans")
    assert told.json["columns"] == ["n"]
    assert told.json["rows"][0][0] >= 4
    for statement in ("DELETE FROM span", "ATTACH 'x' AS y", "PRAGMA journal_mode", "SELEC", " "):
        assert run(statement).status == 400, statement


def test_a_check_of_the_store_is_run_beside_it(node: Node) -> None:
    """POST begins it, GET tells what it found; the daemon goes on meanwhile."""
    headers = {**node.bearer, "Content-Type": "application/json"}
    assert ask(node.port, "POST", "/v1/verify", b"{}", headers).status == 202
    wait_until(lambda: node.get("/v1/verify")["ok"] is not None, 60.0, "the check")
    assert node.get("/v1/verify")["ok"] is True
