"""The journal against a plain list: whatever happens in whatever order, it holds what was acked.

The list knows of requests, steps, restarts, crashes, failed commits and clocks that step; it knows
nothing of segments, groups or heads. After every life the journal is read whole and compared.
"""

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sidespand.errors import OutOfOrder, SidespanError
from sidespand.limits import KIB, MIB, SEGMENT_BYTES_MIN
from sidespand.model import Kind, Receipt, SessionStep
from tests.clocks import ManualClock
from tests.unit.journal.copies import put_back
from tests.unit.journal.faults import file_size_limit
from tests.unit.journal.lives import Life, records, segment_files
from tests.unit.journal.making import content

INSTANCES = [bytes([number]) * 16 for number in range(3)]
SMALL_BYTES = 40
LARGE_BYTES = SEGMENT_BYTES_MIN // 2


class JournalModel(RuleBasedStateMachine):
    """One store through many lives."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="sidespan-model-"))
        self.data_dir = self.root / "store"
        self.clock = ManualClock()
        self.generation = 1
        self.stored: list[tuple[int, int, bytes]] = []
        self.last_seq = dict.fromkeys(INSTANCES, 0)
        self.last_receipt: dict[bytes, Receipt] = {}
        self.newest: Receipt | None = None
        self.made = 0
        self.life: Life

    @initialize()
    def open(self) -> None:
        """Begin the first life."""
        self.life = Life(self.data_dir, self.clock)

    @rule(
        items=st.integers(1, 5),
        size=st.sampled_from([1, SMALL_BYTES, LARGE_BYTES]),
        requests=st.integers(1, 4),
    )
    def append(self, items: int, size: int, requests: int) -> None:
        """Store some requests at once."""
        sent = [self.payload(size) for _ in range(requests)]
        outcomes = self.life.append_all([([content(one, items)], None) for one in sent])
        for payload, outcome in zip(sent, outcomes, strict=True):
            assert isinstance(outcome, Receipt)
            self.acked(outcome, payload, items)

    @rule(instance=st.sampled_from(INSTANCES), items=st.integers(0, 3))
    def step(self, instance: bytes, items: int) -> None:
        """Store the next step of a session, with or without content."""
        payload = self.payload(SMALL_BYTES)
        contents = [content(payload, items)] if items else []
        seq = self.last_seq[instance] + 1
        receipt = self.life.append(*contents, step=SessionStep(instance, seq, 0, 1000))
        assert not receipt.duplicate
        self.last_seq[instance] = seq
        self.last_receipt[instance] = receipt
        if items:
            self.acked(receipt, payload, items)
        else:
            assert (receipt.first_lsn, receipt.last_lsn) == (0, 0)

    @rule(instance=st.sampled_from(INSTANCES))
    def repeat(self, instance: bytes) -> None:
        """Send the last step once more: it is told what it was told."""
        seq = self.last_seq[instance]
        if not seq:
            return
        again = self.life.append(content(b"again"), step=SessionStep(instance, seq, 0, 1000))
        original = self.last_receipt[instance]
        assert again.duplicate
        assert (again.first_lsn, again.last_lsn) == (original.first_lsn, original.last_lsn)
        if original.last_lsn:
            assert (again.stamp, again.token) == (original.stamp, original.token)

    @rule(instance=st.sampled_from(INSTANCES))
    def skip(self, instance: bytes) -> None:
        """Send a step too early: it is refused and changes nothing."""
        step = SessionStep(instance, self.last_seq[instance] + 2, 0, 1000)
        with pytest.raises(OutOfOrder):
            self.life.append(content(b"early"), step=step)

    @rule(instance=st.sampled_from(INSTANCES))
    def fail(self, instance: bytes) -> None:
        """Let the disk refuse a commit for real: nobody is told of anything."""
        step = SessionStep(instance, self.last_seq[instance] + 1, 0, 1000)
        with file_size_limit(16 * KIB), pytest.raises(SidespanError) as caught:
            self.life.append(content(bytes(2 * MIB), 3), step=step)
        assert caught.value.retryable

    @rule(seconds=st.sampled_from([0.001, 1.0, 3601.0]))
    def wait(self, seconds: float) -> None:
        """Let time pass, at times more than a segment's age."""
        self.clock.pass_time(seconds)

    @rule(seconds=st.sampled_from([-3600.0, -0.001, 0.5, 1e6]))
    def set_clock(self, seconds: float) -> None:
        """Step the wall clock."""
        self.clock.step_wall(seconds)

    @rule()
    def restart(self) -> None:
        """End a life in order, and begin the next."""
        self.life.close()
        self.compare()
        self.open_again()

    @rule()
    def crash(self) -> None:
        """Go on with the disk as it is now, as after kill -9 at a moment when nothing waits."""
        copy = self.root / str(self.generation)
        # The spare is in the making, and is made anew in any case.
        shutil.copytree(self.data_dir, copy, ignore=shutil.ignore_patterns("spare.mdb*"))
        self.life.close()
        put_back(copy, self.data_dir)
        shutil.rmtree(copy)
        self.compare()
        self.open_again()

    @precondition(lambda self: len(self.stored) > 0)
    @invariant()
    def the_newest_receipt_is_the_tail(self) -> None:
        """The store's newest token is that of the newest record."""
        assert self.newest is not None
        if self.life.store.head.last_lsn == self.newest.last_lsn:
            assert self.life.store.newest_token() == self.newest.token

    def payload(self, size: int) -> bytes:
        """Return bytes that were not sent before."""
        self.made += 1
        return self.made.to_bytes(4) + bytes(size)

    def acked(self, receipt: Receipt, payload: bytes, items: int) -> None:
        """Note in the list what a receipt promises."""
        assert receipt.last_lsn - receipt.first_lsn == items - 1
        assert not self.stored or receipt.first_lsn > self.stored[-1][1]
        self.stored.append((receipt.first_lsn, receipt.last_lsn, payload))
        self.newest = receipt

    def open_again(self) -> None:
        """Begin a life, which knows what the last one acknowledged."""
        self.life = Life(self.data_dir, self.clock)
        self.generation += 1
        assert self.life.store.head.boot_generation == self.generation
        for instance, seq in self.last_seq.items():
            assert self.life.store.last_seq(instance, 1000) == seq

    def compare(self) -> None:
        """Read the journal whole, and hold it against the list."""
        found = records(self.data_dir)
        data = [one for one in found if not one.header.kind.is_control]
        assert [
            (one.header.first_lsn, one.header.last_lsn, one.payload) for one in data
        ] == self.stored
        assert [one.header.record_index for one in found] == list(range(len(found)))
        expected_lsn = 1
        for one in found:
            assert one.header.first_lsn == expected_lsn
            expected_lsn = one.header.last_lsn + 1
        stamps = [one.header.stamp for one in found]
        assert stamps == sorted(set(stamps))
        generations = [one.header.boot_generation for one in found if one.header.kind == Kind.GEN]
        assert generations == list(range(1, self.generation + 1))

    def teardown(self) -> None:
        """End the last life, compare, and leave nothing behind."""
        try:
            self.life.close()
            self.compare()
            assert segment_files(self.data_dir)
        finally:
            shutil.rmtree(self.root)


class LongJournalModel(JournalModel):
    """The same, for longer."""


TestJournalModel = pytest.mark.slow(JournalModel.TestCase)
TestJournalModel.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
TestLongJournalModel = pytest.mark.long(LongJournalModel.TestCase)
TestLongJournalModel.settings = settings(max_examples=500, stateful_step_count=50, deadline=None)
