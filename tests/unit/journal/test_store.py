"""The store as its doors use it: receipts for what is durable, refusals that ack nothing."""

import asyncio
from pathlib import Path

import pytest

from sidespand.errors import (
    JournalFailed,
    OutOfOrder,
    PermissionRefused,
    SidespanError,
    Unavailable,
)
from sidespand.journal import store as store_module
from sidespand.journal.layout import Layout
from sidespand.limits import COMMIT_FAILURES_MAX, KIB, MIB, SEGMENT_BYTES_MIN
from sidespand.model import Admitted, Kind, Position, Receipt
from sidespand.token import decode
from tests.clocks import ManualClock
from tests.daemon import wait_until
from tests.unit.journal.faults import file_size_limit
from tests.unit.journal.lives import Life, living, payloads, records, segment_files
from tests.unit.journal.making import INSTANCE, OTHER_PEER, PEER, content, step


def test_a_receipt_says_where_the_records_lie(tmp_path: Path) -> None:
    """First and last LSN, the last item's HLC and a token of the last record's leaf."""
    with living(tmp_path) as life:
        receipt = life.append(content(b"one", 3), content(b"two", 2))
        head = life.store.head
        assert life.store.newest_token() == receipt.token
    one, two = (found for found in records(tmp_path) if not found.header.kind.is_control)
    assert (one.header.first_lsn, two.header.last_lsn) == (receipt.first_lsn, receipt.last_lsn)
    token = decode(receipt.token)
    assert token is not None
    assert (token.lineage, token.lsn) == (head.lineage, receipt.last_lsn)
    assert token.stamp == receipt.stamp == head.stamp
    assert token.tag == two.leaf[:16]


def test_requests_become_durable_in_the_order_of_their_append(tmp_path: Path) -> None:
    """What is handed over at once keeps its order."""
    with living(tmp_path) as life:
        outcomes = life.append_all([([content(b"%03d" % number)], None) for number in range(200)])
    lsns = [one.first_lsn for one in outcomes if isinstance(one, Receipt)]
    assert lsns == list(range(4, 204))
    assert payloads(tmp_path) == [b"%03d" % number for number in range(200)]


def test_the_committed_position_is_reported_after_each_group(tmp_path: Path) -> None:
    """The worker learns how far it may read."""
    with living(tmp_path) as life:
        receipt = life.append(content(b"one", 3))
        head = life.store.head
        assert life.positions == [Position(1, head.lineage, receipt.last_lsn)]
        assert life.store.position == life.positions[-1]


def test_nothing_to_store_is_answered_with_the_newest_token(tmp_path: Path) -> None:
    """An empty request writes nothing, and tells the sender where the node is."""
    with living(tmp_path) as life:
        receipt = life.append()
        assert (receipt.first_lsn, receipt.last_lsn) == (0, 0)
        assert receipt.token == life.store.newest_token()
        assert receipt.stamp == life.store.head.stamp
    assert len(records(tmp_path)) == 2


def test_a_step_without_content_is_durable_in_its_own_right(tmp_path: Path) -> None:
    """Its seq is used up over a restart, no LSN is."""
    with living(tmp_path) as life:
        before = life.store.head.next_lsn
        receipt = life.append(step=step(1))
        assert (receipt.first_lsn, receipt.last_lsn) == (0, 0)
        assert receipt.token == life.store.newest_token()
        assert life.store.head.next_lsn == before
    with living(tmp_path) as life:
        assert life.store.last_seq(INSTANCE, 1000) == 1
        assert life.append(content(), step=step(1)).duplicate


def test_a_step_is_in_the_journal_once_over_restarts_and_rolls(tmp_path: Path) -> None:
    """Sent again in a later life or after a roll, it gets the receipt of the first time."""
    with living(tmp_path) as life:
        original = life.append(content(b"once", 2), step=step(1))
        life.append(content(bytes(SEGMENT_BYTES_MIN)))
        life.append(content(b"roll"))
        again = life.append(content(b"once", 2), step=step(1))
        assert len(segment_files(tmp_path)) == 2
    with living(tmp_path) as life:
        later = life.append(content(b"once", 2), step=step(1))
    for one in (again, later):
        assert one.duplicate
        assert (one.first_lsn, one.last_lsn, one.stamp, one.token) == (
            original.first_lsn,
            original.last_lsn,
            original.stamp,
            original.token,
        )
    assert payloads(tmp_path).count(b"once") == 1


def test_sessions_are_bound_and_ordered(tmp_path: Path) -> None:
    """The store refuses another uid and a gap, and says how far an instance is."""
    with living(tmp_path) as life:
        assert life.store.last_seq(INSTANCE, 1000) == 0
        life.append(content(), step=step(1))
        with pytest.raises(OutOfOrder):
            life.append(content(), step=step(3))
        with pytest.raises(PermissionRefused):
            life.append(content(), step=step(2, uid=1001))
        with pytest.raises(PermissionRefused):
            life.store.last_seq(INSTANCE, 1001)
        assert life.store.last_seq(INSTANCE, 1000) == life.store.last_seq(INSTANCE, None) == 1


def test_an_instance_that_the_store_forgot_goes_on(tmp_path: Path) -> None:
    """It continues behind what it was acknowledged."""
    with living(tmp_path) as life:
        receipt = life.append(content(), step=step(8, acked_seq=7))
        assert not receipt.duplicate
        assert life.store.last_seq(INSTANCE, 1000) == 8


def test_producers_are_introduced_once_a_generation(tmp_path: Path) -> None:
    """Each life names its producers anew, before their first record."""
    for _ in range(2):
        with living(tmp_path) as life:
            life.append(content(b"a"))
            life.append(content(b"b"))
            life.append(content(b"c"), peer=OTHER_PEER)
    kinds = [one.header.kind for one in records(tmp_path)]
    life_kinds = [Kind.GEN, Kind.SESSION, Kind.SPANS, Kind.SPANS, Kind.SESSION, Kind.SPANS]
    assert kinds == [Kind.LINEAGE, *life_kinds, *life_kinds]


def test_segments_roll_and_the_log_runs_on(tmp_path: Path) -> None:
    """Over many small segments LSN, index and HLC run on, and every segment is registered."""
    clock = ManualClock()
    sent = [bytes([number]) * 400_000 for number in range(12)]
    for half in (sent[:6], sent[6:]):
        with living(tmp_path, clock) as life:
            for payload in half:
                life.append(content(payload))
                clock.step_wall(-1)
    found = records(tmp_path)
    assert [one.header.record_index for one in found] == list(range(len(found)))
    stamps = [one.header.stamp for one in found]
    assert stamps == sorted(set(stamps))
    assert payloads(tmp_path) == sent
    manifest = Layout(tmp_path).read_manifest()
    assert manifest is not None
    assert list(manifest.segments) == Layout(tmp_path).segments()
    assert len(manifest.segments) > 3


def test_no_spare_is_left_behind(tmp_path: Path) -> None:
    """A closed store holds its segments, the manifest and the lock, nothing else."""
    with living(tmp_path) as life:
        life.append(content())
        wait_until((tmp_path / "seg/spare.mdb").exists, 10, "the spare")
    (one,) = segment_files(tmp_path)
    files = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {"STORE.json", "LOCK", one.name, one.name + "-lock"}


class TestFailedCommits:
    """A disk that refuses writes for real: nobody is acked, and nothing that was acked goes."""

    @pytest.mark.fault(7)
    def test_the_next_group_goes_on_in_a_new_segment(self, tmp_path: Path) -> None:
        """After the failure the log continues at the same LSN, also for later lives."""
        with living(tmp_path) as life:
            kept = life.append(content(b"kept"), step=step(1))
            with file_size_limit(16 * KIB):
                with pytest.raises(JournalFailed) as caught:
                    life.append(content(bytes(MIB), 7), step=step(2))
                assert caught.value.retryable
            assert life.store.head.last_lsn == kept.last_lsn
            assert life.store.newest_token() == kept.token
            again = life.append(content(b"again", 7), step=step(2))
            assert not again.duplicate
            assert again.first_lsn == kept.last_lsn + 1
            assert life.fatal == []
        assert len(segment_files(tmp_path)) == 2
        with living(tmp_path) as life:
            assert life.append(content(b"again", 7), step=step(2)).duplicate
            life.append(content(b"later"))
        assert payloads(tmp_path) == [b"kept", b"again", b"later"]

    @pytest.mark.fault(8)
    def test_a_row_of_failures_is_fatal(self, tmp_path: Path) -> None:
        """A disk that stays broken ends the process; repaired, it holds all that was acked."""
        life = Life(tmp_path)
        life.append(content(b"kept"))
        with file_size_limit(16 * KIB):
            for _ in range(COMMIT_FAILURES_MAX + 1):
                with pytest.raises(SidespanError):
                    life.append(content(bytes(MIB)))
        assert len(life.fatal) == 1
        life.close()
        with living(tmp_path) as life:
            life.append(content(b"later"))
        assert payloads(tmp_path) == [b"kept", b"later"]

    def test_a_life_that_ends_after_a_failure_is_not_clean(self, tmp_path: Path) -> None:
        """Whatever the failed commit left on disk, the store opens and says it was not clean."""
        with living(tmp_path) as life:
            life.append(content(b"kept"))
            with file_size_limit(16 * KIB), pytest.raises(JournalFailed):
                life.append(content(bytes(MIB)))
        with living(tmp_path):
            pass
        assert payloads(tmp_path) == [b"kept"]


class TestBackPressure:
    """What the store does not take."""

    def test_bytes_that_wait_for_the_disk_are_bounded(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Beyond the bound senders are told to come back; the figure returns to zero."""
        monkeypatch.setattr(store_module, "INFLIGHT_BYTES_MAX", 1000)
        with living(tmp_path) as life:
            outcomes = life.append_all([([content(bytes(400))], None) for _ in range(4)])
            assert [type(one) for one in outcomes] == [Receipt, Receipt, Unavailable, Unavailable]
            assert life.store.inflight_bytes == 0
            assert isinstance(life.append(content(bytes(900))), Receipt)

    def test_one_request_over_the_bound_is_taken_alone(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The bound is of what waits together; it is no second limit on one request."""
        monkeypatch.setattr(store_module, "INFLIGHT_BYTES_MAX", 1000)
        with living(tmp_path) as life:
            assert isinstance(life.append(content(bytes(2000))), Receipt)

    def test_a_store_that_is_closed_takes_nothing(self, tmp_path: Path) -> None:
        """A late request is refused as unavailable."""
        life = Life(tmp_path)

        async def late() -> None:
            with pytest.raises(Unavailable, match="stopping"):
                await life.store.append(Admitted((content(),)), PEER)

        life.store.close()
        life._loop.run_until_complete(late())
        life._loop.close()


def test_closing_answers_what_was_taken(tmp_path: Path) -> None:
    """Requests that waited when the store closed are durable, and their senders are told."""
    life = Life(tmp_path)

    async def scenario() -> list[Receipt]:
        futures = [life.store.append(Admitted((content(b"x"),)), PEER) for _ in range(50)]
        life.store.close()
        return await asyncio.gather(*futures)

    receipts = life._loop.run_until_complete(scenario())
    life._loop.close()
    assert len({one.last_lsn for one in receipts}) == 50
    assert len(payloads(tmp_path)) == 50


def test_a_sender_that_went_away_disturbs_nobody(tmp_path: Path) -> None:
    """A cancelled wait does not undo the request, and the others get their answers."""
    life = Life(tmp_path)

    async def scenario() -> Receipt:
        gone = life.store.append(Admitted((content(b"gone"),)), PEER)
        waiting = life.store.append(Admitted((content(b"here"),)), PEER)
        gone.cancel()
        return await waiting

    receipt = life._loop.run_until_complete(scenario())
    assert life.store.inflight_bytes == 0
    life.close()
    assert receipt.last_lsn == 5
    assert payloads(tmp_path) == [b"gone", b"here"]
