"""Two nodes, the clock of one of them ten seconds wrong: what the commands say of it.

The answers are those of the worked example in docs/evidence.md, to the letter.
"""

import asyncio
import json
import re
import shlex
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from sidespand.admission.otlp import OtlpAdmission
from sidespand.model import Flag, Kind, Receipt
from tests.attested import Node, Writing
from tests.clocks import NS_PER_S, ManualClock
from tests.journals import records_of
from tests.unit.cli.conftest import Run
from tests.unit.query import samples

PAGE = Path(__file__).parents[3] / "docs/evidence.md"
NOON_NS = 1_790_000_000 * NS_PER_S
TRACE = bytes(15) + b"\x01"


class Story(NamedTuple):
    """What two nodes recorded.

    Args:
        root: Holds the stores ``a`` and ``b``.
        receipts: By the name of the span.
    """

    root: Path
    receipts: dict[str, Receipt]


def request(name: str, number: int, at_ns: int, token: str = "") -> bytes:
    """Return a request of one span, received with a token."""
    return samples.request(
        Span(
            trace_id=TRACE if number else bytes(15) + b"\x02",
            span_id=(number or 9).to_bytes(8),
            name=name,
            kind=Span.SPAN_KIND_SERVER,
            start_time_unix_nano=at_ns - 1,
            end_time_unix_nano=at_ns,
            trace_state=f"vendor=1,sidespan={token}" if token else "",
        )
    )


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """Return the example's stores: plan on a, tool and cleanup on b, answer on a."""
    root = tmp_path_factory.mktemp("nodes")
    clocks = ManualClock(NOON_NS, seed=1), ManualClock(NOON_NS - 10 * NS_PER_S, seed=2)
    nodes = Node(root / "a", "a", clocks[0]), Node(root / "b", "b", clocks[1])
    receipts: dict[str, Receipt] = {}

    async def record(on: int, writing: Writing, name: str, number: int, token: str = "") -> None:
        body = request(name, number, clocks[on].wall_ns(), token)
        (content,) = OtlpAdmission().admit(Kind.SPANS, body).contents
        receipts[name] = await writing.record(content)
        for clock in clocks:
            clock.pass_time(0.1)

    async def happen() -> None:
        async with nodes[0].opened() as a, nodes[1].opened() as b:
            await record(0, a, "plan", 1)
            await record(1, b, "tool", 2, receipts["plan"].token)
            await record(1, b, "cleanup", 0)
            await record(0, a, "answer", 3, receipts["tool"].token)
            await a.checkpoint()
            await b.checkpoint()

    asyncio.run(happen())
    return Story(root, receipts)


def names(story: Story) -> dict[str, str]:
    """Return what the page calls the lineages, by their real names."""
    real = (story.receipts[name].token.split("-")[1] for name in ("plan", "tool"))
    return dict(zip(real, ("a1a1a1a1a1a1a1a1", "b2b2b2b2b2b2b2b2"), strict=True))


def renamed(text: str, story: Story, *, back: bool = False) -> str:
    """Return a text with the lineages named as on the page, or back."""
    for real, shown in names(story).items():
        text = text.replace(shown, real) if back else text.replace(real, shown)
    return text


def test_the_page_shows_what_the_commands_print(
    run: Run, story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every command of the example is run, and prints what stands below it."""
    monkeypatch.chdir(story.root)
    _, _, example = PAGE.read_text(encoding="utf-8").partition("## A worked example")
    blocks = re.findall(r"```console\n\$ sidespan (.*?)\n(.*?)```", example, re.DOTALL)
    assert len(blocks) >= 5

    for command, shown in blocks:
        outcome = run(*shlex.split(renamed(command, story, back=True)))
        assert renamed(outcome.out, story) == shown, command
        assert outcome.status == 0


def test_the_records_are_those_of_the_page(story: Story) -> None:
    """With the times that their nodes' clocks showed."""
    shown = re.search(r"```text\n(plan .*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert shown is not None
    by_place = {
        (record.header.lineage.hex(), record.header.last_lsn): record
        for node in ("a", "b")
        for record in records_of(story.root / node)
    }
    table = ""
    for name, receipt in story.receipts.items():
        lineage = receipt.token.split("-")[1]
        header = by_place[lineage, receipt.last_lsn].header
        time = datetime.fromtimestamp(header.wall_ns / NS_PER_S, UTC).strftime("%H:%M:%S.%f")[:-5]
        refused = "  the merge was refused" if header.flags & Flag.MERGE_REJECTED else ""
        table += f"{name:8}{names(story)[lineage]}:{receipt.last_lsn}  {time}{refused}\n"

    assert shown[1] == table


def test_no_verdict_but_a_contradiction_fails(run: Run, story: Story) -> None:
    """Every answer exits 0; what is not there exits 1 with the next command."""
    stores = ("--store", story.root / "a", "--store", story.root / "b")
    spans = [number.to_bytes(8).hex() for number in (1, 2, 3, 9)]

    for a in spans:
        for b in spans:
            outcome = run("compare", a, b, *stores, "--json")
            assert outcome.status == 0
            assert outcome.document["verdict"] != "contradictory"
            assert run("explain", a, b, *stores).status == 0
    missing = run("compare", spans[0], spans[1], "--store", story.root / "a")
    assert (missing.status, missing.out) == (1, "")
    assert "--store" in missing.err
    assert run("compare", "nonsense", spans[0], *stores).status == 2
    assert run("compare", spans[0], spans[1], "--store", story.root / "c").status == 1


def test_contradictory_evidence_has_a_status_of_its_own(run: Run, tmp_path: Path) -> None:
    """A parent that was received with its child's token cannot be."""
    node = Node(tmp_path / "data")

    async def contradict(writing: Writing) -> None:
        child = samples.span(2, parent=1)
        (content,) = OtlpAdmission().admit(Kind.SPANS, samples.request(child)).contents
        receipt = await writing.record(content)
        parent = samples.span(1)
        parent.trace_state, parent.kind = f"sidespan={receipt.token}", Span.SPAN_KIND_SERVER
        (content,) = OtlpAdmission().admit(Kind.SPANS, samples.request(parent)).contents
        await writing.record(content)

    node.open(contradict)
    a, b = (samples.span_id(number).hex() for number in (1, 2))

    outcome = run("compare", a, b, "--data", node.data_dir, "--json")

    assert (outcome.status, outcome.document["verdict"]) == (3, "contradictory")
    assert outcome.document["opposing"]
    assert run("explain", a, b, "--data", node.data_dir).status == 3


def test_a_bundle_stands_in_for_a_store(run: Run, story: Story, tmp_path: Path) -> None:
    """The one record of the other node is enough."""
    tool = (2).to_bytes(8).hex()
    proof = tmp_path / "tool.proof"
    run("prove", tool, "-o", proof, "--with-payload", "--data", story.root / "b")

    outcome = run(
        "compare", (1).to_bytes(8).hex(), tool, "--store", story.root / "a", "--store", proof,
        "--json",
    )  # fmt: skip

    assert (outcome.document["verdict"], outcome.document["strength"]) == (
        "before",
        "cryptographic",
    )


def test_a_bundle_that_was_changed_is_no_evidence(run: Run, story: Story, tmp_path: Path) -> None:
    """What does not verify is not asked."""
    tool = (2).to_bytes(8).hex()
    proof = tmp_path / "tool.proof"
    made = run("prove", tool, "--data", story.root / "b").document
    made["record"] = made["record"][:-8] + "AAAAAAAA"
    proof.write_text(json.dumps(made))

    outcome = run("compare", tool, tool, "--store", proof)

    assert (outcome.status, outcome.out) == (2, "")
    assert "no sound proof bundle" in outcome.err


def test_violations_have_codes(run: Run, story: Story) -> None:
    """A token that cites what no store at hand holds is unknown; a part of a log can be asked."""
    both = run(
        "violations", "--store", story.root / "a", "--store", story.root / "b", "--json"
    ).document["violations"]
    lineage = story.receipts["plan"].token.split("-")[1]
    part = run("violations", "--within", f"{lineage}:1-1", "--store", story.root / "a")

    assert both == []
    assert (part.status, part.out) == (0, "no violation in what was read\n")
    assert run("violations", "--within", "x", "--store", story.root / "a").status == 2


def test_a_clone_beside_its_original_is_a_fork(run: Run, tmp_path: Path) -> None:
    """Opened with ``--accept-move`` it has a lineage of its own; the original goes on, too."""
    node = Node(tmp_path / "data")
    spans = [samples.spans_content(samples.request(samples.span(n))) for n in range(1, 4)]
    node.live(spans[:1])
    clone = Node(Path(shutil.copytree(node.data_dir, tmp_path / "clone")))
    node.live(spans[1:2])
    clone.live(spans[2:], accept_move=True)

    found = run(
        "violations", "--store", node.data_dir, "--store", clone.data_dir, "--json"
    ).document["violations"]

    assert "fork" in {one["code"] for one in found}
    alone = run("violations", "--store", clone.data_dir, "--json").document["violations"]
    assert "fork" not in {one["code"] for one in alone}
