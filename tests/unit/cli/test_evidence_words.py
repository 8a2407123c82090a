"""What the evidence commands say of items, records and places, so that nobody misreads it."""

from pathlib import Path

import pytest

from tests.attested import Node
from tests.unit.cli.conftest import Run
from tests.unit.query import samples

TRACE = samples.trace_id(1).hex()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Node:
    """Return a node with a record of two spans, one of one span, and a checkpoint of both."""
    made = Node(tmp_path_factory.mktemp("node") / "data")
    contents = [
        samples.spans_content(samples.request(samples.span(1), samples.span(2))),
        samples.spans_content(samples.request(samples.span(3))),
    ]
    made.live(contents)
    return made


def place(run: Run, node: Node, number: int) -> str:
    """Return the position of a span."""
    receipt = run("receipt", samples.span_id(number).hex(), "--json", "--data", node.data_dir)
    return str(receipt.document["position"])


def test_a_path_names_all_items_of_a_record(run: Run, node: Node) -> None:
    """Who asked for one item of several finds it again in the reasons."""
    asked, last, later = (place(run, node, number) for number in (1, 2, 3))
    _, _, lsn = last.partition(":")

    outcome = run("compare", asked, later, "--data", node.data_dir)

    assert f"commit of {asked}-{lsn} < commit of {later}   log, node-attested" in outcome.out


def test_nothing_puts_items_of_one_record_behind_one_another(run: Run, node: Node) -> None:
    """They became durable together, and the order of a trace says so."""
    table = run("order", TRACE, "--data", node.data_dir)
    items = run("order", TRACE, "--json", "--data", node.data_dir).document["items"]

    strengths = [line.split("  ")[-1].strip() for line in table.out.splitlines()[1:]]
    assert strengths == ["none", "same record", "node-attested"]
    assert [one["strength"] for one in items] == ["none", "none", "node-attested"]


def test_the_recorder_is_its_own_producer(run: Run, node: Node) -> None:
    """Of a control record nobody else is."""
    lineage, _, _ = place(run, node, 1).partition(":")

    outcome = run("receipt", f"{lineage}:1", "--data", node.data_dir)

    assert "producer            the recorder itself\n" in outcome.out


def test_a_place_beyond_the_end_is_not_missing(run: Run, node: Node) -> None:
    """Nothing is wrong with the store then: the message says where the log ends."""
    lineage, _, _ = place(run, node, 1).partition(":")
    last = run("status", "--json", "--data", node.data_dir).document["last_lsn"]

    outcome = run("receipt", f"{lineage}:{int(last) + 1}", "--data", node.data_dir)

    assert outcome.status == 1
    assert f"the log ends at LSN {last}\n" in outcome.err


def test_a_bundle_without_payload_is_asked_by_position(
    run: Run, node: Node, tmp_path: Path
) -> None:
    """An id finds nothing there, and the hint says what does."""
    proof, span_id = tmp_path / "proof", samples.span_id(1).hex()
    assert run("prove", span_id, "-o", proof, "--data", node.data_dir).status == 0

    by_id = run("compare", span_id, span_id, "--store", proof)
    at = place(run, node, 1)

    assert by_id.status == 1
    assert "in a bundle without payload name it by its position" in by_id.err
    assert run("compare", at, at, "--store", proof).status == 0


@pytest.mark.slow
def test_figures_of_one_are_singular(run: Run, node: Node) -> None:
    """One checkpoint, one generation."""
    outcome = run("verify", node.data_dir)

    assert "1 checkpoint soundly signed; the records make every root; " in outcome.out
    assert "certified generation 1\n" in outcome.out
