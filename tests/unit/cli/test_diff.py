"""`sidespan diff` says what changed, from the files of a store, for people and programs."""

from pathlib import Path
from typing import NamedTuple

import pytest

from tests.agent_trace import AgentRun
from tests.unit.cli import indexed, stores
from tests.unit.cli.conftest import Run
from tests.unit.query import samples


class Recorded(NamedTuple):
    """A store and the run in it."""

    path: Path
    run: AgentRun


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """Return an indexed store that holds one run of an agent."""
    path = tmp_path_factory.mktemp("changed")
    agent_run = AgentRun()
    stores.write(path, agent_run.spans())
    indexed.make(path)
    return Recorded(path, agent_run)


def test_what_a_span_changed_of_state(run: Run, store: Recorded) -> None:
    """From the snapshot before its work to the one after it; nothing needs to be chosen."""
    outcome = run("diff", store.run.agent.hex()[:8], "--data", store.path)

    source, target, *changes = outcome.out.splitlines()
    assert (source.split()[:2], source.split()[-1]) == (["from", store.run.agent.hex()], "(before)")
    assert (target.split()[0], target.split()[-1]) == ("to", "(after)")
    assert changes == ["changed    memory.coats  1 → 0", 'added      memory.notes[0]  "warm"']


def test_what_became_of_the_messages(run: Run, store: Recorded) -> None:
    """A span without state is asked for its messages, from the call before."""
    document = run("diff", store.run.second.hex(), "--data", store.path, "--json").document

    assert document["of"] == "messages"
    assert document["from"]["span_id"] == store.run.first.hex()
    assert [(one["op"], one["label"]) for one in document["changes"]] == [
        ("added", "tool message 2")
    ]


def test_two_spans_are_compared_in_their_order(run: Run, store: Recorded) -> None:
    """From the first to the second, as `--against` has it the other way about."""
    pair = (store.run.second.hex(), store.run.first.hex())
    forth = run("diff", *pair, "--of", "messages", "--data", store.path, "--json").document
    back = run("diff", pair[1], "--against", pair[0], "--data", store.path, "--json").document

    assert forth == back
    assert [forth[side]["span_id"] for side in ("from", "to")] == list(pair)
    assert {one["op"] for one in forth["changes"]} == {"dropped"}


@pytest.mark.parametrize("name", ["last", "trace"])
def test_a_trace_stands_for_its_spans(run: Run, store: Recorded, name: str) -> None:
    """Those that can be compared; it is said which cannot."""
    trace = store.run.trace_id.hex()
    given = "last" if name == "last" else trace[:12]
    state = run("diff", given, "--data", store.path, "--json").document
    messages = run("diff", given, "--of", "messages", "--data", store.path, "--json")

    assert (state["trace_id"], state["of"]) == (trace, "state")
    assert [one["to"]["span_id"] for one in state["diffs"]] == [store.run.agent.hex()]
    found = messages.document["diffs"]
    assert [one["to"]["span_id"] for one in found] == [store.run.second.hex()]
    assert store.run.first.hex() in messages.err


def test_what_cannot_be_compared_is_said(run: Run, store: Recorded, tmp_path: Path) -> None:
    """Never as if nothing had changed, or everything."""
    tool, agent = store.run.tool.hex(), store.run.agent.hex()
    for arguments, why in (
        ((tool, "--of", "state"), f"span {tool} has no snapshot of state"),
        ((tool, "--of", "messages"), f"span {tool} has no message that a model was given"),
        ((tool, agent, "--of", "state"), f"span {tool} has no snapshot of state"),
        ((tool, store.run.second.hex()), f"span {tool} has no message of a model"),
        (("123456",), "123456"),
    ):
        outcome = run("diff", *arguments, "--data", store.path)
        assert (outcome.status, outcome.out) == (1, "")
        assert why in outcome.err
    stores.write(tmp_path, samples.request(samples.span(1)))
    indexed.make(tmp_path)
    assert "no call of a model" in run("diff", "last", "--data", tmp_path).err


def test_a_span_that_the_trace_does_not_have_is_not_found(run: Run, store: Recorded) -> None:
    """Of two, the second names the trace, and `last` is the newest of those."""
    outcome = run("diff", "last", "last", "--data", store.path)

    assert outcome.status == 1
    assert "has no span last" in outcome.err


def test_against_needs_one_span(run: Run, store: Recorded) -> None:
    """Two spans say it already."""
    span = store.run.agent.hex()
    outcome = run("diff", span, span, "--against", "previous", "--data", store.path)

    assert outcome.status == 2


def test_words_are_told_apart_and_stay_on_their_line(run: Run, tmp_path: Path) -> None:
    """What a text holds moves no cursor and breaks no line."""
    span = samples.span(1, name="plan\x1b[2J\n")
    for when, words in (("before", "take a coat\\u001b[2J"), ("after", "take a hat\\nand go")):
        attribute = span.attributes.add(key=f"sidespan.state.memory.{when}")
        attribute.value.string_value = f'"{words}"'
    stores.write(tmp_path, samples.request(span))
    indexed.make(tmp_path)

    out = run("diff", "last", "--data", tmp_path).out

    assert len(out.splitlines()) == 3
    assert "\x1b" not in out
    assert "take a [-coat" in out
    assert "{+hat" in out
