"""What leaves a running daemon: through every sink, log, metric and answer."""

import asyncio
import json
import os
import signal
from base64 import b64decode
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from sidespand.governed import declare
from tests import doors
from tests.collector import Collector, Failure, collecting
from tests.daemon import Daemon, running, wait_until
from tests.e2e.test_redaction import redact, send
from tests.journals import run
from tests.line_files import whole_lines
from tests.otlp import encoded, export_request
from tests.unit.sinks.policies import put, span_of

SAID = "what the user said"
SECRET = "sk-live-0123456789abcdef"
BEARER = "eyJhbGciOi.payload.signature"
WAIT_S = 20.0
pytestmark = pytest.mark.slow


def conversation(name: str = "chat") -> ExportTraceServiceRequest:
    """Return a span with content, a secret and a bearer token in many places."""
    request = export_request(1, trace_state=f"v={SECRET}")
    span = span_of(request)
    span.name = f"{name} {SECRET}"
    span.status.code, span.status.message = 2, f"{SAID} {SECRET}"
    put(
        span.attributes,
        {
            "gen_ai.request.model": "a-model",
            "gen_ai.input.messages": f"{SAID} {SECRET}",
            "note": f"x {SECRET} y",
            "http.header": f"Bearer {BEARER}",
            "map": {"prompt": SAID, SECRET: [SECRET, SECRET.encode()]},
        },
    )
    put(span.events.add(name=f"e {SECRET}").attributes, {"exception.message": SAID})
    put(request.resource_spans[0].resource.attributes, {"host": SECRET})
    request.resource_spans[0].scope_spans[0].scope.name = SECRET
    return request


def governed(*sinks: str, trace_id: bytes | None = None) -> bytes:
    """Return a request that names sinks."""
    request = export_request(1, trace_id=trace_id)
    declare(request.resource_spans[0].resource, frozenset(sinks))
    return request.SerializeToString()


def config(root: Path, collector: Collector, *, tap: str = "") -> str:
    """Return a configuration with a sink on each side of data_dir."""
    secret = root / "secret"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    return f"""
        [secrets]
        files = ["{secret}"]
        [sinks.archive]
        type = "jsonl"
        [sinks.export]
        type = "jsonl"
        path = "{root / "export.jsonl"}"
        [sinks.shape]
        type = "jsonl"
        path = "{root / "shape.jsonl"}"
        capture = "metadata"
        [sinks.nothing]
        type = "jsonl"
        path = "{root / "nothing.jsonl"}"
        capture = "off"
        [sinks.away]
        type = "otlp"
        endpoint = "http://{collector.address}"
        {tap}
    """


def with_collector(test: Callable[[Collector], None]) -> None:
    """Run a test beside a collector."""

    async def whole() -> None:
        async with collecting() as collector:
            await asyncio.to_thread(test, collector)

    run(whole())


def outputs(daemon: Daemon, root: Path) -> Iterator[tuple[str, bytes]]:
    """Yield all that a daemon has written but its journal, and what it shows."""
    for path in root.rglob("*"):
        journal = path.is_relative_to(daemon.data / "seg")
        if path.is_file() and not journal and path != root / "secret":
            yield str(path), path.read_bytes()
    for page in ("/metrics", "/healthz", "/readyz"):
        connection = doors.http_connection(daemon.http)
        connection.request("GET", page)
        yield page, connection.getresponse().read()
        connection.close()


def test_a_secret_is_in_no_sink_log_metric_or_answer(tmp_path: Path) -> None:
    """A grep over every output finds none, at every level; content is in none that leaves."""
    tap = f'[tap]\npath = "{tmp_path / "tap.jsonl"}"'

    def use(collector: Collector) -> None:
        collector.answers.append(Failure(grpc.StatusCode.UNAVAILABLE, f"no {SECRET}"))
        collector.answers.append(Failure(grpc.StatusCode.INVALID_ARGUMENT, f"never {SECRET}"))
        with running(tmp_path, doors.TCP_FLAGS, config=config(tmp_path, collector, tap=tap)) as it:
            answers = []
            for name in doors.DOORS:
                with doors.opened(name, it) as door:
                    answers.append(door.send(conversation(name).SerializeToString()))
                    assert answers[-1].code == door.ok
                    answers.append(door.send(governed(SECRET)))
                    assert answers[-1].code == door.invalid
                    answers.append(door.send(governed(SECRET) + encoded(1)))
                    assert answers[-1].rejected == 1
            assert "there is no such sink" in answers[1].text
            connection = doors.http_connection(it.http)
            for body in (f'{{"{SECRET}": 1}}', f'{{"resourceSpans": "{SECRET}"}}', SECRET):
                connection.request("POST", f"/v1/traces?{SECRET}", body, {"content-type": SECRET})
                answers.append(doors.Answer(connection.getresponse().read().decode()))
                connection.request("POST", "/v1/traces", body, {"content-type": "application/json"})
                answers.append(doors.Answer(connection.getresponse().read().decode()))
            connection.request("GET", f"/{SECRET}")
            answers.append(doors.Answer(connection.getresponse().read().decode()))
            connection.close()
            count = 2 * len(doors.DOORS)
            files = [it.data / "sinks/archive/spans.jsonl", tmp_path / "export.jsonl",
                     tmp_path / "shape.jsonl"]  # fmt: skip
            for path in files:
                wait_until(lambda path=path: len(whole_lines(path)) == count, WAIT_S, str(path))
            wait_until(lambda: len(collector.lsns()) >= 1, WAIT_S, "the collector")
            found = dict(outputs(it, tmp_path))
            assert it.terminate() == 0
            found |= {
                str(path): path.read_bytes() for path in (it.log_path, tmp_path / "tap.jsonl")
            }
        found |= {"answers": repr(answers).encode(), "collector": repr(collector.requests).encode()}
        tapped = [json.loads(line) for line in found[str(tmp_path / "tap.jsonl")].splitlines()]
        for number, line in enumerate(tapped):
            found[f"tap {line['sink']} {number}"] = b64decode(line["payload"])

        assert [name for name, body in found.items() if SECRET.encode() in body] == []
        says = {name for name, body in found.items() if SAID.encode() in body}
        assert str(files[0]) in says
        assert all(name == str(files[0]) or name.startswith("tap archive") for name in says)
        bears = {name for name, body in found.items() if BEARER.encode() in body}
        assert bears <= says
        assert not (tmp_path / "nothing.jsonl").exists()
        assert b"<redacted>" in found[str(it.log_path)]
        assert b"delivering to archive (full), export (redacted)" in found[str(it.log_path)]

    with_collector(use)


def test_governed_records_go_nowhere_else(tmp_path: Path) -> None:
    """Only to what they name, however the daemon is configured; others of their trace follow."""
    trace_id, other = os.urandom(16), os.urandom(16)

    def use(collector: Collector) -> None:
        with running(tmp_path, config=config(tmp_path, collector)) as it:
            with doors.opened("frames", it) as door:
                assert door.send(governed("export", trace_id=trace_id)).code == door.ok
                assert door.send(encoded(1, trace_id=trace_id)).code == door.ok
                refused = door.send(governed("archive", trace_id=trace_id))
                assert refused.code == door.invalid
                assert "goes to export since its first record" in refused.text
                assert not refused.retry
                assert door.send(encoded(2, trace_id=other)).code == door.ok
            archive = it.data / "sinks/archive/spans.jsonl"
            wait_until(lambda: len(whole_lines(archive)) == 2, WAIT_S, "the archive")
            wait_until(
                lambda: len(whole_lines(tmp_path / "export.jsonl")) == 4, WAIT_S, "the export"
            )
            wait_until(lambda: len(collector.lsns()) == 2, WAIT_S, "the collector")
            wait_until(
                lambda: doors.figure(it, "sidespan_sink_withheld_items_total", sink="away") == 2,
                WAIT_S,
                "the figures",
            )
            assert doors.figure(it, "sidespan_sink_withheld_items_total", sink="nothing") == 4
            assert it.terminate() == 0
        traces = {path: [span["trace_id"] for span in whole_lines(path)] for path in (
            archive, tmp_path / "export.jsonl", tmp_path / "shape.jsonl")}  # fmt: skip
        assert traces[archive] == [other.hex()] * 2
        assert traces[tmp_path / "export.jsonl"] == [trace_id.hex()] * 2 + [other.hex()] * 2
        assert set(traces[tmp_path / "shape.jsonl"]) <= {other.hex()}

    with_collector(use)


def test_governed_records_may_name_a_sink_that_a_reload_brings(tmp_path: Path) -> None:
    """And not one that it took away; a trace that has begun goes where it went."""
    table = '[sinks.{}]\ntype = "jsonl"\n'
    trace_id = os.urandom(16)
    with running(tmp_path, config=table.format("before")) as it:
        with doors.opened("frames", it) as door:
            assert door.send(governed("before", trace_id=trace_id)).code == door.ok
            assert door.send(governed("after")).code == door.invalid
            (tmp_path / "sidespan.toml").write_text(table.format("after"))
            os.kill(it.pid, signal.SIGHUP)
            wait_until(lambda: door.send(governed("after")).code == door.ok, WAIT_S, "the reload")
            assert "names 'before', and there is no such" in door.send(governed("before")).text
            assert door.send(governed("after", trace_id=trace_id)).code == door.invalid
        after = it.data / "sinks/after/spans.jsonl"
        wait_until(lambda: len(whole_lines(after)) == 1, WAIT_S, "the new sink")
        assert whole_lines(after)[0]["trace_id"] != trace_id.hex()
        assert it.terminate() == 0


def test_a_redaction_reaches_the_tap(tmp_path: Path) -> None:
    """Of a running daemon, and of one that stopped; what else is in it stays."""
    tap = tmp_path / "tap.jsonl"
    text = f'[sinks.archive]\ntype = "jsonl"\n[tap]\npath = "{tap}"\n'

    def lines() -> list[str]:
        return tap.read_text("ascii").splitlines() if tap.exists() else []

    with running(tmp_path, config=text) as it:
        positions = send(it, *(encoded(1) for _ in range(3)))
        wait_until(lambda: len(lines()) == 3, WAIT_S, "the tap")
        redact(it, positions[0])
        wait_until(lambda: len(lines()) == 2, WAIT_S, "the erasure")
    redact(it, positions[2])
    (left,) = lines()
    assert json.loads(left)["first_lsn"] == positions[1].rpartition(":")[2]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('[sinks.a]\ntype = "jsonl"\ncapture = "redcated"\n', "sinks.a.capture: expected"),
        ('[secrets]\nfiles = ["/nonexistent/secret"]\n', "secrets.files: /nonexistent/secret does"),
        ('[secrets]\nvalues = ["x"]\n', "secrets.values: unknown key"),
    ],
)
def test_what_cannot_be_kept_stops_the_start(text: str, fault: str, tmp_path: Path) -> None:
    """No word is taken for another, and no secret goes unheeded."""
    daemon = Daemon(tmp_path, config=text)
    with pytest.raises(AssertionError):
        daemon.start()
    assert fault in daemon.log()
    assert not (tmp_path / "data/seg").exists()
