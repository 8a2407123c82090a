"""A configured secret is looked for in all that a daemon with every kind of sink puts out."""

import asyncio
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import grpc
import pytest

from tests import doors
from tests.api_server import ask
from tests.collector import Collector, Failure, collecting
from tests.daemon import Daemon, running, wait_until
from tests.e2e.test_api import TARGETS
from tests.e2e.test_export_policy import BEARER, SAID, SECRET, WAIT_S, conversation, outputs
from tests.journals import run
from tests.nats_servers import add_stream, client_of, messages, serving

pytestmark = pytest.mark.slow

_FORMATS = ("spans", "decision-tracer", "agenttrace")


def config(root: Path, collector: Collector, refusing: Collector, nats_url: str) -> str:
    """Return a configuration with every type of sink, each given all that it may have."""
    secret = root / "secret"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    lines = [
        f'[sinks.lines-{name}]\ntype = "jsonl"\nformat = "{name}"\ncapture = "full"\n'
        for name in _FORMATS
    ]
    return f"""
        [secrets]
        files = ["{secret}"]
        [tap]
        path = "{root / "tap.jsonl"}"
        [sinks.traces]
        type = "aitrace_file"
        quiet = "0s"
        [sinks.screen]
        type = "console"
        verbose = true
        capture = "full"
        [sinks.fleet]
        type = "nats"
        servers = ["{nats_url}"]
        capture = "full"
        [sinks.away]
        type = "otlp"
        endpoint = "http://{collector.address}"
        capture = "full"
        [sinks.refused]
        type = "otlp"
        endpoint = "http://{refusing.address}"
        capture = "full"
        {"".join(lines)}
    """


def api_answers(daemon: Daemon) -> Iterator[tuple[str, bytes]]:
    """Yield what the API says to requests that have the secret where it does not belong.

    Ids and parameters are left out: an answer names those that it was asked for, to whoever asked.
    """
    quoted = urllib.parse.quote(SECRET)
    asked = [
        ("GET", f"/v1/{quoted}"),
        ("POST", "/v1/redactions"),
        ("POST", f"/v1/{quoted}"),
        ("DELETE", f"/{quoted}"),
    ]
    for method, path in asked:
        connection = doors.http_connection(daemon.run / "api.sock")
        body = f'{{"{SECRET}": "{SECRET}"'
        connection.request(method, path, body=body, headers={"Host": "localhost"})
        answer = connection.getresponse()
        yield f"{method} {path}", answer.read() + repr(answer.getheaders()).encode()
        connection.close()
    yield from _told_of_spans(daemon.run / "api.sock")


def _indexed(daemon: Daemon) -> int:
    return len(ask(daemon.run / "api.sock", "GET", "/v1/spans?q=text:redacted").json["spans"])


def _told_of_spans(path: Path) -> Iterator[tuple[str, bytes]]:
    # Every question that the API answers, asked about one of the conversations.
    listed = ask(path, "GET", "/v1/spans?q=text:redacted").json["spans"][0]
    span = listed["span_id"]
    ids = {"trace": listed["trace_id"], "tool": span, "first": span, "second": span}
    targets = TARGETS | {
        "/v1/spans/{span}/content": "/v1/spans/{tool}/content?field=/span/attributes/note",
        "/v1/spans/{span}/diff": "/v1/spans/{tool}/diff?of=messages&against={tool}",
    }
    for route, methods in ask(path, "GET", "/v1/openapi.json").json["paths"].items():
        if "get" in methods and route != "/v1/stream":
            told = ask(path, "GET", targets.get(route, route).format(**ids))
            assert told.status == HTTPStatus.OK, (route, told.body)
            yield f"GET {route}", told.body
    lineage = ask(path, "GET", "/v1/status").json["lineage"]
    yield "GET /v1/stream", _first_events(path, f"/v1/stream?after={lineage}:1")
    found = ask(path, "GET", "/v1/traces?q=said")
    assert "<redacted>" in found.json["traces"][0]["match"]
    yield "GET with an excerpt", found.body


def _first_events(path: Path, target: str) -> bytes:
    # A stream does not end: it is read until it has told of a trace.
    connection = doors.http_connection(path)
    connection.request("GET", target, headers={"Host": "localhost"})
    answer, told = connection.getresponse(), b""
    while b"event: trace" not in told:
        line = answer.readline()
        assert line, told
        told += line
    told += answer.readline()
    connection.close()
    return told


def command_answers(daemon: Daemon) -> Iterator[tuple[str, bytes]]:
    """Yield what commands print that tell of sinks, or ask the daemon what was recorded."""
    trace = ask(daemon.run / "api.sock", "GET", "/v1/traces").json["traces"][0]["trace_id"]
    config = ("--config", str(daemon.data.parent / "sidespan.toml"))
    data, where = ("--data", str(daemon.data)), ("--run", str(daemon.run))
    for words in (
        ("status", *data),
        ("status", "--json", *data),
        ("deadletter", "ls", *data, *where),
        ("deadletter", "ls", "--json", *data, *where),
        ("deadletter", "show", "refused", "--all", *data, *where),
        ("deadletter", "show", "refused", "--all", "--json", *data, *where),
        ("deadletter", "replay", "refused", "--all", "--json", *data, *where),
        ("ls", *where),
        ("show", trace, "--json", *where),
        ("show", trace, "--md", *where),
        ("tail", "--json", *where),
        ("query", "text:redacted", "--json", *where),
        ("sql", "SELECT * FROM spans", *where),
        ("export", "-f", "html", *where),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "sidespand", *words, *config],
            capture_output=True, timeout=60, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode in (0, 1), done.stderr
        assert done.stdout
        yield " ".join(words).partition(" --data")[0], done.stdout + done.stderr


def _use(root: Path, collector: Collector, text: str) -> dict[str, bytes]:
    with running(root, doors.TCP_FLAGS, config=text) as daemon:
        for name in doors.DOORS:
            with doors.opened(name, daemon) as door:
                assert door.send(conversation(name).SerializeToString()).code == door.ok
        count = len(doors.DOORS)
        place = daemon.data / "sinks"
        for name in _FORMATS:
            path = place / f"lines-{name}/spans.jsonl"
            wait_until(
                lambda path=path: path.exists() and len(path.read_bytes().splitlines()) >= count,
                WAIT_S,
                str(path),
            )
        receipts = place / "traces/traces"
        wait_until(lambda: len(list(receipts.glob("*.evidence.json"))) >= count, WAIT_S, "pairs")
        wait_until(lambda: len(collector.lsns()) >= count, WAIT_S, "the collector")
        letters = place / "refused/dead-letters.jsonl"
        wait_until(lambda: letters.exists() and letters.stat().st_size > 0, WAIT_S, "letters")
        wait_until(lambda: daemon.log().count("▸") >= count, WAIT_S, "the screen")
        wait_until(lambda: _indexed(daemon) == count, WAIT_S, "the index")
        found = dict(api_answers(daemon)) | dict(command_answers(daemon))
        found |= dict(outputs(daemon, root))
        assert daemon.terminate() == 0
    return found | {str(path): path.read_bytes() for path in (daemon.log_path, root / "tap.jsonl")}


def test_a_secret_is_in_nothing_that_comes_out(tmp_path: Path) -> None:
    """Files of every sink, messages, the screen, dead letters, tap, API and commands have none."""

    async def test() -> None:
        with serving(tmp_path) as nats:
            async with (
                collecting() as collector,
                collecting() as refusing,
                client_of(nats.url) as client,
            ):
                await add_stream(client)
                collector.answers.append(Failure(grpc.StatusCode.UNAVAILABLE, f"no {SECRET}"))
                never = Failure(grpc.StatusCode.INVALID_ARGUMENT, f"never {SECRET}")
                refusing.judge = lambda _: never
                root = tmp_path / "node"
                root.mkdir()
                text = config(root, collector, refusing, nats.url)
                found = await asyncio.to_thread(_use, root, collector, text)
                for number, message in enumerate(await messages(client)):
                    found[f"message {number}"] = message.data + repr(message.headers).encode()
                found["collector"] = b"".join(
                    request.SerializeToString() for request in collector.requests
                )
        assert sum(name.startswith("message ") for name in found) >= len(doors.DOORS)
        assert [name for name, body in found.items() if SECRET.encode() in body] == []
        assert SAID.encode() in found["collector"]
        assert any(SAID.encode() in found[name] for name in found if name.startswith("message "))
        # The one sink here that claims to be redacted has neither content nor a bearer token.
        for name, body in found.items():
            if "/traces/" in name and name.endswith(".json"):
                assert SAID.encode() not in body
                assert BEARER.encode() not in body
        assert b"<redacted>" in found["deadletter show refused --all --json"]
        assert b"<redacted>" in found["GET /v1/spans/{span}"]
        assert b"<redacted>" in found["GET /v1/stream"]
        shown = [body for name, body in found.items() if name.startswith(("show ", "export "))]
        assert len(shown) == 3
        assert all(b"redacted" in body for body in shown)

    run(test())
