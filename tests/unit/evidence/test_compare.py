"""Verdicts: what each kind of evidence licenses, what it is worth, and where there is none."""

from dataclasses import replace

import pytest

from sidespand.evidence.closure import Closure
from sidespand.evidence.collection import Evidence, Item, Resolution, SpanFact
from sidespand.evidence.relations import Event, Moment, Relations, Strength
from sidespand.evidence.verdict import About, Answer, Comparer, Verdict
from sidespand.hlc import Hlc
from sidespand.model import EdgeType, Record
from tests.clocks import START_WALL_NS, ManualClock
from tests.unit.evidence.nodes import Node, edge, fact, item, vouched

MIRRORED = {Answer.BEFORE: Answer.AFTER, Answer.AFTER: Answer.BEFORE}
S = 1_000_000_000


def compare(
    records: list[Record],
    a: Record | Item,
    b: Record | Item,
    *facts: SpanFact,
    about: About | None = None,
    declared: bool = False,
) -> Verdict:
    """Return the verdict, once it is seen that the other way round it is the same one."""
    one = a if isinstance(a, Item) else item(a)
    other = b if isinstance(b, Item) else item(b)
    comparer = Comparer(Evidence(records, facts, channels_declared=declared))
    verdict = comparer.compare(one, other, about)
    reverse = comparer.compare(other, one, about)
    assert reverse.verdict == MIRRORED.get(verdict.verdict, verdict.verdict)
    assert (reverse.strength, reverse.about) == (verdict.strength, verdict.about)
    return verdict


def said(verdict: Verdict) -> tuple[Answer, About, Strength]:
    """Return the three words of a verdict."""
    return verdict.verdict, verdict.about, verdict.strength


def test_a_log_orders_its_commits() -> None:
    """Within a lineage LSN order is commit order, on the node's word."""
    node = Node(1)
    a, _, b = node.write(), node.write(), node.write()

    verdict = compare(node.records, a, b)

    assert said(verdict) == (Answer.BEFORE, About.COMMIT, Strength.NODE_ATTESTED)
    assert [step.rule for step in verdict.path] == ["log"]
    assert "LSNs in the order of its commits" in verdict.assumptions[0]


def test_a_token_proves_without_any_clock() -> None:
    """A record that holds another's tag came after it, even when its clock is a day behind."""
    ahead, behind = Node(1), Node(2, ManualClock(START_WALL_NS - 86_400 * S, seed=2))
    a = ahead.write()
    b = behind.write(edge(a))

    verdict = compare([a, b], a, b)

    assert said(verdict) == (Answer.BEFORE, About.COMMIT, Strength.CRYPTOGRAPHIC)
    assert verdict.hint["hlc"] == ">"
    assert verdict.refutations == ()
    assert verdict.not_before is not None
    assert verdict.not_before.position == f"{a.header.lineage.hex()}:1"


def test_tokens_and_logs_join_into_paths() -> None:
    """From before a citation in one log to after it in another there is a path, node-attested."""
    one, other = Node(1), Node(2)
    a, cited = one.write(), one.write()
    citing = other.write(edge(cited))
    b = other.write()

    verdict = compare([a, cited, citing, b], a, b)

    assert said(verdict) == (Answer.BEFORE, About.COMMIT, Strength.NODE_ATTESTED)
    assert [step.rule for step in verdict.path] == ["log", "token", "commit", "log"]


def test_a_chain_of_tokens_stays_cryptographic() -> None:
    """The leaf of a record covers the tokens in it, so citations of citations prove as well."""
    nodes = [Node(number) for number in range(1, 5)]
    chain = [nodes[0].write()]
    for node in nodes[1:]:
        node.write()
        chain.append(node.write(edge(chain[-1], EdgeType.CITED)))

    verdict = compare([r for node in nodes for r in node.records], chain[0], chain[-1])

    assert said(verdict) == (Answer.BEFORE, About.COMMIT, Strength.CRYPTOGRAPHIC)
    assert len(verdict.path) == 3


def test_the_hlc_alone_orders_nothing() -> None:
    """Two nodes that never spoke are unordered, however far apart their clocks are."""
    early, late = Node(1), Node(2, ManualClock(START_WALL_NS + 3600 * S, seed=2))
    a, b = early.write(), late.write()

    verdict = compare([a, b], a, b)

    assert said(verdict) == (Answer.UNORDERED, About.COMMIT, Strength.NONE)
    assert verdict.hint == {"hlc": "<"}
    assert len(verdict.refutations) == 1
    assert verdict.refutations[0].startswith("no chain of tokens leads from b to a")


def test_equal_stamps_refute_both_ways() -> None:
    """A chain of tokens would have made the HLC rise."""
    a, b = Node(1).write(), Node(2).write()

    verdict = compare([a, b], a, b)

    assert verdict.hint == {"hlc": "="}
    assert len(verdict.refutations) == 2


def test_nothing_precedes_itself() -> None:
    """An event is in its own past only where the evidence runs in a circle."""
    y, b = Node(1, next_lsn=2).write(), Node(2, next_lsn=2).write()
    a, x = Node(1).write(edge(b)), Node(2).write(edge(y))

    for records, circular in (([a, b], False), ([a, b, x, y], True)):
        closure = Closure(Relations(Evidence(records)))
        for record in records:
            commit = Event(Moment.COMMIT, record.leaf)
            path = closure.path(commit, commit, Strength.NODE_ATTESTED)
            assert (path is not None) is circular


def test_a_refused_merge_takes_the_refutation_back() -> None:
    """Where a token was too far ahead to be merged, or was not kept, the HLC rules nothing out."""
    ahead, node = Node(1, ManualClock(START_WALL_NS + 10 * S, seed=1)), Node(2)
    lead = ahead.write()
    refused = node.write(edge(lead))
    b = node.write()
    dropped = Node(3).write(truncated=True)

    assert compare([lead, refused, b], lead, b).verdict is Answer.BEFORE
    stranger = ahead.write()
    assert compare([stranger, refused, b], stranger, b).refutations == ()
    assert compare([stranger, dropped], stranger, dropped).refutations == ()


def test_a_forged_token_proves_nothing() -> None:
    """A token whose tag, stamp or place is not that of the record is no evidence."""
    node, other = Node(1), Node(2)
    a, batch = node.write(), node.write(items=3)
    true = edge(a)
    forged = [
        replace(true, tag=bytes(16)),
        replace(true, stamp=Hlc(1, 0)),
        replace(true, lsn=2),
        replace(edge(batch), lsn=3),
    ]
    for one in forged:
        b = other.write(one)
        evidence = Evidence([a, batch, b])
        assert evidence.cited_by(b)[0].resolution is Resolution.MISMATCHED
        assert compare([a, batch, b], a, b).verdict is Answer.UNORDERED


def test_a_token_of_what_is_not_here_proves_nothing() -> None:
    """A token that cannot be checked is told apart from a wrong one, and not used."""
    node, other = Node(1), Node(2)
    a, absent, later = node.write(), node.write(), node.write()
    b = other.write(edge(absent))
    c = other.write(edge(later))

    assert Evidence([a, later, b]).cited_by(b)[0].resolution is Resolution.ABSENT
    assert Evidence([a, c]).cited_by(c)[0].resolution is Resolution.BEYOND
    assert Evidence([c]).cited_by(c)[0].resolution is Resolution.ABSENT
    assert compare([a, later, b], a, b).verdict is Answer.UNORDERED


def test_a_token_in_a_span_s_context_orders_activity() -> None:
    """What was over and durable before its token went out was over before the receiver began."""
    one, other = Node(1), Node(2)
    a = one.write()
    b = other.write(edge(a))

    verdict = compare([a, b], a, b, fact(a, 1), fact(b, 2), about=About.ACTIVITY)

    assert said(verdict) == (Answer.BEFORE, About.ACTIVITY, Strength.SDK_ATTESTED)
    assert [step.rule for step in verdict.path] == ["span", "export", "commit", "context"]


@pytest.mark.parametrize("kind", [EdgeType.CITED, EdgeType.LINKED, EdgeType.RESPONSE])
def test_a_token_elsewhere_in_a_span_says_nothing_of_its_start(kind: EdgeType) -> None:
    """A citation, a link's token or a response may come at any time before the span ends."""
    one, other = Node(1), Node(2)
    a = one.write()
    b = other.write(edge(a, kind))
    facts = fact(a, 1), fact(b, 2)

    assert compare([a, b], a, b, *facts, about=About.ACTIVITY).verdict is Answer.UNORDERED
    assert compare([a, b], a, b, *facts).strength is Strength.CRYPTOGRAPHIC


def test_a_token_belongs_to_the_item_that_holds_it() -> None:
    """Another item of the same record did not receive it."""
    one, other = Node(1), Node(2)
    a = one.write()
    b = other.write(edge(a, item_index=1), items=2)
    facts = fact(a, 1), fact(item(b), 2), fact(item(b, 1), 3)

    first = compare([a, b], a, item(b), *facts, about=About.ACTIVITY)
    second = compare([a, b], a, item(b, 1), *facts, about=About.ACTIVITY)

    assert first.verdict is Answer.UNORDERED
    assert second.verdict is Answer.BEFORE


def test_a_parent_began_first_on_the_program_s_word() -> None:
    """Parent and child are ordered by their start, while their commits run the other way."""
    node = Node(1)
    child, parent = node.write(), node.write()
    facts = fact(parent, 1), fact(child, 2, parent=1)

    activity = compare(node.records, parent, child, *facts, about=About.ACTIVITY)
    strongest = compare(node.records, parent, child, *facts)

    assert said(activity) == (Answer.BEFORE, About.ACTIVITY, Strength.APP_ASSERTED)
    assert said(strongest) == (Answer.AFTER, About.COMMIT, Strength.NODE_ATTESTED)
    assert strongest.hint["activity"] == "before, app-asserted"


def test_spans_of_one_record_are_ordered_by_what_they_say() -> None:
    """One record commits its items at once; its spans may still be parent and child."""
    batch = Node(1).write(items=3)
    facts = fact(item(batch), 1), fact(item(batch, 1), 2, parent=1), fact(item(batch, 2), 3)

    assert said(compare([batch], item(batch), item(batch, 2))) == (
        Answer.SAME, About.COMMIT, Strength.CRYPTOGRAPHIC,
    )  # fmt: skip
    assert said(compare([batch], item(batch), item(batch, 1), *facts)) == (
        Answer.BEFORE, About.ACTIVITY, Strength.APP_ASSERTED,
    )  # fmt: skip


def test_a_mark_and_its_end_are_one_span() -> None:
    """Two items with one span id tell of the same activity, and each is committed on its own."""
    node = Node(1)
    mark, end = node.write(), node.write()
    facts = fact(mark, 1, end_ns=0), fact(end, 1)

    assert compare(node.records, mark, end, *facts, about=About.ACTIVITY).verdict is Answer.SAME
    assert compare(node.records, mark, end, *facts).about is About.COMMIT


def test_a_mark_shows_that_a_span_had_begun() -> None:
    """Who holds the token of a mark began after the announced span began, though it goes on."""
    one, other = Node(1), Node(2)
    mark = one.write()
    b = other.write(edge(mark))
    end = one.write()
    facts = fact(mark, 1, end_ns=0), fact(end, 1), fact(b, 2)

    verdict = compare([mark, end, b], end, b, *facts)

    assert said(verdict) == (Answer.BEFORE, About.ACTIVITY, Strength.SDK_ATTESTED)
    assert [step.rule for step in verdict.path] == ["export", "commit", "context"]


def test_a_linked_span_began_before_the_other_ended() -> None:
    """A link orders the linked span's start before whatever follows the linking span's end."""
    one, other = Node(1), Node(2)
    linked, linking = one.write(), one.write()
    b = other.write(edge(linking))
    facts = fact(linked, 1), fact(linking, 2, links=[1]), fact(b, 3)

    assert compare([linked, linking, b], linked, b, *facts, about=About.ACTIVITY).path
    pair = compare([linked, linking], linked, linking, *facts[:2], about=About.ACTIVITY)
    assert pair.verdict is Answer.UNORDERED


def test_conflicting_evidence_is_shown_from_both_sides() -> None:
    """Tokens that run against a log's own order make a contradiction with both paths."""
    y = Node(1, next_lsn=2).write()
    b = Node(2, next_lsn=2).write()
    a = Node(1).write(edge(b))
    x = Node(2).write(edge(y))

    verdict = compare([a, b, x, y], a, b)

    assert said(verdict) == (Answer.CONTRADICTORY, About.COMMIT, Strength.NODE_ATTESTED)
    assert [step.rule for step in verdict.path] == ["log", "token", "commit", "log"]
    assert [step.rule for step in verdict.opposing] == ["token"]


def test_a_contradiction_outweighs_a_strong_answer() -> None:
    """Commits may be in order while what the program says of the spans is impossible."""
    one, other = Node(1), Node(2)
    child = one.write()
    parent = other.write(edge(child))
    facts = fact(child, 2, parent=1), fact(parent, 1)

    verdict = compare([child, parent], parent, child, *facts)

    assert said(verdict) == (Answer.CONTRADICTORY, About.ACTIVITY, Strength.APP_ASSERTED)
    assert verdict.hint["commit"] == "after, cryptographic"


@pytest.mark.parametrize(
    ("apart_us", "error_us", "answer"),
    [
        (1001, 500, Answer.BEFORE),
        (1000, 500, Answer.UNORDERED),
        (10, 500, Answer.UNORDERED),
        (-1001, 500, Answer.AFTER),
    ],
)
def test_clocks_order_what_lies_apart(apart_us: int, error_us: int, answer: Answer) -> None:
    """Where both nodes vouch for their clocks, intervals that do not touch are an order."""
    a = vouched(Node(1).write(), error_us)
    b = vouched(Node(2, ManualClock(START_WALL_NS + apart_us * 1000, seed=2)).write(), error_us)

    verdict = compare([a, b], a, b)

    strength = Strength.NONE if answer is Answer.UNORDERED else Strength.CLOCK_BOUNDED
    assert (verdict.verdict, verdict.strength) == (answer, strength)


def test_a_clock_that_nobody_vouches_for_is_not_used() -> None:
    """One unknown clock error is enough to say nothing."""
    a = vouched(Node(1).write(), 1)
    b = Node(2, ManualClock(START_WALL_NS + 3600 * S, seed=2)).write()

    assert compare([a, b], a, b).verdict is Answer.UNORDERED


def test_a_token_outweighs_clocks_that_say_otherwise() -> None:
    """A clock's claim that a token contradicts is shown, and does not change the verdict."""
    ahead = Node(1, ManualClock(START_WALL_NS + 10 * S, seed=1))
    a = vouched(ahead.write(), 1)
    b = vouched(Node(2).write(edge(a)), 1)

    verdict = compare([a, b], a, b)

    assert said(verdict) == (Answer.BEFORE, About.COMMIT, Strength.CRYPTOGRAPHIC)
    assert verdict.hint["clock"] == ">"


def test_concurrency_needs_complete_logs_and_declared_channels() -> None:
    """Only then does "no path" say something of the programs."""
    one, other = Node(1), Node(2)
    a, b = one.write(), other.write()
    late = Node(3, next_lsn=5).write()

    assert compare([a, b], a, b).verdict is Answer.UNORDERED
    assert compare([a, b], a, b, declared=True).verdict is Answer.CONCURRENT_IN_RECORD
    assert compare([a, late], a, late, declared=True).verdict is Answer.UNORDERED
    truncated = Node(4).write(truncated=True)
    assert compare([a, b, truncated], a, b, declared=True).verdict is Answer.UNORDERED
    bridge = Node(5)
    lost = bridge.write(edge(a))
    citing = Node(6).write(edge(lost))
    assert compare([a, lost, citing], a, citing, declared=True).verdict is Answer.BEFORE
    assert compare([a, citing], a, citing, declared=True).verdict is Answer.UNORDERED


def test_behind_a_fork_the_log_orders_nothing() -> None:
    """Of two histories of one lineage only what precedes the fork is ordered by LSN."""
    original = Node(1)
    before, left, left_later = original.write(), original.write(), original.write()
    right = Node(1, ManualClock(seed=9), next_lsn=2).write()
    records = [before, left, left_later, right]

    assert Evidence(records).forks == {original.lineage: 2}
    assert len(Evidence(records).find(original.lineage, 2)) == 2
    assert compare(records, before, right).verdict is Answer.BEFORE
    assert compare(records, before, left_later).verdict is Answer.BEFORE
    assert compare(records, left, right).verdict is Answer.UNORDERED
    assert compare(records, left, left_later).verdict is Answer.UNORDERED


def test_a_token_finds_its_record_on_either_side_of_a_fork() -> None:
    """The tag tells two records at one place apart."""
    original, copy = Node(1), Node(1, ManualClock(seed=9))
    left, right = original.write(), copy.write()
    b = Node(2).write(edge(right))

    assert compare([left, right, b], right, b).verdict is Answer.BEFORE
    assert compare([left, right, b], left, b).verdict is Answer.UNORDERED


def test_one_record_seen_twice_counts_once() -> None:
    """A store and an export of it hold the same records."""
    node = Node(1)
    a, b = node.write(), node.write()

    assert Evidence([a, b, b, a]).forks == {}
    assert len(Evidence([a, b, b, a]).records) == 2
