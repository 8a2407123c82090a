"""What other programs wrote becomes the same spans, however often and in whatever form."""

import json
from pathlib import Path

import pytest
from ai_trace import Tracer
from hypothesis import given
from hypothesis import strategies as st

from sidespand.errors import InvalidRequest
from tests import otlp
from tests.unit.exchange import files

# The real decision tracer asks for the time in a way that later Pythons warn of.
pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow")


@pytest.fixture
def traces(tmp_path: Path) -> Path:
    """Return a directory with a session of the real decision tracer, as lines and as a snapshot."""
    directory = tmp_path / "traces"
    tracer = Tracer("lunch_agent", trace_dir=directory, meta={"model": "m-1"})
    with tracer.step("scan", places=["a", "b"]) as step:
        step.log(found=2, best={"name": "a"})
    with pytest.raises(RuntimeError), tracer.step("choose"):
        raise RuntimeError("closed")
    tracer.save()
    return directory


def test_a_session_of_the_decision_tracer(traces: Path) -> None:
    """Context becomes attributes, logs events with their times, a failure a status."""
    path = files.newest(traces, ".jsonl")
    kind, _, parts = files.parts(path.read_bytes(), path.stem)
    spans = files.spans(path.read_bytes(), path.stem)

    assert (kind, len(parts)) == ("ai-trace", 2)
    assert parts[0].request is not None
    (service, *_) = parts[0].request.resource_spans[0].resource.attributes
    assert service.value.string_value == "lunch_agent"
    assert files.attributes(spans["scan"])["places"] == ["a", "b"]
    (event,) = spans["scan"].events
    assert [pair.key for pair in event.attributes] == ["found", "best"]
    assert (
        spans["scan"].start_time_unix_nano
        <= event.time_unix_nano
        <= spans["scan"].end_time_unix_nano
    )
    assert (spans["choose"].status.code, spans["choose"].status.message) == (2, "closed")
    assert spans["scan"].trace_id == spans["choose"].trace_id


def test_lines_and_snapshot_of_a_session_are_the_same(traces: Path) -> None:
    """Importing the one after the other stores nothing twice."""
    lines, snapshot = files.newest(traces, ".jsonl"), files.newest(traces, ".json")
    first = files.parts(lines.read_bytes(), lines.stem)
    second = files.parts(snapshot.read_bytes(), snapshot.stem)

    assert first[:2] == second[:2]
    assert [part.seq for part in first[2]] == [part.seq for part in second[2]]
    ids = [[one.span_id for one in files.spans(path.read_bytes(), path.stem).values()]
           for path in (lines, snapshot)]  # fmt: skip
    assert ids[0] == ids[1]


def test_a_line_that_was_cut_takes_no_number(traces: Path) -> None:
    """The snapshot does not have it, so the steps behind it keep their places."""
    path = files.newest(traces, ".jsonl")
    first, second = path.read_bytes().splitlines(keepends=True)
    _, _, parts = files.parts(first + first[:30] + b"\n" + second, path.stem)

    assert [(part.seq, part.request is None) for part in parts] == [
        (1, False), (0, True), (2, False)
    ]  # fmt: skip


def test_the_short_lines_of_the_readme() -> None:
    """Without times of its own a step has those of what it logged."""
    line = {
        "name": "market_scan", "context": {"symbol": "BTCUSDT"}, "outcome": "ok",
        "duration_ms": 142.3, "logs": [{"_t": 1709300422.1, "signal": 0.87}],
    }  # fmt: skip
    span = files.spans(files.lines([line]))["market_scan"]

    assert span.start_time_unix_nano == 1_709_300_422_100_000_000
    assert span.end_time_unix_nano - span.start_time_unix_nano == 142_300_000


def test_an_aitrace_export() -> None:
    """Ids are mapped, durations are the monotonic clock's, what runs has no end."""
    kind, _, _ = files.parts(json.dumps(files.aitrace()).encode())
    spans = files.spans(json.dumps(files.aitrace(), indent=2).encode())

    root, child = spans["plan"], spans["call"]
    assert kind == "aitrace"
    assert root.trace_id.hex() == child.trace_id.hex() == files.TRACE
    assert child.parent_span_id == root.span_id
    assert files.attributes(child)["aitrace.span_id"] == files.CHILD
    assert files.attributes(child)["items"] == [1, {"a": None}]
    assert child.end_time_unix_nano - child.start_time_unix_nano == 1_250_000
    assert root.end_time_unix_nano == 0
    assert child.events[0].time_unix_nano - child.start_time_unix_nano == 100_000
    assert (root.status.code, child.status.code) == (1, 2)


def test_an_aitrace_export_that_was_repeated() -> None:
    """The same spans have the same identity, whenever they were exported."""
    again = files.aitrace(exported_at_wall_time="2026-11-22T00:00:00Z")
    more = files.aitrace(spans=files.aitrace()["spans"][:1])
    identities = [
        files.parts(json.dumps(one).encode())[1] for one in (files.aitrace(), again, more)
    ]

    assert identities[0] == identities[1] != identities[2]


def test_the_receipt_of_an_aitrace_export_is_no_trace() -> None:
    """The error names what to import."""
    receipt = {"evidence_schema_version": "aitrace.file_export_evidence.v1"}

    with pytest.raises(InvalidRequest, match="receipt") as caught:
        files.parts(json.dumps(receipt).encode())

    assert "trace_artifact_ref" in caught.value.hint


def test_lines_of_agenttrace() -> None:
    """A run is a span that begins open; its spans hang from it; usage and cost are kept."""
    kind, _, parts = files.parts(files.lines(files.agenttrace()))
    first = parts[0].request
    assert first is not None
    spans = files.spans(files.lines(files.agenttrace()))
    run, model, tool = spans["run:research"], spans["gpt-4:synthesize"], spans["search"]

    assert kind == "agenttrace"
    assert first.resource_spans[0].scope_spans[0].spans[0].end_time_unix_nano == 0
    assert run.end_time_unix_nano - run.start_time_unix_nano == 10**9
    assert (model.parent_span_id, tool.parent_span_id) == (run.span_id, model.span_id)
    read = files.attributes(model)
    assert read["gen_ai.request.model"] == "gpt-4"
    assert (read["gen_ai.usage.input_tokens"], read["gen_ai.usage.cost"]) == (450, 0.0255)
    assert files.attributes(tool)["gen_ai.tool.name"] == "search"
    assert (tool.status.code, tool.status.message) == (2, "no network")
    assert files.attributes(run)["sidespan.correlation_id"] == "workflow-1"


def test_otlp_in_its_forms() -> None:
    """Lines, a document over several lines, one message and several are told apart."""
    request = otlp.export_request(2, trace_id=bytes(range(1, 17)))
    body = request.SerializeToString()
    framed = len(body).to_bytes(4, "big") + body

    kinds = {
        "message": files.parts(body)[0],
        "messages": files.parts(framed * 2)[0],
    }
    assert kinds == {"message": "otlp-protobuf", "messages": "otlp-protobuf"}
    assert len(files.parts(framed * 2)[2]) == 2
    document = {"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "x"}]}]}]}
    for text in (json.dumps(document) + "\n", json.dumps(document, indent=2)):
        kind, _, parts = files.parts(text.encode())
        assert (kind, len(parts), parts[0].request is not None) == ("otlp", 1, True)


def test_a_file_whose_first_line_was_cut_is_still_known() -> None:
    """What follows tells what it is."""
    lines = files.lines(files.agenttrace())

    kind, _, parts = files.parts(lines[:20] + b"\n" + lines)

    assert kind == "agenttrace"
    assert [part.request is None for part in parts] == [True, False, False, False, False]


@pytest.mark.parametrize(
    "content", [b"# a report", b"[]", b"{", b"{}", b"\x00\x00\x00\x05hello", b'{"a": 1}\n{"b": 2}']
)
def test_what_is_not_known_is_refused(content: bytes) -> None:
    """With the command that lists what is."""
    with pytest.raises(InvalidRequest) as caught:
        files.parts(content)

    assert "import --help" in caught.value.hint


def test_nothing_is_nothing() -> None:
    """An empty file has no parts."""
    assert files.parts(b"")[2] == []


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.slow
@given(
    st.sampled_from(["aitrace", "agenttrace", "step", "ours"]),
    st.dictionaries(
        st.sampled_from(
            ["trace_id", "span_id", "name", "spans", "data", "context", "logs", "started_at",
             "duration_ms", "start_ns", "events", "links", "attributes", "status", "scope",
             "metadata", "resource", "outcome", "end_time", "start_wall_time"]
        ),
        _JSON,
    ),
)  # fmt: skip
def test_hostile_documents_are_read_or_refused(kind: str, changes: dict[str, object]) -> None:
    """Whatever stands in a field, a part is spans or unreadable; nothing else is raised."""
    base = {
        "aitrace": files.aitrace(),
        "agenttrace": files.agenttrace()[1],
        "step": {"name": "x", "outcome": "ok", "started_at": 1.0, "finished_at": 2.0},
        "ours": {"trace_id": "01" * 16, "span_id": "02" * 8, "start_ns": "1", "end_ns": "2"},
    }[kind]
    if kind == "agenttrace":
        changed = {"type": "span", "data": {**base["data"], **changes}}
    elif kind == "aitrace":
        spans = [{**base["spans"][0], **changes}]
        changed = {**base, "spans": spans, "metadata": changes.get("metadata")}
    else:
        changed = {**base, **changes}

    try:
        parts = files.parts(json.dumps(changed).encode())[2]
    except InvalidRequest:
        return
    for part in parts:
        assert part.request is None or len(part.request.resource_spans) <= 1
