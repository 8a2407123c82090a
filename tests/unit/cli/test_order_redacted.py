"""``sidespan order`` of a trace of which something was redacted."""

import pytest

from sidespand.journal import record
from sidespand.model import Kind
from sidespand.redaction import Target, bodies
from tests.attested import Node, Writing
from tests.journals import records_of
from tests.unit.audit.rewriting import Rewriting
from tests.unit.cli.conftest import Run
from tests.unit.query import samples


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Node:
    """Return a node that lost one of two spans of trace 1, and all of trace 2."""
    made = Node(tmp_path_factory.mktemp("node") / "data")
    requests = [
        samples.request(samples.span(1)),
        samples.request(samples.span(2)),
        samples.request(samples.span(3, trace=2)),
    ]
    made.live([samples.spans_content(one) for one in requests])
    _, *lost = [r for r in records_of(made.data_dir) if r.header.kind is Kind.SPANS]
    targets = [
        Target(1, one.header.lineage, lsn, lsn, (samples.trace_id(trace),))
        for trace, one in enumerate(lost, 1)
        for lsn in [one.header.first_lsn]
    ]

    async def declare(writing: Writing) -> None:
        for body in bodies("alice", "a secret", targets):
            await writing.store.append_control(Kind.REDACT, body)

    made.open(declare)
    gone = {target.first for target in targets}
    Rewriting(made.data_dir).values(
        lambda lsn, value: value[: record.HEADER_BYTES + 4] if lsn in gone else value
    )
    return made


def test_what_is_gone_of_a_trace_is_told(run: Run, node: Node) -> None:
    """What is left is shown in its order; who took the rest, when and why is a note."""
    trace = samples.trace_id(1).hex()

    table = run("order", trace, "--data", node.data_dir)
    document = run("order", trace, "--json", "--data", node.data_dir).document

    assert (table.status, len(table.out.splitlines())) == (0, 2)
    assert "by alice at " in table.err
    assert table.err.rstrip().endswith(": a secret")
    assert len(document["items"]) == 1
    (told,) = document["redacted"]
    assert (told["actor"], told["reason"], told["item_count"]) == ("alice", "a secret", 1)


def test_a_trace_that_is_wholly_gone_is_not_unknown(run: Run, node: Node) -> None:
    """The log still says that it was there, and why it is not."""
    unknown = run("order", samples.trace_id(3).hex(), "--data", node.data_dir)
    gone = run("order", samples.trace_id(2).hex(), "--data", node.data_dir)

    assert unknown.status == 1
    assert (gone.status, gone.out) == (
        0,
        f"trace {samples.trace_id(2).hex()}: nothing of it is left\n",
    )
    assert "by alice at " in gone.err
