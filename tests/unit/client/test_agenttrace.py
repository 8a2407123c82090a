"""AgentTrace's API: its programs run, what they write is complete, its old defects are gone."""

import asyncio
import http.server
import inspect
import json
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

import sidespan
from sidespan.agenttrace import (
    APIExporter,
    JSONLExporter,
    SpanType,
    Tracer,
    get_current_tracer,
    set_current_tracer,
    trace_decision,
    trace_llm,
    trace_retrieval,
    trace_tool,
)
from sidespan.testing import Capture, capture

USAGE = {"usage": {"prompt_tokens": 450, "completion_tokens": 200}}
PRICES = {"cost_per_prompt_token": 0.00003, "cost_per_completion_token": 0.00006}


@pytest.fixture
def spans() -> Iterator[Capture]:
    """Record into memory."""
    with capture() as captured:
        yield captured


class Kept:
    """An exporter that keeps what it is given."""

    def __init__(self) -> None:
        self.runs: list[Any] = []
        self.spans: list[Any] = []
        self.flushed = 0

    def export_run(self, run: Any) -> None:
        """Keep it."""
        self.runs.append(run)

    def export_span(self, span: Any) -> None:
        """Keep it."""
        self.spans.append(span)

    def flush(self) -> None:
        """Count it."""
        self.flushed += 1

    def named(self, name: str) -> Any:
        """Return the one span of that name."""
        (found,) = [span for span in self.spans if span["name"] == name]
        return found


@pytest.fixture
def kept() -> Kept:
    """Return an exporter."""
    return Kept()


@pytest.fixture
def tracer(kept: Kept) -> Tracer:
    """Return a tracer that exports into memory."""
    tracer = Tracer()
    tracer.set_exporter(kept)
    return tracer


# A program as AgentTrace's users write it; only the imports name Sidespan.
PROGRAM = """
from sidespan.agenttrace import Tracer, SpanType
from sidespan.agenttrace.exporters import APIExporter, JSONLExporter
from sidespan.agenttrace.wrappers import trace_tool, trace_llm

tracer = Tracer()
tracer.set_exporter(JSONLExporter(path="./out.jsonl"))

@trace_tool(tracer)
def lookup(query: str) -> dict:
    return {"hits": [query]}

@trace_llm(
    tracer, model="big-1", cost_per_prompt_token=0.00003, cost_per_completion_token=0.00006
)
def answer(context: str) -> str:
    return "An answer of some words"

with tracer.run("research", correlation_id="flow-7"):
    found = lookup("what is new")
    text = answer(str(found))

tracer.flush()
tracer.set_exporter(APIExporter(endpoint="http://127.0.0.1:9/api", timeout=0.2))
with tracer.run("unheard"):
    lookup("x")
tracer.flush()
"""


@pytest.mark.slow
def test_its_programs_run(tmp_path: Path) -> None:
    """Without a recorder or server, silently; the file has the run twice and each span once."""
    finished = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM],
        cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip

    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "", "")
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text("utf-8").splitlines()]
    assert [(line["type"], line["data"]["name"]) for line in lines] == [
        ("run", "research"), ("span", "lookup"), ("span", "big-1:answer"), ("run", "research"),
    ]  # fmt: skip
    assert [line["data"]["status"] for line in lines] == [
        "running", "completed", "completed", "completed",
    ]  # fmt: skip
    assert lines[3]["data"]["correlation_id"] == "flow-7"
    assert lines[3]["data"]["span_count"] == 2


def test_decorated_calls_are_exported_and_closed(
    tracer: Tracer, kept: Kept, spans: Capture
) -> None:
    """Tools and models as well as decisions and searches; none stays open after its call."""
    for decorate in (trace_tool, trace_llm, trace_decision, trace_retrieval):
        decorate(tracer)(_identity)(1)
        assert sidespan.current().recording is False
    with tracer.run("a"):
        trace_tool(tracer, "outer")(lambda: trace_llm(tracer, model="m")(_identity)(2))()

    assert [span["span_type"] for span in kept.spans] == [
        "tool_call", "llm_call", "decision", "retrieval", "llm_call", "tool_call",
    ]  # fmt: skip
    assert {span["status"] for span in kept.spans} == {"completed"}
    inner, outer = kept.spans[-2:]
    assert (inner["name"], inner["parent_span_id"]) == ("m:_identity", outer["id"])
    assert (outer["parent_span_id"], outer["run_id"]) == (None, kept.runs[-1]["id"])
    assert len(spans.spans) == 7


def _identity(value: Any) -> Any:
    return value


def test_prices_are_for_one_token(tracer: Tracer, kept: Kept, spans: Capture) -> None:
    """450 and 200 tokens at 30 and 60 millionths of a dollar cost 0.0255, in span and run."""
    with tracer.run("a") as run:
        trace_llm(tracer, model="m", **PRICES)(_identity)(USAGE)

    assert kept.spans[0]["cost_usd"] == pytest.approx(0.0255)
    assert kept.spans[0]["token_usage"] == {
        "prompt_tokens": 450, "completion_tokens": 200, "total_tokens": 650,
    }  # fmt: skip
    assert kept.runs[-1]["total_cost"] == run.total_cost == pytest.approx(0.0255)
    assert kept.runs[-1]["total_tokens"] == 650
    recorded = spans.named("chat m").attributes
    assert recorded["gen_ai.usage.cost"] == pytest.approx(0.0255)
    assert recorded["gen_ai.usage.input_tokens"] == 450


def test_cost_is_there_when_the_span_is_exported(tracer: Tracer, kept: Kept) -> None:
    """What the exporter is handed is final: cost, tokens, output and end."""
    counts = SimpleNamespace(prompt_token_count=10, candidates_token_count=5)
    answer = SimpleNamespace(usage_metadata=counts)
    trace_llm(tracer, model="m", **PRICES)(_identity)(answer)

    (span,) = kept.spans
    assert span["cost_usd"] == pytest.approx(10 * 0.00003 + 5 * 0.00006)
    assert span["end_time"] is not None
    assert span["duration_ms"] >= 0
    assert span["output_data"] is not None


@pytest.mark.parametrize(
    ("text", "tokens", "heuristic"),
    [
        ('{"prompt_tokens": 7, "completion_tokens": 3}', (7, 3), False),
        ("input_tokens=8 output_tokens=2", (8, 2), False),
        ("x" * 40, (0, 10), True),
    ],
)
def test_tokens_of_a_text(
    tracer: Tracer, kept: Kept, text: str, tokens: tuple[int, int], *, heuristic: bool
) -> None:
    """Counts that it names are taken; else they are guessed, and that is said."""
    trace_llm(tracer, model="m")(lambda: text)()

    (span,) = kept.spans
    usage = span["token_usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == tokens
    assert ("token_extraction" in span["metadata"]) is heuristic


async def _run(tracer: Tracer, name: str, barrier: asyncio.Barrier) -> None:
    @trace_tool(tracer)
    async def work(who: str) -> str:
        await barrier.wait()
        trace_decision(tracer, f"decide {who}")(_identity)(who)
        return who

    async with tracer.run(name, correlation_id="flow"):
        assert await work(name) == name


def test_one_tracer_many_runs(tracer: Tracer, kept: Kept, spans: Capture) -> None:
    """Runs that overlap in tasks and in threads keep their spans apart, and are joined by an id."""

    async def gather() -> None:
        barrier = asyncio.Barrier(3)
        await asyncio.gather(*(_run(tracer, f"task {n}", barrier) for n in range(3)))

    together = threading.Barrier(3)

    def thread(name: str) -> None:
        with tracer.run(name, correlation_id="flow"):
            together.wait(10)
            trace_decision(tracer, f"decide {name}")(_identity)(1)

    asyncio.run(gather())
    threads = [threading.Thread(target=thread, args=(f"thread {n}",)) for n in range(3)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()

    runs = {run["name"]: run for run in kept.runs if run["end_time"]}
    assert len(runs) == 6
    for name, run in runs.items():
        assert kept.named(f"decide {name}")["run_id"] == run["id"]
        assert spans.named(f"decision decide {name}").trace_id == (
            spans.named(f"invoke_agent {name}").trace_id
        )
    assert {run["correlation_id"] for run in runs.values()} == {"flow"}
    recorded = [span for span in spans.spans if span.name.startswith("invoke_agent")]
    assert {span.attributes["sidespan.correlation_id"] for span in recorded} == {"flow"}
    assert len({span.trace_id for span in recorded}) == 6


def test_every_kind_of_function(tracer: Tracer, kept: Kept) -> None:
    """Each stays the kind that it is, and its span lasts as long as it runs."""

    @trace_tool(tracer)
    async def coroutine() -> int:
        await asyncio.sleep(0)
        return 1

    @trace_llm(tracer, model="m", **PRICES)
    def generator() -> Iterator[Any]:
        trace_tool(tracer, "within")(_identity)(1)
        yield "a"
        yield USAGE

    @trace_retrieval(tracer)
    async def stream() -> AsyncIterator[int]:
        yield 1
        yield 2

    async def consume() -> list[int]:
        assert await coroutine() == 1
        return [item async for item in stream()]

    with tracer.run("a"):
        assert asyncio.run(consume()) == [1, 2]
        items = generator()
        assert next(items) == "a"
        trace_tool(tracer, "between")(_identity)(1)
        assert list(items) == [USAGE]

    assert inspect.iscoroutinefunction(coroutine)
    assert inspect.isgeneratorfunction(generator)
    assert inspect.isasyncgenfunction(stream)
    streamed = kept.named("m:generator")
    assert kept.named("within")["parent_span_id"] == streamed["id"]
    assert kept.named("between")["parent_span_id"] is None
    assert streamed["cost_usd"] == pytest.approx(0.0255)
    assert streamed["output_data"]["items"] == 2
    assert kept.named("stream")["output_data"] == {"items": 2}


class Service:
    @staticmethod
    @trace_tool(get_current_tracer())
    def plain(value: int) -> int:
        """Return it."""
        return value

    @trace_tool()
    def method(self, value: int) -> int:
        """Return it."""
        return value


def test_methods_and_the_current_tracer(tracer: Tracer, kept: Kept) -> None:
    """A decorator without a tracer takes the one that is current when it is called."""
    set_current_tracer(tracer)
    try:
        assert (Service.plain(1), Service().method(2)) == (1, 2)
    finally:
        set_current_tracer(None)

    assert [span["name"] for span in kept.spans] == ["method"]


def test_failures_are_recorded_and_go_on(tracer: Tracer, kept: Kept, spans: Capture) -> None:
    """The exception is the host's; span and run say that they failed."""

    @trace_tool(tracer)
    def broken() -> None:
        raise LookupError("nothing there")

    with pytest.raises(LookupError, match="nothing there"), tracer.run("a"):
        broken()

    assert (kept.spans[0]["status"], kept.spans[0]["error"]) == ("error", "nothing there")
    assert kept.runs[-1]["status"] == "failed"
    assert spans.named("execute_tool broken").status == "error"
    assert spans.named("invoke_agent a").status == "error"


def test_a_cancelled_run_is_cancelled(tracer: Tracer, kept: Kept) -> None:
    """Not failed, and the cancellation goes on."""

    async def cancelled() -> None:
        async with tracer.run("a"):
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled())

    assert kept.runs[-1]["status"] == "cancelled"


def test_by_hand(tracer: Tracer, kept: Kept, spans: Capture) -> None:
    """``start_run``, ``start_span``, ``end_span`` in any order and ``end_run`` end everything."""
    tracer.start_run("a", metadata={"team": "x"})
    outer = tracer.start_span("outer", SpanType.DECISION)
    inner = tracer.start_span("inner", "no such type")
    tracer.add_event("noted", {"n": 1})
    tracer.end_span(outer)
    tracer.end_span(inner)
    tracer.start_span("left open")
    tracer.end_run("no such status")
    tracer.end_run()

    assert [span["name"] for span in kept.spans] == ["outer", "inner", "left open"]
    assert kept.named("inner")["parent_span_id"] == outer.id
    assert (kept.runs[-1]["status"], kept.runs[-1]["span_count"]) == ("completed", 3)
    assert spans.named("inner").events[0].name == "noted"
    assert sidespan.current().recording is False


def test_ids_join_the_two_records(tracer: Tracer, kept: Kept, spans: Capture) -> None:
    """The first half of an exported id is the recorder's span id, and every id is a UUID."""
    with tracer.run("a"):
        trace_tool(tracer)(_identity)(1)

    for found, name in (
        (kept.runs[0], "invoke_agent a"),
        (kept.spans[0], "execute_tool _identity"),
    ):
        assert UUID(found["id"]).hex.startswith(spans.named(name).span_id)


class Raising:
    def export_run(self, _: Any) -> None:
        """Raise."""
        raise RuntimeError("no")

    export_span = export_run

    def flush(self) -> None:
        """Raise."""
        raise RuntimeError("no")


def test_exporters_never_reach_the_host(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """One that raises, a path that is no file, an address that is none: no error, no output."""
    for exporter in (Raising(), JSONLExporter(tmp_path), APIExporter("file:///etc/passwd")):
        tracer = Tracer()
        tracer.set_exporter(exporter)
        odd: Any = object()
        with tracer.run(odd, metadata=odd):
            assert trace_tool(tracer, odd)(_identity)(1) == 1
        tracer.flush()
        assert sidespan.status().last_error != ""

    assert capfd.readouterr() == ("", "")


def test_a_server_gets_runs_and_spans() -> None:
    """Each is posted once, spans under ``span_id``, and what fails at first is sent again."""
    posted: list[tuple[str, Any]] = []
    answers = [500, 201, 201, 201]

    class Server(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Keep the body."""
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            code = answers.pop(0)
            if code == 201:
                posted.append((self.path, body))
            self.send_response(code)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Keep quiet."""

    server = http.server.HTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        tracer = Tracer()
        exporter = APIExporter(f"http://127.0.0.1:{server.server_address[1]}/api")
        tracer.set_exporter(exporter)
        with tracer.run("a"):
            trace_tool(tracer)(_identity)(1)
        tracer.flush()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

    assert [path for path, _ in posted] == ["/api/runs", "/api/traces", "/api/runs"]
    assert posted[1][1]["run_id"] == posted[0][1]["id"]
    assert "span_id" in posted[1][1]
    assert exporter.dropped == 0
