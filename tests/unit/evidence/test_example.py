"""The worked example of docs/evidence.md says what the code says."""

import re
from datetime import UTC, datetime
from pathlib import Path

from sidespand.evidence import explain
from sidespand.evidence.collection import Evidence
from sidespand.evidence.order import order
from sidespand.evidence.verdict import About, Comparer
from sidespand.model import Flag
from tests.clocks import NS_PER_S, ManualClock
from tests.unit.evidence.nodes import TRACE, Node, edge, fact, item

PAGE = Path(__file__).parents[3] / "docs/evidence.md"
NOON_NS = 1_790_000_000 * NS_PER_S


def story() -> list[str]:
    """Return the example's blocks: the records, three verdicts, the trace in order."""
    alpha = Node(0xA1, ManualClock(NOON_NS, seed=1))
    beta = Node(0xB2, ManualClock(NOON_NS - 10 * NS_PER_S, seed=2))

    def pass_time() -> None:
        alpha.clock.pass_time(0.1)
        beta.clock.pass_time(0.1)

    plan = alpha.write()
    pass_time()
    tool = beta.write(edge(plan))
    pass_time()
    cleanup = beta.write()
    answer = alpha.write(edge(tool))
    pass_time()
    names = {plan.leaf: "plan", tool.leaf: "tool", cleanup.leaf: "cleanup", answer.leaf: "answer"}
    facts = [
        fact(plan, 1, start_ns=NOON_NS - 1, end_ns=NOON_NS),
        fact(tool, 2, start_ns=tool.header.wall_ns - 1, end_ns=tool.header.wall_ns),
        fact(answer, 3, start_ns=answer.header.wall_ns - 1, end_ns=answer.header.wall_ns),
    ]
    records = [plan, tool, cleanup, answer]
    evidence = Evidence(records, facts)
    comparer = Comparer(evidence)
    table = "".join(
        f"{names[one.leaf]:8}{item(one)}  {_clock(one.header.wall_ns)}"
        f"{'  the merge was refused' if one.header.flags & Flag.MERGE_REJECTED else ''}\n"
        for one in records
    )
    verdicts = [
        explain.text(evidence, item(a), item(b), comparer.compare(item(a), item(b), about))
        for a, b, about in (
            (plan, tool, None),
            (plan, tool, About.ACTIVITY),
            (cleanup, answer, None),
        )
    ]
    shown = order(comparer, TRACE)
    line = "".join(
        f"{names[one.item.record.leaf]:8}{one.item}  {one.strength.label}\n" for one in shown.placed
    )
    return [table, *verdicts, line]


def _clock(wall_ns: int) -> str:
    return datetime.fromtimestamp(wall_ns / NS_PER_S, UTC).strftime("%H:%M:%S.%f")[:-5]


def test_the_page_shows_what_is_said() -> None:
    """Every block of the page's example is what the functions return."""
    _, _, example = PAGE.read_text(encoding="utf-8").partition("## A worked example")

    assert re.findall(r"```text\n(.*?)```", example, re.DOTALL) == story()
