"""Was a before b? The answer, what it is about, how strong it is and what it rests on.

An answer is never taken from the HLC: that only refutes. It comes from the closure of the recorded
relations, the strongest first, and from clocks only where both nodes vouch for theirs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from sidespand.evidence.bracket import Bound, not_after, not_before
from sidespand.evidence.closure import Closure
from sidespand.evidence.collection import Evidence, Item
from sidespand.evidence.relations import Event, Moment, Relations, Step, Strength
from sidespand.model import Flag, Record


class Answer(StrEnum):
    """What can be said of a and b."""

    BEFORE = "before"
    AFTER = "after"
    SAME = "same"
    UNORDERED = "unordered"
    CONCURRENT_IN_RECORD = "concurrent_in_record"
    CONTRADICTORY = "contradictory"


class About(StrEnum):
    """Which order was decided: of the records' commits, or of when the spans began."""

    COMMIT = "commit"
    ACTIVITY = "activity"


@dataclass(frozen=True, slots=True)
class Verdict:
    """An answer with its reasons.

    Args:
        verdict: Of a against b.
        about: What it is about.
        strength: Of the weakest step that it rests on; ``none`` when there is nothing.
        path: The steps from the earlier to the later one; when the evidence is contradictory, from
            a to b.
        opposing: From b to a when it is contradictory; else empty.
        not_before: No earlier than this was b fixed or committed; None when nothing says.
        not_after: No later than this was a fixed; None when nothing says.
        assumptions: What must hold for the answer to hold.
        refutations: What the HLC rules out.
        hint: What is no evidence: ``hlc`` and ``clock`` compare a with b (``<``, ``=``, ``>``,
            ``overlap``), and the answer about the other one of commit and activity.
    """

    verdict: Answer
    about: About
    strength: Strength
    path: Sequence[Step] = ()
    opposing: Sequence[Step] = ()
    not_before: Bound | None = None
    not_after: Bound | None = None
    assumptions: Sequence[str] = ()
    refutations: Sequence[str] = ()
    hint: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Found:
    answer: Answer
    about: About
    strength: Strength
    path: Sequence[Step] = ()
    opposing: Sequence[Step] = ()


_ASSUMPTIONS = {
    ("token", Strength.CRYPTOGRAPHIC): (
        "SHA-256 holds, and nobody knew the cited record's tag before the record was made"
    ),
    ("token", Strength.NODE_ATTESTED): "the cited record's node hands a token out after the commit",
    ("commit", Strength.NODE_ATTESTED): "a node commits what it already holds",
    ("log", Strength.NODE_ATTESTED): (
        "the node gives LSNs in the order of its commits, and its log was not rewritten since"
        " the last checkpoint that somebody else keeps"
    ),
    ("context", Strength.SDK_ATTESTED): "the SDK fixes a span's context when the span begins",
    ("export", Strength.SDK_ATTESTED): "the SDK exports a span after what the export says of it",
    ("span", Strength.SDK_ATTESTED): "the SDK ends a span after it began",
    ("response", Strength.SDK_ATTESTED): "the propagator took the token from the response",
    ("parent", Strength.APP_ASSERTED): "the program names the span's true parent",
    ("link", Strength.APP_ASSERTED): "the program links to spans that had begun",
    ("clock", Strength.CLOCK_BOUNDED): "both nodes' clocks are within the error they claim",
}
# Which answer goes first when that about commit and that about activity differ: that one record
# holds both says little of two spans, and any order of them is worth more.
_PREFERENCE = {
    Answer.CONTRADICTORY: 0,
    Answer.BEFORE: 1,
    Answer.AFTER: 1,
    Answer.SAME: 2,
    Answer.CONCURRENT_IN_RECORD: 2,
    Answer.UNORDERED: 3,
}
_COMMIT_ORDER = (Strength.NODE_ATTESTED, Strength.SDK_ATTESTED, Strength.APP_ASSERTED)
_ACTIVITY_ORDER = (Strength.SDK_ATTESTED, Strength.APP_ASSERTED)


class Comparer:
    """Answers questions of order over one collection; what it searched it keeps.

    Args:
        evidence: The collection.
    """

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self._closure = Closure(Relations(evidence))
        self._unmerged = [
            record
            for record in evidence.records.values()
            if record.header.flags & (Flag.MERGE_REJECTED | Flag.EDGES_TRUNCATED)
        ]

    def compare(self, a: Item, b: Item, about: About | None = None) -> Verdict:
        """Return what the record says of the order of two items.

        Without ``about`` the strongest answer wins, and a contradiction before any; between equals
        the one about activity.

        Args:
            a: One item of the collection.
            b: Another.
            about: What is asked; None for whatever can be said.
        """
        asked = [about] if about else [About.COMMIT]
        if about is None and self.evidence.fact(a) and self.evidence.fact(b):
            asked.insert(0, About.ACTIVITY)
        found = [self._decide(a, b, one) for one in asked]
        best = min(found, key=_rank)
        hint = self._hint(a, b)
        for other in found:
            if other is not best and other.strength is not Strength.NONE:
                hint[other.about.value] = f"{other.answer}, {other.strength.label}"
        rules = dict.fromkeys((step.rule, step.strength) for step in (*best.path, *best.opposing))
        return Verdict(
            best.answer,
            best.about,
            best.strength,
            best.path,
            best.opposing,
            next(iter(not_before(self.evidence, b)), None),
            next(iter(not_after(self.evidence, a)), None),
            tuple(_ASSUMPTIONS[rule] for rule in rules),
            tuple(self._refutations(a, b, best.answer)),
            hint,
        )

    def is_cited(self, earlier: Record, later: Record) -> bool:
        """Tell whether a chain of tokens leads from one record to another."""
        contents = Event(Moment.CONTENT, earlier.leaf), Event(Moment.CONTENT, later.leaf)
        return self._path(*contents, (Strength.CRYPTOGRAPHIC,)) is not None

    def _decide(self, a: Item, b: Item, about: About) -> _Found:
        if about is About.COMMIT:
            return self._decide_commit(a, b)
        fact_a, fact_b = self.evidence.fact(a), self.evidence.fact(b)
        if fact_a is None or fact_b is None:
            return _Found(Answer.UNORDERED, about, Strength.NONE)
        if fact_a.span == fact_b.span:
            return _Found(Answer.SAME, about, Strength.APP_ASSERTED)
        starts = Event(Moment.START, fact_a.span), Event(Moment.START, fact_b.span)
        forward, backward = (self._path(*pair, _ACTIVITY_ORDER) for pair in (starts, starts[::-1]))
        return _weigh(forward, backward, about) or _Found(Answer.UNORDERED, about, Strength.NONE)

    def _decide_commit(self, a: Item, b: Item) -> _Found:
        about = About.COMMIT
        if a.record.leaf == b.record.leaf:
            # One leaf holds both, so neither was fixed or committed without the other.
            return _Found(Answer.SAME, about, Strength.CRYPTOGRAPHIC)
        found = _weigh(
            self._commit_path(a.record, b.record), self._commit_path(b.record, a.record), about
        )
        if found is not None:
            return found
        clock = _clock(a.record, b.record)
        if clock in ("<", ">"):
            answer = Answer.BEFORE if clock == "<" else Answer.AFTER
            ends = (a, b) if clock == "<" else (b, a)
            earlier, later = (Event(Moment.COMMIT, one.record.leaf) for one in ends)
            step = Step(earlier, later, "clock", Strength.CLOCK_BOUNDED)
            return _Found(answer, about, Strength.CLOCK_BOUNDED, (step,))
        if self.evidence.channels_declared and self.evidence.is_complete:
            return _Found(Answer.CONCURRENT_IN_RECORD, about, Strength.NODE_ATTESTED)
        return _Found(Answer.UNORDERED, about, Strength.NONE)

    def _commit_path(self, one: Record, other: Record) -> Sequence[Step] | None:
        contents = Event(Moment.CONTENT, one.leaf), Event(Moment.CONTENT, other.leaf)
        commits = Event(Moment.COMMIT, one.leaf), Event(Moment.COMMIT, other.leaf)
        return self._path(*contents, (Strength.CRYPTOGRAPHIC,)) or self._path(
            *commits, _COMMIT_ORDER
        )

    def _path(
        self, earlier: Event, later: Event, strengths: Sequence[Strength]
    ) -> Sequence[Step] | None:
        for strength in strengths:
            if strength > Strength.NODE_ATTESTED and not self.evidence.by_span:
                return None
            path = self._closure.path(earlier, later, strength)
            if path is not None:
                return path
        return None

    def _hint(self, a: Item, b: Item) -> dict[str, str]:
        hint = {"hlc": "<" if a.stamp < b.stamp else ">" if a.stamp > b.stamp else "="}
        clock = _clock(a.record, b.record)
        if clock is not None:
            hint["clock"] = clock
        return hint

    def _refutations(self, a: Item, b: Item, answer: Answer) -> list[str]:
        refuted = []
        for one, other, names, claimed in (
            (a, b, ("a", "b"), Answer.BEFORE),
            (b, a, ("b", "a"), Answer.AFTER),
        ):
            if answer in (claimed, Answer.SAME, Answer.CONTRADICTORY):
                continue
            if one.stamp >= other.stamp and self._is_merged(other.record):
                refuted.append(
                    f"no chain of tokens leads from {names[0]} to {names[1]}:"
                    f" the HLC of {names[0]} is not below that of {names[1]}"
                )
        return refuted

    def _is_merged(self, record: Record) -> bool:
        # Whether every token on the way to a record was merged into the clock that stamped it.
        if not self._unmerged:
            return True
        past = self._closure.past(Event(Moment.COMMIT, record.leaf), Strength.NODE_ATTESTED)
        return not any(
            one is record or past.path_from(Event(Moment.COMMIT, one.leaf)) is not None
            for one in self._unmerged
        )


def _weigh(
    forward: Sequence[Step] | None, backward: Sequence[Step] | None, about: About
) -> _Found | None:
    if forward and backward:
        strength = max(_weakest(forward), _weakest(backward))
        return _Found(Answer.CONTRADICTORY, about, strength, forward, backward)
    if forward:
        return _Found(Answer.BEFORE, about, _weakest(forward), forward)
    if backward:
        return _Found(Answer.AFTER, about, _weakest(backward), backward)
    return None


def _weakest(path: Sequence[Step]) -> Strength:
    return max(step.strength for step in path)


def _rank(found: _Found) -> tuple[int, Strength]:
    return _PREFERENCE[found.answer], found.strength


def _clock(a: Record, b: Record) -> str | None:
    # How the nodes' readings compare; None unless both vouch for theirs.
    intervals = []
    for header in (a.header, b.header):
        if header.clock_error_us is None or not header.flags & Flag.CLOCK_SYNCED:
            return None
        error_ns = header.clock_error_us * 1000
        intervals.append((header.wall_ns - error_ns, header.wall_ns + error_ns))
    (a_low, a_high), (b_low, b_high) = intervals
    return "<" if a_high < b_low else ">" if b_high < a_low else "overlap"
