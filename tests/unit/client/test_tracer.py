"""The decision tracer: its programs run, its files hold what happened, its old defects are gone."""

import contextlib
import json
import re
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import sidespan
from sidespan._limits import STEP_LOGS_MAX
from sidespan.testing import Capture, capture
from sidespan.tracer import Tracer


@pytest.fixture
def spans() -> Iterator[Capture]:
    """Record into memory."""
    with capture() as captured:
        yield captured


def lines(tracer: Tracer) -> list[dict[str, Any]]:
    """Return what the session's JSON lines hold."""
    (path,) = tracer.trace_dir.glob(f"*{tracer.session_id}.jsonl")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def crash(step: Any) -> None:
    """Fail two frames deep within a step."""

    def deeper() -> None:
        raise ValueError("stale feed")

    with step:
        deeper()


# A program as the decision tracer's users write it; only the import names Sidespan.
PROGRAM = """
from sidespan.tracer import Tracer

tracer = Tracer("trader", meta={"model": "small-1"})
with tracer.step("scan", symbol="ETH") as step:
    step.log(signal=0.4, confidence=0.9)
with tracer.step("decide", signal=0.4) as step:
    step.log(action="hold", reason="flat")
manual = tracer.step("report")
manual.start()
manual.log(rows=3)
manual.finish()
late = tracer.step("fetch").start()
late.fail(reason="timeout")
tracer.save()
tracer.save_markdown()
assert tracer.summary()["steps"] == 4
assert tracer.summary()["errors"] == 1
"""


def test_its_programs_run(tmp_path: Path) -> None:
    """Without a recorder, silently; three files in ``traces`` are named by agent and session."""
    finished = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM],
        cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip

    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "", "")
    names = sorted(path.name for path in (tmp_path / "traces").iterdir())
    assert [Path(name).suffix for name in names] == [".json", ".jsonl", ".md"]
    assert all(re.match(r"trader_\d{8}_\d{6}_[0-9a-f]{8}\.", name) for name in names)


def test_a_line_a_step(tmp_path: Path) -> None:
    """Each ended step is a line at once, with the keys in their order; manual ones alike."""
    tracer = Tracer("a", trace_dir=str(tmp_path))
    with tracer.step("scan", symbol="ETH", depth=2) as step:
        step.log(signal=0.5)
    tracer.step("open").start()

    (line,) = lines(tracer)
    assert list(line) == [
        "name", "context", "started_at", "finished_at", "duration_ms", "outcome", "error", "logs",
    ]  # fmt: skip
    assert (line["name"], line["context"], line["outcome"]) == (
        "scan", {"symbol": "ETH", "depth": 2}, "ok",
    )  # fmt: skip
    assert line["logs"][0]["signal"] == 0.5
    assert line["started_at"] <= line["logs"][0]["_t"] <= line["finished_at"]


def test_lines_survive_the_end_of_the_process(tmp_path: Path) -> None:
    """A process that is killed within a step leaves every step before it in the file."""
    program = f"""
        import os, signal
        from sidespan.tracer import Tracer

        tracer = Tracer("a", trace_dir={str(tmp_path)!r})
        with tracer.step("one"):
            pass
        with tracer.step("two"):
            os.kill(os.getpid(), signal.SIGKILL)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], timeout=30, check=False)

    (path,) = tmp_path.glob("*.jsonl")
    assert [json.loads(line)["name"] for line in path.read_text("utf-8").splitlines()] == ["one"]


def test_the_snapshot_holds_the_session(tmp_path: Path) -> None:
    """Agent, session, metadata and every step; nothing half-written stays beside it."""
    tracer = Tracer("a", trace_dir=tmp_path, auto_save=False, meta={"model": "m", "odd": {1, 2}})
    with tracer.step("one"):
        pass
    path = tracer.save()

    assert path is not None
    session = json.loads(path.read_text("utf-8"))
    assert list(session) == ["agent", "session_id", "saved_at", "meta", "steps"]
    assert (session["agent"], session["session_id"]) == ("a", tracer.session_id)
    assert session["meta"] == {"model": "m", "odd": [1, 2]}
    assert session["saved_at"].endswith("Z")
    assert [step["name"] for step in session["steps"]] == ["one"]
    assert list(tmp_path.iterdir()) == [path]


def test_the_report_is_for_people(tmp_path: Path) -> None:
    """Summary, metadata, and each step with context, logs and the reason why it failed."""
    tracer = Tracer("a", trace_dir=tmp_path, meta={"model": "m"})
    with tracer.step("scan", symbol="ETH", note="a\nb`<i>") as step:
        step.log(signal=0.5)
    with contextlib.suppress(ValueError):
        crash(tracer.step("decide"))
    path = tracer.save_markdown()

    assert path is not None
    text = path.read_text("utf-8")
    assert text.startswith(f"# Trace: a — {tracer.session_id}\n")
    assert "| Steps | OK | Errors | Avg duration |\n|---|---|---|---|\n| 2 | 1 | 1 | " in text
    assert "- **model**: m" in text
    assert re.search(r"### 1\. ✅ `scan` \(\d+\.\d+ ms\)", text)
    assert "- `symbol`: 'ETH'" in text
    assert r"- `note`: 'a\nb'\<i>'" in text
    assert re.search(r"- `\d\d:\d\d:\d\d\.\d{3}Z` — `signal=0\.5`", text)
    assert "**Error:** `ValueError: stale feed`" in text


def test_summary_counts() -> None:
    """Steps, the good, the failed, and the average of those that were timed."""
    tracer = Tracer("a", auto_save=False)
    assert tracer.summary()["avg_duration_ms"] is None
    with tracer.step("one"):
        pass
    tracer.step("two").start().finish("skipped")
    tracer.step("never started").fail("no")

    summary = tracer.summary()
    assert (summary["steps"], summary["ok"], summary["errors"]) == (3, 1, 1)
    assert summary["avg_duration_ms"] >= 0
    assert (summary["agent"], summary["session_id"]) == ("a", tracer.session_id)


def test_steps_are_spans(spans: Capture) -> None:
    """Below the session's span, or below the current one; context, logs and outcome with them."""
    tracer = Tracer("a", auto_save=False, meta={"model": "m"})
    with tracer.step("outer", symbol="ETH") as step:
        step.log(signal=0.5)
        with tracer.step("inner"):
            pass
    tracer.step("second").start().finish("skipped")
    with sidespan.span("request"), tracer.step("within"):
        pass
    del step, tracer

    session = spans.named("invoke_agent a")
    outer = spans.named("outer")
    assert session.attributes["sidespan.session.meta"] == {"model": "m"}
    assert (outer.parent_span_id, session.parent_span_id) == (session.span_id, "")
    assert spans.named("inner").parent_span_id == outer.span_id
    assert spans.named("second").parent_span_id == session.span_id
    assert spans.named("second").attributes["sidespan.step.outcome"] == "skipped"
    assert spans.named("within").parent_span_id == spans.named("request").span_id
    assert outer.attributes["symbol"] == "ETH"
    assert [(event.name, event.attributes) for event in outer.events] == [("log", {"signal": 0.5})]
    assert sidespan.current().recording is False


def test_the_whole_traceback_is_kept(tmp_path: Path, spans: Capture) -> None:
    """Every frame and the error itself, in memory, in the file and on the span; it goes on."""
    tracer = Tracer("a", trace_dir=tmp_path)
    step = tracer.step("decide")
    with pytest.raises(ValueError, match="stale feed"):
        crash(step)

    assert step.error is not None
    for part in ("Traceback", "in crash", "in deeper", "ValueError: stale feed"):
        assert part in step.error
    assert lines(tracer)[0]["error"] == step.error
    span = spans.named("decide")
    assert (span.status, span.attributes["error.type"]) == ("error", "ValueError")
    assert "in deeper" in span.events[0].attributes["exception.stacktrace"]


def test_a_report_changes_nothing(tmp_path: Path) -> None:
    """After it every log still has its time: in memory, in a snapshot and in a second report."""
    tracer = Tracer("a", trace_dir=tmp_path)
    with tracer.step("one") as step:
        step.log(x=1)
    before = step.to_dict()
    first = tracer.save_markdown()
    assert first is not None
    report = first.read_text("utf-8")
    again, snapshot = tracer.save_markdown(), tracer.save()

    assert step.to_dict() == before
    assert snapshot is not None
    assert json.loads(snapshot.read_text("utf-8"))["steps"] == [before]
    assert again is not None
    clock = re.compile(r"- `(\d\d:\d\d:\d\d\.\d{3}Z)`")
    assert clock.findall(again.read_text("utf-8")) == clock.findall(report) != []


@pytest.mark.parametrize(
    "agent", ["b/../../c", "..", "/etc/passwd", "a\0b\n", "", "é" * 500, "-rf"]
)
def test_an_agents_name_leads_nowhere(tmp_path: Path, agent: str) -> None:
    """Whatever it is, all files are in the directory; inside them it is as it was given."""
    directory = tmp_path / "traces"
    tracer = Tracer(agent, trace_dir=directory)
    with tracer.step("one"):
        pass
    path = tracer.save()

    assert path is not None
    assert tracer.save_markdown() is not None
    assert list(tmp_path.iterdir()) == [directory]
    assert len(list(directory.iterdir())) == 3
    assert json.loads(path.read_text("utf-8"))["agent"] == agent


def test_sessions_of_one_second_have_files_of_their_own(tmp_path: Path) -> None:
    """Two tracers of one agent never write into the same file."""
    for _ in range(20):
        with Tracer("a", trace_dir=tmp_path).step("one"):
            pass

    assert len(list(tmp_path.glob("*.jsonl"))) == 20


def test_only_the_first_end_counts(tmp_path: Path) -> None:
    """A step that was ended by hand within its block is one line."""
    odd: Any = None
    tracer = Tracer("a", trace_dir=tmp_path, meta=object())  # type: ignore[arg-type]
    with tracer.step("one") as step:
        step.fail("by hand")
        step.finish(odd)
    tracer.step("two").start().finish(odd).finish()

    line, other = lines(tracer)
    assert other["outcome"] is None
    assert (line["outcome"], line["error"]) == ("error", "by hand")


class Hostile:
    def __repr__(self) -> str:
        raise RuntimeError("no")

    __str__ = __repr__


def test_the_host_feels_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Hostile values, cyclic ones, and a directory that cannot be made: no error, no output."""
    file = tmp_path / "file"
    file.write_text("", encoding="utf-8")
    cyclic: list[Any] = []
    cyclic.append(cyclic)
    tracer = Tracer("a", trace_dir=file / "traces", meta={"h": Hostile()})
    with tracer.step("one", h=Hostile(), c=cyclic, n=float("nan"), kind="x", parent=3) as step:
        for n in range(STEP_LOGS_MAX + 5):
            step.log(h=Hostile(), n=n)
        step.log(_t="mine")

    assert (tracer.save(), tracer.save_markdown()) == (None, None)
    assert len(step.logs) == STEP_LOGS_MAX
    assert sidespan.status().last_error != ""
    assert capfd.readouterr() == ("", "")


def test_threads_share_a_tracer(tmp_path: Path) -> None:
    """Every step is there once, each on a line of its own."""
    tracer = Tracer("a", trace_dir=tmp_path)

    def work(worker: int) -> None:
        for n in range(50):
            with tracer.step(f"{worker}.{n}", text="x" * 500):
                pass

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({line["name"] for line in lines(tracer)}) == 200
    assert tracer.summary()["steps"] == 200
