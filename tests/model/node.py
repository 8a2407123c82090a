"""A node as a plain list: what was acked, what was trimmed or redacted, and what sinks were given.

The machine drives the real journal, its upkeep, and the carriers of two sinks; `archive` is
required, `copy` is not. The worker reads a copy of the store, as a process of its own reads the
files, and keeps its cursors outside: a crash of the one is none of the other.
"""

import asyncio
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sidespand.errors import JournalFailed, OutOfOrder, Unavailable
from sidespand.journal.reader import JournalReader
from sidespand.journal.retention import Order, Retention
from sidespand.journal.upkeep import Upkeep
from sidespand.limits import GIB, KIB, MIB
from sidespand.model import Gap, Kind, Position, Receipt, Record, Rejected, Retry, SessionStep
from sidespand.redaction import Target
from sidespand.sinks.carrier import Carrier
from sidespand.sinks.cursor import CursorFile
from tests.clocks import ManualClock
from tests.fakes import ScriptedSink
from tests.unit.journal.copies import put_back
from tests.unit.journal.faults import file_size_limit
from tests.unit.journal.lives import Life, read_all
from tests.unit.journal.making import content

INSTANCES = [bytes([number]) * 16 for number in range(2)]
SINKS = ("archive", "copy")
SIZES = (1, 400, 300 * KIB)
ANSWERS = {
    "takes it": (),
    "fails": (Retry("away"),),
    "raises": (ValueError("broken"),),
    "refuses one": (Rejected(1, "bad"),),
}


@dataclass(slots=True)
class Entry:
    """A request that was acked; without a payload it was redacted."""

    first: int
    last: int
    payload: bytes | None


class NodeModel(RuleBasedStateMachine):
    """One node through many lives."""

    carrier = Carrier

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="sidespan-node-"))
        self.data_dir = self.root / "store"
        self.clock = ManualClock()
        self.entries: list[Entry] = []
        self.trimmed_to = 0
        self.last_seq = dict.fromkeys(INSTANCES, 0)
        self.given: dict[str, set[int]] = {name: set() for name in SINKS}
        self.passed = dict.fromkeys(SINKS, 0)
        self.made = 0
        self.living = False
        self.start: Position
        self.life: Life
        self.upkeep: Upkeep

    @initialize()
    def begin(self) -> None:
        """Begin a life, as the daemon does: what an earlier one left undone comes first."""
        self.life = Life(self.data_dir, self.clock)
        self.living = True
        self.start = self.life.store.position._replace(lsn=0)
        policy = Retention(3600.0, GIB, 0.0, required=frozenset({"archive"}))
        self.upkeep = Upkeep(self.life.store, policy, self.clock)
        self.life.run(self.upkeep.resume())
        for instance, seq in self.last_seq.items():
            assert self.life.store.last_seq(instance, 1000) == seq

    @rule(items=st.integers(1, 4), size=st.sampled_from(SIZES), requests=st.integers(1, 3))
    def append(self, items: int, size: int, requests: int) -> None:
        """Store some requests at once."""
        sent = [self.payload(size) for _ in range(requests)]
        outcomes = self.life.append_all([([content(one, items)], None) for one in sent])
        for payload, outcome in zip(sent, outcomes, strict=True):
            assert isinstance(outcome, Receipt)
            self.acked(outcome, payload)

    @rule(instance=st.sampled_from(INSTANCES), resent=st.integers(0, 2))
    def resend(self, instance: bytes, resent: int) -> None:
        """A client whose acks were lost sends its last steps again, then a new one."""
        last = self.last_seq[instance]
        for seq in range(max(1, last + 1 - resent), last + 1):
            again = self.life.append(content(b"again"), step=SessionStep(instance, seq, 0, 1000))
            assert again.duplicate
        with pytest.raises(OutOfOrder):
            self.life.append(content(b"early"), step=SessionStep(instance, last + 2, 0, 1000))
        payload = self.payload(SIZES[1])
        receipt = self.life.append(content(payload), step=SessionStep(instance, last + 1, 0, 1000))
        self.acked(receipt, payload)
        self.last_seq[instance] = last + 1

    @rule(full=st.booleans())
    def fail(self, full: bool) -> None:  # noqa: FBT001 -- drawn.
        """Let the disk refuse a commit, for lack of room or for another reason."""
        room = {"return_value": 0} if full else {"wraps": lambda _: GIB}
        with (
            file_size_limit(16 * KIB),
            mock.patch("sidespand.platform.free_bytes", **room),
            pytest.raises(Unavailable) as refused,
        ):
            self.life.append(content(bytes(2 * MIB), 3))
        # Whoever waits for room is no reason to end the process.
        assert isinstance(refused.value, JournalFailed) == (not full)

    @rule(seconds=st.sampled_from([1.0, 1801.0, -600.0]))
    def wait(self, seconds: float) -> None:
        """Let time pass, or set the wall clock back."""
        if seconds > 0:
            self.clock.pass_time(seconds)
        else:
            self.clock.step_wall(seconds)

    @rule()
    def roll(self) -> None:
        """Go on in another segment."""
        self.life.store.roll_next()

    @rule(name=st.sampled_from(SINKS), answer=st.sampled_from(sorted(ANSWERS)), dies=st.booleans())
    def deliver(self, name: str, answer: str, dies: bool) -> None:  # noqa: FBT001 -- drawn.
        """Let a sink have what it lacks, until it fails, or until its worker is killed."""
        copy = self.copied("read")
        sink = ScriptedSink(*ANSWERS[answer])
        reader = JournalReader(copy)
        place = self.root / "sinks" / name
        place.mkdir(parents=True, exist_ok=True)
        cursor = CursorFile(place / "cursor.json")
        try:
            asyncio.run(self.carried(sink, reader, cursor, dies=dies))
        finally:
            reader.close()
            shutil.rmtree(copy)
        firsts = [one.header.first_lsn for one in sink.taken]
        assert firsts == sorted(set(firsts))
        self.given[name].update(firsts)
        saved = CursorFile(place / "cursor.json").load()
        self.passed[name] = saved.lsn if saved is not None else 0

    async def carried(
        self, sink: ScriptedSink, reader: JournalReader, cursor: CursorFile, *, dies: bool
    ) -> None:
        """Run a carrier until it has caught up or fails; with ``dies``, never to save again."""
        carrier = self.carrier("sink", sink, reader, cursor, uniform=min, coalesce_s=0.0)
        carrier.advance(self.life.store.position)
        if dies:
            # It is killed while the sink has not answered its first delivery.
            sink.script.appendleft(asyncio.Event())
            task = asyncio.create_task(carrier.run())
            while not (sink.attempts or task.done() or carrier.lag_items == 0):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return
        carrier.stop()
        await carrier.run()
        await carrier.close()

    @rule(asked=st.booleans(), force=st.booleans())
    def trim(self, asked: bool, force: bool) -> None:  # noqa: FBT001 -- drawn.
        """Remove what is old, or what somebody wants gone."""
        position = self.life.store.position
        cursor = position._replace(lsn=self.passed["archive"])
        if asked:
            order = Order("ann", position, None, force)
            self.life.run(self.upkeep.obey(order, {"archive": cursor}, dry_run=False))
        else:
            self.life.run(self.upkeep.trim({"archive": cursor}))
        oldest = self.life.store.segments[0].first_lsn
        if not (asked and force):
            assert oldest - 1 <= max(self.passed["archive"], self.trimmed_to)
        self.trimmed_to = max(self.trimmed_to, oldest - 1)
        self.entries = [one for one in self.entries if one.last > self.trimmed_to]

    @precondition(lambda self: any(one.payload for one in self.entries))
    @rule(data=st.data())
    def redact(self, data: st.DataObject) -> None:
        """Take the content of a record out."""
        one = data.draw(st.sampled_from([one for one in self.entries if one.payload]))
        where = self.life.store.position
        target = Target(where.ordinal, where.lineage, one.first, one.last, ())
        self.life.run(self.upkeep.redact("ann", "asked to", [target]))
        one.payload = None

    @rule()
    def restart(self) -> None:
        """End a life in order, and begin the next."""
        self.end()
        self.compare()
        self.begin()

    @rule()
    def crash(self) -> None:
        """Go on with the disk as it is now, as after kill -9 at a moment when nothing waits."""
        copy = self.copied("crashed")
        self.end()
        put_back(copy, self.data_dir)
        shutil.rmtree(copy)
        self.compare()
        self.begin()

    @invariant()
    def cursors_stand_behind_what_sinks_got(self) -> None:
        """Whatever a cursor has passed and still has content, its sink was given."""
        for name in SINKS:
            owed = {
                one.first
                for one in self.entries
                if one.payload is not None and one.last <= self.passed[name]
            }
            assert owed <= self.given[name], f"{name} never got {sorted(owed - self.given[name])}"

    def payload(self, size: int) -> bytes:
        """Return bytes that were not sent before."""
        self.made += 1
        return self.made.to_bytes(4) + bytes(size)

    def acked(self, receipt: Receipt, payload: bytes) -> None:
        """Note what a receipt promises."""
        assert not self.entries or receipt.first_lsn > self.entries[-1].last
        self.entries.append(Entry(receipt.first_lsn, receipt.last_lsn, payload))

    def copied(self, name: str) -> Path:
        """Return a copy of the store as it is on disk."""
        ignore = shutil.ignore_patterns("spare.mdb*")
        return Path(shutil.copytree(self.data_dir, self.root / name, ignore=ignore))

    def end(self) -> None:
        """End a life, once."""
        if self.living:
            self.living = False
            self.upkeep.close()
            self.life.close()

    def compare(self) -> None:
        """Read the journal whole, and hold it against the list."""
        found = read_all(self.data_dir, self.start)
        if self.trimmed_to:
            first = found.pop(0)
            assert isinstance(first, Gap)
            assert (first.first, first.last, first.reason) == (1, self.trimmed_to, "trimmed")
        records = [one for one in found if isinstance(one, Record)]
        assert records == found
        spans = [one for one in records if one.header.kind is Kind.SPANS]
        assert [
            Entry(one.header.first_lsn, one.header.last_lsn, one.payload) for one in spans
        ] == self.entries
        expected = self.trimmed_to + 1
        for one in records:
            assert one.header.first_lsn == expected
            expected = one.header.last_lsn + 1
        gone = [one for one in self.entries if one.payload is None]
        told = {one.header.kind for one in records}
        assert not gone or Kind.REDACT in told

    def teardown(self) -> None:
        """End the last life, compare, and leave nothing behind."""
        try:
            self.end()
            self.compare()
        finally:
            shutil.rmtree(self.root)
