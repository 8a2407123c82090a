"""The relations that a collection holds between events, each with the rule that it rests on.

A record has two events: its bytes were fixed (content), and they were committed. A span has two:
it began (start), and it ended (end). Always content < commit and start < end. The rules:

    log       I1  within a lineage, commits run with the LSN                          node
    token     I2  a record that holds the tag of another was fixed after that one     cryptographic
              I2  ... and after that one's commit                                     node
    context   I3  a span whose context holds a token began after that commit          sdk
    export        a record was fixed after the spans in it had begun, or ended        sdk
    parent    I5  a span began after its parent began                                 app
    link      I5  a span ended after each span that it links to had begun             app
    response  I6  a span that was handed a token as a response ended after the commit sdk

Source: Lamport, "Time, Clocks, and the Ordering of Events in a Distributed System", 1978, for the
closure; Haber and Stornetta, "How to Time-Stamp a Digital Document", 1991, for the token.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import NamedTuple

from sidespand.evidence.collection import Evidence, Item, Resolution, SpanFact
from sidespand.model import EdgeType, Record


class Strength(IntEnum):
    """Whose word a relation rests on; a lower one is the stronger."""

    CRYPTOGRAPHIC = 1
    NODE_ATTESTED = 2
    SDK_ATTESTED = 3
    APP_ASSERTED = 4
    CLOCK_BOUNDED = 5
    NONE = 6

    @property
    def label(self) -> str:
        """Its name in texts and documents."""
        return self.name.lower().replace("_", "-")


class Moment(StrEnum):
    """Which of its two events a record or a span is asked about."""

    CONTENT = "content"
    COMMIT = "commit"
    START = "start"
    END = "end"


class Event(NamedTuple):
    """One event.

    Args:
        moment: What happened.
        subject: The leaf of a record, or the 24 bytes of trace and span id.
    """

    moment: Moment
    subject: bytes


@dataclass(frozen=True, slots=True)
class Step:
    """That one event precedes another.

    Args:
        earlier: The one.
        later: The other.
        rule: Its name in the table above.
        strength: Whose word it is.
    """

    earlier: Event
    later: Event
    rule: str
    strength: Strength


class Place(NamedTuple):
    """Where a record stands in a run of commits that the log orders.

    Args:
        chain: Names the run: a lineage up to its fork, or one record behind it.
        rank: Within the run, from 0.
    """

    chain: bytes
    rank: int


class Relations:
    """The relations of a collection, read backwards.

    Args:
        evidence: The collection.
    """

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.places: dict[bytes, Place] = {}
        self.chains: dict[bytes, list[Record]] = {}
        for lineage, log in evidence.logs.items():
            for record in log:
                chain = record.leaf if evidence.is_forked(record) else lineage
                run = self.chains.setdefault(chain, [])
                self.places[record.leaf] = Place(chain, len(run))
                run.append(record)
        self._facts: dict[bytes, list[SpanFact]] = {}
        self._items: dict[bytes, list[Item]] = {}
        for fact in evidence.facts:
            for item in evidence.find(fact.lineage, fact.lsn):
                self._facts.setdefault(item.record.leaf, []).append(fact)
                self._items.setdefault(fact.span, []).append(item)
        self._causes = {
            chain: [
                rank
                for rank, record in enumerate(run)
                if record.leaf in evidence.citations or record.leaf in self._facts
            ]
            for chain, run in self.chains.items()
        }

    def before(self, event: Event) -> Iterator[Step]:
        """Yield the direct predecessors of an event, but those of its own chain."""
        if event.moment is Moment.CONTENT:
            yield from self._before_content(event)
        elif event.moment is Moment.COMMIT:
            yield from self._before_commit(event)
        elif event.moment is Moment.START:
            yield from self._before_start(event)
        else:
            yield from self._before_end(event)

    def earlier_in_chain(self, place: Place, from_rank: int) -> Sequence[Record]:
        """Return the records of a chain that hold a token or a span, oldest first.

        Args:
            place: The records end before it.
            from_rank: They begin here, inclusive.
        """
        ranks = self._causes.get(place.chain, ())
        run = self.chains[place.chain]
        first, before = bisect_left(ranks, from_rank), bisect_left(ranks, place.rank)
        return [run[rank] for rank in ranks[first:before]]

    def _before_content(self, event: Event) -> Iterator[Step]:
        record = self.evidence.records[event.subject]
        for citation in self.evidence.cited_by(record):
            if citation.target is not None:
                cited = citation.target.leaf
                yield Step(Event(Moment.CONTENT, cited), event, "token", Strength.CRYPTOGRAPHIC)
                yield Step(Event(Moment.COMMIT, cited), event, "token", Strength.NODE_ATTESTED)
        for fact in self._facts.get(event.subject, ()):
            moment = Moment.END if fact.end_ns else Moment.START
            yield Step(Event(moment, fact.span), event, "export", Strength.SDK_ATTESTED)

    def _before_commit(self, event: Event) -> Iterator[Step]:
        content = Event(Moment.CONTENT, event.subject)
        yield Step(content, event, "commit", Strength.NODE_ATTESTED)
        record = self.evidence.records[event.subject]
        if self.places[event.subject].chain == event.subject:
            trunk = self.chains.get(record.header.lineage)
            if trunk:
                last = Event(Moment.COMMIT, trunk[-1].leaf)
                yield Step(last, event, "log", Strength.NODE_ATTESTED)

    def _before_start(self, event: Event) -> Iterator[Step]:
        yield from self._tokens_of(event, EdgeType.RECEIVED, "context")
        for fact in self.evidence.by_span.get(event.subject, ()):
            if fact.parent in self.evidence.by_span:
                parent = Event(Moment.START, fact.parent)
                yield Step(parent, event, "parent", Strength.APP_ASSERTED)

    def _before_end(self, event: Event) -> Iterator[Step]:
        start = Event(Moment.START, event.subject)
        yield Step(start, event, "span", Strength.SDK_ATTESTED)
        yield from self._tokens_of(event, EdgeType.RESPONSE, "response")
        for fact in self.evidence.by_span.get(event.subject, ()):
            for trace_id, span_id in fact.links:
                if trace_id + span_id in self.evidence.by_span:
                    linked = Event(Moment.START, trace_id + span_id)
                    yield Step(linked, event, "link", Strength.APP_ASSERTED)

    def _tokens_of(self, event: Event, kind: EdgeType, rule: str) -> Iterator[Step]:
        for item in self._items.get(event.subject, ()):
            for citation in self.evidence.cited_by(item.record):
                edge = citation.edge
                if edge.type is not kind or edge.item_index != item.item_index:
                    continue
                if citation.resolution is Resolution.VERIFIED and citation.target is not None:
                    commit = Event(Moment.COMMIT, citation.target.leaf)
                    yield Step(commit, event, rule, Strength.SDK_ATTESTED)
