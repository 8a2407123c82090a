"""Hostile span data in every command that asks the index, and in what is exported."""

from pathlib import Path

import pytest

from tests.unit.cli import indexed, stores
from tests.unit.cli.conftest import Run
from tests.unit.cli.test_hostile import harmless
from tests.unit.exchange.corpus import HOSTILE
from tests.unit.query import samples

KEYS = (
    "gen_ai.operation.name", "gen_ai.request.model", "gen_ai.provider.name", "gen_ai.agent.name",
    "gen_ai.tool.name", "gen_ai.conversation.id", "user.id", "gen_ai.input.messages",
    "gen_ai.output.messages", "gen_ai.tool.call.arguments", "gen_ai.tool.call.result",
)  # fmt: skip
COMMANDS = (
    ["ls", "is:error"],
    ["ls"],
    ["show", "last"],
    ["show", "last", "--io"],
    ["tail", "is:error"],
    ["tail"],
    ["query", "is:error"],
    *(["stats", "--by", by] for by in ("model", "tool", "agent", "service", "kind", "provider")),
    ["top", "--window", "36500d"],
    ["sql", "SELECT * FROM spans"],
    ["sql", "SELECT * FROM traces"],
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an indexed store in whose every text stands a hostile one."""
    path = tmp_path_factory.mktemp("hostile")
    requests = []
    for number, text in enumerate(HOSTILE, 1):
        span = samples.span(number, trace=number, name=text, error=True)
        span.status.message = span.trace_state = text
        for key in KEYS:
            span.attributes.add(key=key).value.string_value = text
        span.attributes[0].value.string_value = "chat"
        span.attributes.add(key=text).value.string_value = text
        span.events.add(name=text, time_unix_nano=1).attributes.add(key=text)
        requests.append(samples.request(span, service=text))
    stores.write(path, *requests)
    indexed.make(path)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("flags", [[], ["--json"]])
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_nothing_acts_on_the_terminal(
    run: Run, store: Path, command: list[str], flags: list[str]
) -> None:
    """In no line and in no document."""
    outcome = run(*command, *flags, "--data", store)

    assert outcome.status == 0, outcome.err
    assert outcome.out
    assert harmless(outcome.out)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["otlp", "jsonl", "md", "html"])
def test_nothing_of_an_export_acts_on_the_terminal(run: Run, store: Path, form: str,
                                                   tmp_path: Path) -> None:  # fmt: skip
    """A file may be printed with cat."""
    path = tmp_path / "out"
    outcome = run("export", "-f", form, "-o", path, "--data", store)

    assert outcome.status == 0
    assert harmless(path.read_text(encoding="utf-8"))
