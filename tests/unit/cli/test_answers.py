"""What the index answers without a daemon, in lines and in JSON."""

from pathlib import Path

import pytest

from tests.unit.cli import indexed, stores
from tests.unit.cli.conftest import Run
from tests.unit.query import samples


def _model(number: int, model: str, tokens: int, *, cost: float, error: bool = False) -> object:
    span = samples.span(
        number, parent=1, name=f"chat {model}", at_ms=number, for_ms=10 * number, error=error
    )
    for key, value in (("gen_ai.operation.name", "chat"), ("gen_ai.request.model", model)):
        span.attributes.add(key=key).value.string_value = value
    span.attributes.add(key="gen_ai.usage.input_tokens").value.int_value = tokens
    span.attributes.add(key="gen_ai.usage.output_tokens").value.int_value = 7
    span.attributes.add(key="gen_ai.usage.cost").value.double_value = cost
    span.attributes.add(key="note").value.string_value = "the refund was asked for"
    return span


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an indexed store: one trace with three calls of two models, another with none."""
    path = tmp_path_factory.mktemp("indexed")
    stores.write(
        path,
        samples.request(
            samples.span(1, name="agent", for_ms=500),
            _model(2, "gpt-a", 1000, cost=0.5),
            _model(3, "gpt-a", 500, cost=0.25),
            _model(4, "other", 20, cost=0.01, error=True),
        ),
        samples.request(samples.span(9, trace=2, name="quiet"), service="worker"),
    )
    indexed.make(path)
    return path


def test_a_query_lists_the_traces_that_match(run: Run, store: Path) -> None:
    """With tokens and cost; the names that reading the journal gives are there, too."""
    outcome = run("ls", "model:gpt-a", "--data", store)

    header, line = outcome.out.splitlines()
    assert header.split() == [
        "TRACE", "START", "DURATION", "SPANS", "STATUS", "TOKENS", "COST", "SERVICES", "NAME"
    ]  # fmt: skip
    assert "1520→21" in line
    assert "$0.7600" in line
    (trace,) = run("ls", "model:gpt-a", "--data", store, "--json").document["traces"]
    walked = run("ls", "--data", store, "--json").document["traces"][-1]
    shared = ("trace_id", "start_ns", "end_ns", "span_count", "error_count", "status", "services",
              "root_name", "root_recorded")  # fmt: skip
    assert {key: trace[key] for key in shared} == {key: walked[key] for key in shared}


def test_words_that_the_shell_joined_stay_together(run: Run, store: Path) -> None:
    """`text:"refund was"` comes without its quotation marks."""
    found = run("ls", "text:refund was", "kind:llm", "--data", store, "--json").document
    missed = run("ls", "text:refund now", "kind:llm", "--data", store, "--json").document

    assert (len(found["traces"]), len(missed["traces"])) == (1, 0)


def test_a_negated_term_is_no_flag(run: Run, store: Path) -> None:
    """Before flags, behind them and between them."""
    for words in (["-model:gpt-a", "-n", "9"], ["-n", "9", "-model:gpt-a"]):
        document = run("query", "kind:llm", *words, "--data", store, "--json").document
        assert [span["model"] for span in document["spans"]] == ["other"]


def test_no_match_is_said(run: Run, store: Path) -> None:
    """And is no error."""
    outcome = run("ls", "model:none", "--data", store)

    assert (outcome.status, outcome.out) == (0, "")
    assert "no trace matches" in outcome.err


def test_a_page_leads_to_the_next(run: Run, store: Path) -> None:
    """All traces are there once."""
    first = run("ls", "--sort", "start", "-n", "1", "--data", store, "--json").document
    place = first["next"]
    second = run(
        "ls", "--sort", "start", "-n", "1", "--after", place, "--data", store, "--json"
    ).document

    ids = [page["traces"][0]["trace_id"] for page in (first, second)]
    assert len(set(ids)) == 2


def test_a_wrong_query_names_the_term(run: Run, store: Path) -> None:
    """With what was meant."""
    outcome = run("ls", "modle:x", "--data", store)

    assert outcome.status == 2
    assert "modle" in outcome.err
    assert "model" in outcome.err


def test_sums_by_model(run: Run, store: Path) -> None:
    """A row a model and one for all; errors, tokens, cost and durations."""
    lines = run("stats", "kind:llm", "--by", "model", "--data", store).out.splitlines()
    document = run("stats", "kind:llm", "--data", store, "--json").document

    assert lines[1].split()[:6] == ["gpt-a", "2", "1", "0", "1500", "14"]
    assert lines[-1].split()[:4] == ["all", "3", "1", "1"]
    assert document["total"]["cost_usd"] == pytest.approx(0.76)
    assert {row["key"] for row in document["rows"]} == {"gpt-a", "other"}


def test_spans_that_match(run: Run, store: Path) -> None:
    """A line each; the order can be chosen."""
    outcome = run("query", "kind:llm", "--sort", "-dur", "--data", store)

    lines = outcome.out.splitlines()
    assert [line.split()[-1] for line in lines[1:]] == ["other", "gpt-a", "gpt-a"]


@pytest.mark.parametrize("command", ["sql", "query"])
def test_a_select(run: Run, store: Path, command: str) -> None:
    """As a table, and as JSON."""
    text = "SELECT count(*) AS n FROM spans"

    assert run(command, text, "--data", store).out == "n\n5\n"
    assert run(command, text, "--data", store, "--json").document["rows"] == [[5]]


@pytest.mark.parametrize(
    "text", ["DELETE FROM spans", "DROP TABLE spans", "ATTACH '/tmp/x' AS y", "SELECT * FROM nope"]
)
def test_what_would_write_is_refused(run: Run, store: Path, text: str) -> None:
    """Nothing is changed, and the error says why."""
    before = run("sql", "SELECT count(*) FROM spans", "--data", store).out
    outcome = run("sql", text, "--data", store)

    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.err.startswith("error: ")
    assert run("sql", "SELECT count(*) FROM spans", "--data", store).out == before


def test_one_look_of_top(run: Run, store: Path) -> None:
    """Where stdout is no terminal it looks once."""
    outcome = run("top", "--window", "36500d", "--by", "model", "--data", store)

    assert outcome.status == 0
    assert "5 spans, 2 traces, 1 errors" in outcome.out
    assert "nothing runs" in outcome.out


def test_the_newest_that_match(run: Run, store: Path) -> None:
    """`tail QUERY` has the newest last."""
    outcome = run("tail", "kind:llm", "--data", store)

    assert [line.split("chat ")[1].split()[0] for line in outcome.out.splitlines()] == [
        "gpt-a", "gpt-a", "other"
    ]  # fmt: skip


def test_export_takes_what_matches(run: Run, store: Path, tmp_path: Path) -> None:
    """Whole traces, in a file of its owner's alone."""
    path = tmp_path / "out.jsonl"
    outcome = run("export", "model:other", "-f", "jsonl", "-o", path, "--data", store)

    assert outcome.status == 0
    assert len(path.read_bytes().splitlines()) == 4
    assert path.stat().st_mode & 0o777 == 0o600
    assert "1 trace, 4 spans" in outcome.err


def test_export_of_nothing_writes_nothing(run: Run, store: Path, tmp_path: Path) -> None:
    """Exit status 1, no file."""
    outcome = run("export", "model:none", "-o", tmp_path / "out", "--data", store)

    assert outcome.status == 1
    assert not (tmp_path / "out").exists()


def test_without_an_index_a_query_names_the_next_step(run: Run, data_dir: Path) -> None:
    """What makes one."""
    outcome = run("ls", "kind:llm", "--data", data_dir)

    assert outcome.status == 1
    assert f"sidespan reindex --data {data_dir}" in outcome.err


@pytest.mark.parametrize(
    "command", [["ls", "kind:llm"], ["stats"], ["sql", "SELECT 1"], ["export"]]
)
def test_where_no_store_is_no_index_is_missed(run: Run, tmp_path: Path, command: list[str]) -> None:
    """It is the store that has to be named: none could be indexed there."""
    outcome = run(*command, "--data", tmp_path)

    assert (outcome.status, outcome.out) == (2, "")
    assert f"there is no store in {tmp_path}" in outcome.err
    assert "reindex" not in outcome.err


def test_what_a_model_was_given_stands_below_its_span(run: Run, tmp_path: Path) -> None:
    """`show --io` has messages, a tool's arguments and its result; so has its JSON."""
    model, tool = samples.span(1, name="chat"), samples.span(2, parent=1, name="weather")
    said = '[{"role": "user", "parts": [{"type": "text", "content": "two\\nlines"}]}]'
    for span, key, value in (
        (model, "gen_ai.operation.name", "chat"),
        (model, "gen_ai.input.messages", said),
        (tool, "gen_ai.operation.name", "execute_tool"),
        (tool, "gen_ai.tool.name", "weather"),
        (tool, "gen_ai.tool.call.result", "sunny"),
    ):
        span.attributes.add(key=key).value.string_value = value
    stores.write(tmp_path, samples.request(model, tool))

    lines = run("show", "last", "--io", "--data", tmp_path).out.splitlines()
    document = run("show", "last", "--io", "--json", "--data", tmp_path).document

    assert [line.strip() for line in lines[-4:-2]] == ["user: two", "lines"]
    assert lines[-1].strip() == "result: sunny"
    first, second = document["spans"]
    assert first["messages"]["input"][0]["parts"][0]["content"] == "two\nlines"
    assert second["tool"]["result"] == "sunny"
