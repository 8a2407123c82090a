"""The write thread: groups, rolls and failures, with segments that fail when the test says so."""

import errno
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import cast

import pytest

from sidespand.errors import JournalFailed, Refused, Unavailable
from sidespand.journal import keys
from sidespand.journal.group import Group, Pending
from sidespand.journal.open_spans import OpenSpans
from sidespand.journal.segment import CommitFailed, SegmentFull, SegmentWriter
from sidespand.journal.sessions import Sessions
from sidespand.journal.state import Head, decode_head, decode_session
from sidespand.journal.writer import JournalWriter
from sidespand.limits import (
    COMMIT_FAILURES_MAX,
    GROUP_BYTES_MAX,
    GROUP_RECORDS_MAX,
    PRODUCERS_MAX,
    SESSIONS_MAX,
)
from sidespand.model import Kind, Peer, Receipt
from tests.clocks import ManualClock
from tests.daemon import wait_until
from tests.unit.journal.making import (
    INSTANCE,
    content,
    decoded,
    empty_head,
    pending,
    step,
)
from tests.unit.journal.test_sessions import row

SEGMENT_BYTES = 1000
GENERATION_ROW = (keys.generation_key(1), b"the running generation")
Rows = Mapping[bytes, bytes | None]


class Segment:
    """A segment in memory: each commit is kept, or fails as scripted."""

    def __init__(self, failures: Sequence[Exception | None] = ()) -> None:
        self.commits: list[tuple[list[tuple[bytes, bytes]], Rows]] = []
        self.failures = list(failures)
        self.checks = 0
        self.closed = False
        self.used_bytes = 0

    def commit(self, records: list[tuple[bytes, bytes]], rows: Rows) -> int:
        """Keep a transaction."""
        assert not self.closed
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise failure
        self.commits.append((list(records), dict(rows)))
        self.used_bytes += sum(len(value) for _, value in records)
        return self.used_bytes

    def check_readers(self) -> int:
        """Count it."""
        self.checks += 1
        return 0

    def close(self) -> None:
        """Take nothing more."""
        self.closed = True

    @property
    def lsns(self) -> list[int]:
        """The LSNs of its records."""
        return [keys.parse_record_key(key) for records, _ in self.commits for key, _ in records]


class Journal:
    """A writer, the segments it was given, and what it reported."""

    def __init__(self, *segments: Segment, segment_age_s: float = 3600.0) -> None:
        self.clock = ManualClock()
        self.segments = list(segments) or [Segment()]
        self.opened = [self.segments[0]]
        self.births: list[int] = []
        self.birth_failures: list[OSError | None] = []
        self.roll_failures: list[OSError | None] = []
        self.reports: list[tuple[Group, Head]] = []
        self.fatal: list[Exception] = []
        self.sessions = Sessions({})
        self.writer = JournalWriter(
            segment=cast("SegmentWriter", self.segments[0]),
            head=empty_head(),
            sessions=self.sessions,
            open_spans=OpenSpans(()),
            roll=self,
            clock=self.clock,
            segment_bytes=SEGMENT_BYTES,
            segment_age_s=segment_age_s,
            generation_row=GENERATION_ROW,
            report=lambda group, head: self.reports.append((group, head)),
            fatal=self.fatal.append,
        )
        self._started = False

    def next_segment(self) -> SegmentWriter:
        """Hand over the next segment; see ``writer.SegmentRoll``."""
        failure = self.roll_failures.pop(0) if self.roll_failures else None
        if failure is not None:
            raise failure
        if len(self.opened) == len(self.segments):
            self.segments.append(Segment())
        self.opened.append(self.segments[len(self.opened)])
        return cast("SegmentWriter", self.opened[-1])

    def born(self, segment: SegmentWriter, first_lsn: int) -> None:
        """Note a registration; see ``writer.SegmentRoll``."""
        failure = self.birth_failures.pop(0) if self.birth_failures else None
        if failure is not None:
            raise failure
        assert segment is cast("SegmentWriter", self.opened[-1])
        self.births.append(first_lsn)

    def write(self, *members: Pending) -> list[Receipt | Refused]:
        """Hand requests over and wait until each was reported."""
        reported = len(self.outcomes)
        for member in members:
            self.writer.submit(member)
        if not self._started:
            self._started = True
            self.writer.start()
        wait_until(lambda: len(self.outcomes) >= reported + len(members), 10, "the reports")
        return self.outcomes[reported:]

    def one(self, payload: bytes = b"x") -> Pending:
        """Return a request of one record."""
        return pending([content(payload)], self.clock)

    @property
    def rolls(self) -> int:
        """How many segments were asked for and given."""
        return len(self.opened) - 1

    @property
    def outcomes(self) -> list[Receipt | Refused]:
        """What every request was told, in order."""
        return [outcome for group, _ in list(self.reports) for _, outcome in group.outcomes]


Ended = Callable[[Journal], Journal]


@pytest.fixture
def ended() -> Iterator[Ended]:
    """Yield a function that has a journal closed at the end."""
    journals: list[Journal] = []

    def register(journal: Journal) -> Journal:
        journals.append(journal)
        return journal

    yield register
    for journal in journals:
        journal.writer.close()


def receipt(outcome: Receipt | Refused) -> Receipt:
    """Return what must be a receipt."""
    assert isinstance(outcome, Receipt), outcome
    return outcome


def test_what_waits_together_commits_together(ended: Ended) -> None:
    """Requests that queued up share one transaction and one report."""
    journal = ended(Journal())
    told = journal.write(*(journal.one(b"%d" % number) for number in range(5)))
    assert [receipt(one).last_lsn for one in told] == [2, 3, 4, 5, 6]
    assert len(journal.segments[0].commits) == 1
    assert len(journal.reports) == 1
    assert journal.reports[0][1].last_lsn == 6


def test_a_group_is_bounded_by_bytes(ended: Ended) -> None:
    """The request that reaches the bound is the group's last."""
    journal = ended(Journal())
    half = bytes(GROUP_BYTES_MAX // 2)
    journal.write(*(journal.one(half) for _ in range(4)))
    assert [len(group.outcomes) for group, _ in journal.reports] == [2, 2]


def test_a_group_is_bounded_by_requests(ended: Ended) -> None:
    """More requests than fit are the next group's."""
    journal = ended(Journal())
    request = journal.one()
    journal.write(*(request for _ in range(GROUP_RECORDS_MAX + 1)))
    assert [len(group.outcomes) for group, _ in journal.reports] == [GROUP_RECORDS_MAX, 1]


def test_a_request_over_the_group_s_bound_commits_alone(ended: Ended) -> None:
    """A large request is not refused, it is a group of its own."""
    journal = ended(Journal())
    journal.write(journal.one(bytes(GROUP_BYTES_MAX + 1)), journal.one())
    assert [len(group.outcomes) for group, _ in journal.reports] == [1, 1]


def test_the_commit_carries_the_head(ended: Ended) -> None:
    """Records and the head after them are one transaction."""
    journal = ended(Journal())
    journal.write(journal.one())
    records, rows = journal.segments[0].commits[0]
    assert decode_head(rows[keys.HEAD] or b"") == journal.reports[0][1]
    assert [keys.parse_record_key(key) for key, _ in records] == [1, 2]


def test_nothing_to_write_commits_nothing(ended: Ended) -> None:
    """A group of repeated steps is answered without a transaction."""
    journal = ended(Journal())
    first = pending([content()], journal.clock, step=step(1))
    (original,) = journal.write(first)
    (repeated,) = journal.write(first)
    assert receipt(repeated).duplicate
    assert receipt(repeated).last_lsn == receipt(original).last_lsn
    assert len(journal.segments[0].commits) == 1


class TestRolling:
    """When the next segment begins, and what it begins with."""

    def test_by_size(self, ended: Ended) -> None:
        """The commit that fills a segment is its last; the next one starts a new segment."""
        journal = ended(Journal())
        journal.write(journal.one(bytes(SEGMENT_BYTES)))
        assert journal.writer.fill() > 1.0
        journal.write(journal.one())
        assert journal.births == [3]
        assert journal.segments[0].closed
        assert journal.segments[1].lsns == [3]
        assert journal.writer.fill() < 1.0

    def test_by_age(self, ended: Ended) -> None:
        """A segment that was written for longer than its age is closed at the next record."""
        journal = ended(Journal(segment_age_s=60.0))
        journal.write(journal.one())
        journal.clock.pass_time(60)
        journal.write(journal.one())
        assert journal.rolls == 0
        journal.clock.pass_time(0.001)
        journal.write(journal.one())
        assert journal.births == [4]
        journal.write(journal.one())
        assert journal.births == [4]

    @pytest.mark.fault(41)
    def test_a_wall_that_jumps_rolls_nothing(self, ended: Ended) -> None:
        """Age is measured by time since boot."""
        journal = ended(Journal(segment_age_s=60.0))
        journal.write(journal.one())
        journal.clock.step_wall(10**6)
        journal.write(journal.one())
        assert journal.rolls == 0

    def test_steps_without_content_do_not_begin_a_segment(self, ended: Ended) -> None:
        """A segment is named for its first record, so it waits for one."""
        journal = ended(Journal(segment_age_s=60.0))
        journal.write(journal.one())
        journal.clock.pass_time(61)
        journal.write(pending([], journal.clock, step=step(1)))
        assert journal.rolls == 0
        journal.write(pending([content()], journal.clock, step=step(2)))
        assert journal.births == [3]

    @pytest.mark.fault(16)
    def test_a_full_map_rolls_and_the_same_group_goes_on(self, ended: Ended) -> None:
        """Nothing of it was written, so nobody is refused and no LSN is skipped."""
        journal = ended(Journal(Segment([SegmentFull("full")])))
        told = journal.write(journal.one(b"a"), journal.one(b"b"))
        assert [receipt(one).last_lsn for one in told] == [2, 3]
        assert journal.births == [1]
        assert journal.segments[1].lsns == [1, 2, 3]
        assert journal.fatal == []

    @pytest.mark.fault(16)
    def test_a_group_that_fits_no_segment_is_refused_once(self, ended: Ended) -> None:
        """It is not tried in one new segment after another, and the next request is taken."""
        journal = ended(Journal(Segment([SegmentFull("full")]), Segment([SegmentFull("full")])))
        (told,) = journal.write(journal.one())
        assert isinstance(told, JournalFailed)
        (after,) = journal.write(journal.one())
        assert receipt(after).last_lsn == 2
        assert journal.rolls == 2

    def test_the_first_commit_carries_the_state(self, ended: Ended) -> None:
        """A new segment begins with every session's row, the generation's and the head."""
        journal = ended(Journal())
        journal.write(pending([content(bytes(SEGMENT_BYTES))], journal.clock, step=step(1)))
        journal.write(journal.one())
        _, rows = journal.segments[1].commits[0]
        assert rows.keys() == {
            keys.HEAD,
            keys.BASE,
            keys.session_key(INSTANCE),
            GENERATION_ROW[0],
        }
        base, head = (decode_head(rows[key]) for key in (keys.BASE, keys.HEAD))
        assert base.record_count < head.record_count
        assert rows[GENERATION_ROW[0]] == GENERATION_ROW[1]
        assert decode_session(rows[keys.session_key(INSTANCE)] or b"").last_seq == 1
        journal.write(journal.one())
        assert journal.segments[1].commits[1][1].keys() == {keys.HEAD}

    def test_nobody_is_told_before_the_segment_is_registered(self, ended: Ended) -> None:
        """A registration that fails refuses the group, and a new segment takes the place."""
        journal = ended(Journal())
        journal.write(journal.one(bytes(SEGMENT_BYTES)))
        journal.birth_failures = [OSError(errno.ENOSPC, "No space left on device")]
        (refused,) = journal.write(journal.one(b"lost"))
        assert isinstance(refused, Unavailable)
        assert "No space left" in str(refused)
        (told,) = journal.write(journal.one(b"kept"))
        assert receipt(told).last_lsn == 3
        assert journal.rolls == 2
        assert journal.births == [3]
        assert journal.segments[1].closed
        (kept,) = decoded(journal.segments[2].commits[0][0])
        assert kept.payload == b"kept"

    def test_no_room_for_a_segment_refuses_for_now(self, ended: Ended) -> None:
        """The group is refused as unavailable, nothing is lost, and the next try rolls."""
        journal = ended(Journal())
        journal.write(journal.one(bytes(SEGMENT_BYTES)))
        full = OSError(errno.ENOSPC, "No space left on device")
        journal.roll_failures = [full] * (COMMIT_FAILURES_MAX + 1)
        told = [journal.write(journal.one())[0] for _ in range(COMMIT_FAILURES_MAX + 2)]
        assert [type(one) for one in told] == [Unavailable] * (COMMIT_FAILURES_MAX + 1) + [Receipt]
        assert "No space left" in str(told[0])
        assert journal.fatal == []
        assert journal.births == [3]

    def test_a_disk_that_makes_no_segment_for_another_reason_is_given_up(
        self, ended: Ended
    ) -> None:
        """Waiting for room does not help where the disk itself fails."""
        journal = ended(Journal())
        journal.write(journal.one(bytes(SEGMENT_BYTES)))
        journal.roll_failures = [OSError(errno.EIO, "Input/output error")] * COMMIT_FAILURES_MAX
        told = [journal.write(journal.one())[0] for _ in range(COMMIT_FAILURES_MAX)]
        assert [type(one) for one in told] == [JournalFailed] * COMMIT_FAILURES_MAX
        assert len(journal.fatal) == 1


class TestFailing:
    """A failed commit acks nobody, advances nothing, and is never tried again in its segment."""

    def test_nobody_in_the_group_is_told_of_a_record(self, ended: Ended) -> None:
        """Everyone gets the same retryable error; the LSNs go to the next group."""
        journal = ended(Journal(Segment([CommitFailed("EIO")])))
        told = journal.write(journal.one(b"a"), journal.one(b"b"))
        assert [type(one) for one in told] == [JournalFailed, JournalFailed]
        assert all(isinstance(one, Refused) and one.retryable for one in told)
        assert journal.reports[-1][1].last_lsn == 0
        (after,) = journal.write(journal.one(b"c"))
        assert receipt(after).first_lsn == 2
        assert journal.births == [1]
        assert journal.segments[0].lsns == []
        assert journal.segments[1].lsns == [1, 2]

    def test_steps_and_producers_of_the_group_are_forgotten(self, ended: Ended) -> None:
        """The client may send its step again, and it is introduced again."""
        journal = ended(Journal(Segment([CommitFailed("EIO")])))
        first = pending([content()], journal.clock, step=step(1))
        journal.write(first)
        (again,) = journal.write(first)
        assert not receipt(again).duplicate
        kinds = [one.header.kind for one in decoded(journal.segments[1].commits[0][0])]
        assert kinds == [Kind.SESSION, Kind.SPANS]

    def test_a_new_segment_s_first_commit_may_fail_too(self, ended: Ended) -> None:
        """The next try starts another segment at the same LSN, with the whole state again."""
        journal = ended(Journal(Segment([CommitFailed("EIO")]), Segment([CommitFailed("EIO")])))
        for _ in range(2):
            journal.write(journal.one())
        (told,) = journal.write(journal.one())
        assert receipt(told).first_lsn == 2
        assert journal.rolls == 2
        assert journal.births == [1]
        assert GENERATION_ROW[0] in journal.segments[2].commits[0][1]

    def test_the_process_is_given_up_after_a_row_of_failures(self, ended: Ended) -> None:
        """Once, at the stated number; a success in between starts the count anew."""
        failing = [Segment([CommitFailed("EIO")]) for _ in range(COMMIT_FAILURES_MAX + 1)]
        journal = ended(Journal(Segment([CommitFailed("EIO")]), Segment(), *failing))
        journal.write(journal.one())
        journal.write(journal.one(bytes(SEGMENT_BYTES)))
        for number in range(COMMIT_FAILURES_MAX + 1):
            assert len(journal.fatal) == (number >= COMMIT_FAILURES_MAX)
            journal.write(journal.one())
        assert len(journal.fatal) == 1

    def test_an_error_that_nobody_foresaw_is_a_failed_commit(
        self, ended: Ended, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The thread lives on: were it to end, every sender would wait for ever."""
        journal = ended(Journal(Segment([RuntimeError("a defect")])))
        (told,) = journal.write(journal.one())
        assert isinstance(told, JournalFailed)
        assert "a defect" in caplog.text
        assert "Traceback" in caplog.text
        (after,) = journal.write(journal.one())
        assert receipt(after).last_lsn == 2

    def test_a_request_that_cannot_be_stamped_does_not_end_the_thread(self, ended: Ended) -> None:
        """A value out of range is a defect of a door, and costs its own group alone."""
        journal = ended(Journal())
        bad = pending([content()], journal.clock, step=step(1, uid=2**32))
        assert isinstance(journal.write(bad)[0], JournalFailed)
        assert receipt(journal.write(journal.one())[0]).last_lsn == 2


class TestClosing:
    """The end of a life."""

    def test_what_is_queued_is_committed_and_the_end_is_clean(self) -> None:
        """Closing takes what waits, then notes the clean end, then lets go."""
        journal = Journal()
        journal.write(journal.one())
        for _ in range(3):
            journal.writer.submit(journal.one())
        journal.writer.close()
        assert len(journal.outcomes) == 4
        assert journal.segments[0].commits[-1] == ([], {keys.CLEAN: b"1"})
        assert journal.segments[0].closed

    def test_an_end_after_a_failure_is_not_clean(self) -> None:
        """A segment that may hold what nobody was told of is not written again."""
        journal = Journal(Segment([CommitFailed("EIO")]))
        journal.write(journal.one())
        journal.writer.close()
        assert journal.segments[0].commits == []
        assert journal.segments[0].closed

    def test_an_end_without_a_start_is_clean(self) -> None:
        """A store that took nothing closes as it was opened."""
        journal = Journal()
        journal.writer.close()
        assert journal.segments[0].commits == [([], {keys.CLEAN: b"1"})]

    def test_a_clean_end_that_cannot_be_noted_is_told(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        """It costs nothing that was acknowledged: closing goes on."""
        journal = Journal(Segment([None, CommitFailed("EIO")]))
        journal.write(journal.one())
        journal.writer.close()
        assert "clean end could not be noted" in caplog.text
        assert journal.segments[0].closed


def test_one_thread_touches_the_segment(ended: Ended) -> None:
    """Every transaction of a life is that of the writer's thread."""
    threads: list[str] = []

    class Watched(Segment):
        def commit(self, records: list[tuple[bytes, bytes]], rows: Rows) -> int:
            threads.append(threading.current_thread().name)
            return super().commit(records, rows)

    journal = ended(Journal(Watched()))
    journal.write(journal.one())
    journal.write(journal.one())
    assert threads == ["sidespan-writer"] * 2


def test_producers_are_bounded(ended: Ended) -> None:
    """One more than are remembered introduces the first of them again."""
    journal = ended(Journal())
    peers = [Peer("ingest", uid=0, pid=pid) for pid in range(PRODUCERS_MAX + 1)]
    for peer in peers:
        journal.writer.submit(pending([content()], journal.clock, peer=peer))
    journal.write(pending([content()], journal.clock, peer=peers[-1]))
    stored = [one for records, _ in journal.segments[0].commits for one in decoded(records)]
    before = len([one for one in stored if one.header.kind == Kind.SESSION])
    assert before == PRODUCERS_MAX + 1
    journal.write(pending([content()], journal.clock, peer=peers[0]))
    last = journal.opened[-1].commits[-1][0]
    assert [one.header.kind for one in decoded(last)] == [Kind.SESSION, Kind.SPANS]


def test_sessions_are_bounded_without_a_commit_more(ended: Ended) -> None:
    """The row that gives way is deleted in the commit that needs its room."""
    journal = ended(Journal())
    full = {number.to_bytes(16): row(1, touched_ns=number) for number in range(SESSIONS_MAX)}
    journal.sessions.update(full, ())
    journal.write(pending([content()], journal.clock, step=step(1)))
    ((_, rows),) = journal.segments[0].commits
    assert rows[keys.session_key((0).to_bytes(16))] is None
    assert len(dict(journal.sessions.all())) == SESSIONS_MAX
