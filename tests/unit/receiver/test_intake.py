"""The way in, on a real journal: what comes again, what cannot be stored, what passes last."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from sidespand.admission import CappedAdmission, MetadataAdmission, NothingAdmission, OtlpAdmission
from sidespand.errors import InvalidRequest, JournalFailed, Unavailable
from sidespand.journal.record import commit_payload
from sidespand.limits import INFLIGHT_BYTES_MAX, PLAIN_INFLIGHT_BYTES_MAX
from sidespand.model import Admitted, Content, Kind, Peer, Receipt, SessionStep
from sidespand.ports import Admission
from sidespand.receiver.hold import Hold
from sidespand.receiver.intake import Accepted, Intake
from sidespand.receiver.quota import Quota
from sidespand.receiver.repeats import Repeats
from sidespand.telemetry import Telemetry
from tests.journals import eventually, opened, records_of, run
from tests.otlp import encoded, export_request
from tests.unit.receiver.serving import SlowJournal

PEER = Peer("http", address="127.0.0.1")
USER = Peer("ingest", uid=7, pid=1)
FULL = Unavailable("the disk is full")


class Node:
    """An intake and what a test has to look at.

    Args:
        journal: What stores.
        options: Of the intake.
    """

    def __init__(self, journal: SlowJournal, admission: Admission, **options: object) -> None:
        self.journal = journal
        self.telemetry = Telemetry()
        self.intake = Intake(admission, journal, self.telemetry, **options)  # type: ignore[arg-type]

    def take(self, body: bytes, peer: Peer = PEER, step: SessionStep | None = None,
             kind: Kind = Kind.SPANS) -> asyncio.Task[Accepted]:  # fmt: skip
        """Hand a request over."""
        return asyncio.create_task(self.intake.take(((kind, body),), peer, step))

    def figure(self, name: str, **labels: str) -> float:
        """Return a metric."""
        return self.telemetry.registry.get_sample_value(name, labels) or 0.0


@asynccontextmanager
async def node(
    root: Path, admission: Admission | None = None, *, held_s: float = 0.0, **options: object
) -> AsyncIterator[Node]:
    """Yield a running one that recognises repeats."""
    async with opened(root / "data") as store:
        yield Node(
            SlowJournal(store),
            admission or OtlpAdmission(),
            **{"repeats": Repeats(60), "hold": Hold(lambda: held_s), **options},
        )


def stored(root: Path, kind: Kind = Kind.SPANS) -> list[bytes | None]:
    """Return the payloads of a store."""
    return [one.payload for one in records_of(root / "data") if one.header.kind is kind]


class TestRepeats:
    """A request that comes again without a session."""

    def test_it_gets_the_first_answer(self, tmp_path: Path) -> None:
        """The same place and token, marked as a duplicate; the journal has it once."""
        body = encoded(3)

        async def test() -> None:
            async with node(tmp_path) as it:
                first = await it.take(body)
                again = await it.take(body, Peer("grpc", address="127.0.0.1"))
                assert again.receipt.token == first.receipt.token
                assert (first.receipt.duplicate, again.receipt.duplicate) == (False, True)
                assert it.figure(
                    "sidespan_receiver_accepted_items_total", door="http", signal="spans"
                ) == 3  # fmt: skip
                assert it.figure("sidespan_receiver_repeated_requests_total", door="grpc") == 1

        run(test())
        assert stored(tmp_path) == [body]

    def test_it_joins_the_first_while_that_is_under_way(self, tmp_path: Path) -> None:
        """Both are answered when the one record is durable, even if the first sender has gone."""
        body = encoded()

        async def test() -> None:
            async with node(tmp_path) as it:
                it.journal.hold()
                first, again = it.take(body), it.take(body)
                await eventually(lambda: it.journal.held == 1, "the record to be durable")
                first.cancel()
                await asyncio.wait([first])
                third = it.take(body)
                it.journal.release()
                assert (await again).receipt.token == (await third).receipt.token

        run(test())
        assert stored(tmp_path) == [body]

    def test_another_peer_s_is_another_request(self, tmp_path: Path) -> None:
        """The same bytes of another address are stored again."""
        body = encoded()

        async def test() -> None:
            async with node(tmp_path) as it:
                await it.take(body)
                other = await it.take(body, Peer("http", address="::1"))
                assert not other.receipt.duplicate

        run(test())
        assert stored(tmp_path) == [body, body]

    def test_a_refused_part_is_told_again(self, tmp_path: Path) -> None:
        """The repeat of a partial success is one as well."""
        request = export_request(3)
        request.resource_spans[0].scope_spans[0].spans[1].span_id = b""

        async def test() -> None:
            async with node(tmp_path) as it:
                first, again = [await it.take(request.SerializeToString()) for _ in range(2)]
                assert (again.rejected_items, again.rejected_reason) == (1, first.rejected_reason)

        run(test())
        assert len(stored(tmp_path)) == 1

    def test_sessions_have_sequence_numbers_instead(self, tmp_path: Path) -> None:
        """Two steps with the same bytes are two."""
        body = encoded()

        async def test() -> None:
            async with node(tmp_path) as it:
                for seq in (1, 2):
                    step = SessionStep(bytes(16), seq, seq - 1, 7)
                    assert not (await it.take(body, USER, step)).receipt.duplicate

        run(test())
        assert stored(tmp_path) == [body, body]

    def test_it_can_be_switched_off(self, tmp_path: Path) -> None:
        """Then everything is stored that comes."""
        body = encoded()

        async def test() -> None:
            async with node(tmp_path, repeats=None) as it:
                for _ in range(2):
                    await it.take(body)

        run(test())
        assert stored(tmp_path) == [body, body]

    def test_the_payload_is_bound_by_the_hash_it_was_known_by(self, tmp_path: Path) -> None:
        """It is hashed once; what admission changed is hashed as it is stored."""
        request = export_request(2)
        whole = request.SerializeToString()
        request.resource_spans[0].scope_spans[0].spans[1].span_id = b""
        sealed: list[Content] = []

        async def test() -> None:
            async with node(tmp_path) as it:
                append = it.journal.append

                def noting(admitted: Admitted, *rest: Any) -> asyncio.Future[Receipt]:
                    sealed.extend(admitted.contents)
                    return append(admitted, *rest)

                it.journal.append = noting  # type: ignore[method-assign]
                await it.take(whole)
                await it.take(request.SerializeToString())

        run(test())
        assert [content.digest for content in sealed] == [sha256(whole).digest(), b""]
        salt = bytes(16)
        for content in sealed:
            assert commit_payload(content.payload, salt, content.digest) == commit_payload(
                content.payload, salt
            )


class TestPressure:
    """The journal cannot take it now."""

    @pytest.mark.parametrize("refusal", [FULL, JournalFailed("the commit failed")])
    def test_a_request_waits_and_is_tried_once_more(
        self, tmp_path: Path, refusal: Unavailable
    ) -> None:
        """The sender never hears of a pressure that passes; a repeat meanwhile joins it."""
        body = encoded()

        async def test() -> None:
            async with node(tmp_path, held_s=3600.0) as it:
                it.journal.refusals.append(refusal)
                first = it.take(body)
                await eventually(lambda: it.intake._hold.requests == 1, "it to be held")
                assert it.figure("sidespan_receiver_held_requests") == 1
                again = it.take(body)
                it.intake.release()
                assert (await first).receipt.token == (await again).receipt.token

        run(test())
        assert stored(tmp_path) == [body]

    def test_a_pressure_that_stays_is_told(self, tmp_path: Path) -> None:
        """After the second try; later the same request is taken."""
        body = encoded()

        async def test() -> None:
            async with node(tmp_path) as it:
                it.journal.refusals += [FULL, FULL]
                with pytest.raises(Unavailable) as refused:
                    await it.take(body)
                assert refused.value.retry_after_ms == 2000
                assert it.journal.taken == 2
                assert not (await it.take(body)).receipt.duplicate
                assert it.figure("sidespan_receiver_inflight_bytes") == 0

        run(test())
        assert stored(tmp_path) == [body]

    def test_a_session_is_told_at_once(self, tmp_path: Path) -> None:
        """Its client sends again by itself; its seq is not used up."""
        body = encoded()
        step = SessionStep(bytes(16), 1, 0, 7)

        async def test() -> None:
            async with node(tmp_path, held_s=3600.0) as it:
                it.journal.refusals.append(FULL)
                with pytest.raises(Unavailable):
                    await it.take(body, USER, step)
                assert (await it.take(body, USER, step)).receipt.first_lsn

        run(test())
        assert stored(tmp_path) == [body]

    def test_who_does_not_fit_is_told_at_once(self, tmp_path: Path) -> None:
        """A node under pressure holds no more than it has room for."""

        async def test() -> None:
            async with node(tmp_path, hold=Hold(lambda: 3600.0, bytes_max=1)) as it:
                it.journal.refusals.append(FULL)
                with pytest.raises(Unavailable):
                    await it.take(encoded())
                assert it.journal.taken == 1

        run(test())

    def test_the_last_room_is_for_errors(self, tmp_path: Path) -> None:
        """Near the bound a request passes only if it carries an error: a span's or a log's."""
        good = export_request()
        bad = export_request()
        bad.resource_spans[0].scope_spans[0].spans[0].status.code = 2
        log = b"\x0a\x06\x12\x04\x12\x02\x10"

        async def test() -> None:
            async with node(tmp_path) as it:
                for number in range(2):
                    it.intake._budget.take(number, PLAIN_INFLIGHT_BYTES_MAX // 2)
                with pytest.raises(Unavailable, match="only errors pass"):
                    await it.take(good.SerializeToString())
                with pytest.raises(Unavailable, match="only errors pass"):
                    await it.take(log + b"\x09", kind=Kind.LOGS)
                assert (await it.take(bad.SerializeToString())).receipt.first_lsn
                assert (await it.take(log + b"\x11", kind=Kind.LOGS)).receipt.first_lsn
                it.intake._budget.take(3, INFLIGHT_BYTES_MAX - PLAIN_INFLIGHT_BYTES_MAX)
                with pytest.raises(Unavailable, match=r"are under way$"):
                    await it.take(bad.SerializeToString() * 2)

        run(test())
        assert stored(tmp_path) == [bad.SerializeToString()]


class TestQuotas:
    """What a user may send a second."""

    def test_a_user_over_it_is_refused_for_a_while(self, tmp_path: Path) -> None:
        """Its seq is not used up, another user is not concerned, nor a peer without a uid."""
        step = SessionStep(bytes(16), 2, 1, 7)

        async def test() -> None:
            async with node(tmp_path, quota=Quota(10, lambda: 0.0)) as it:
                await it.take(encoded(), USER, SessionStep(bytes(16), 1, 0, 7))
                with pytest.raises(Unavailable, match="quota of 10 bytes") as refused:
                    await it.take(encoded(), USER, step)
                assert refused.value.retry_after_ms > 2000
                await it.take(encoded(), Peer("ingest", uid=8))
                for _ in range(2):
                    await it.take(encoded(), PEER)
                assert it.journal.last_seq(bytes(16), 7) == 1

        run(test())


class TestAdmission:
    """What admission leaves out."""

    def test_a_trace_over_its_cap_is_a_partial_success(self, tmp_path: Path) -> None:
        """Even if nothing is stored; what the journal did not take does not count."""

        async def test() -> None:
            async with node(tmp_path, CappedAdmission(OtlpAdmission(), 4)) as it:
                trace = bytes(range(16))
                it.journal.refusals += [FULL, FULL]
                with pytest.raises(Unavailable):
                    await it.take(encoded(4, trace_id=trace))
                assert (await it.take(encoded(4, trace_id=trace))).rejected_items == 0
                over = await it.take(encoded(2, trace_id=trace))
                assert over.rejected_items == 2
                assert over.rejected_reason.startswith("capacity_exceeded")
                assert over.receipt.first_lsn == 0
                assert it.figure(
                    "sidespan_receiver_refused_items_total", door="http", signal="spans"
                ) == 2  # fmt: skip

        run(test())

    def test_capture_off_tells_every_caller_that_all_is_well(self, tmp_path: Path) -> None:
        """With and without a session, whatever they send; a session goes on by its seq."""

        async def test() -> None:
            async with node(tmp_path, NothingAdmission()) as it:
                for body in (encoded(), b"\xff\xff"):
                    answer = await it.take(body)
                    assert (answer.receipt.first_lsn, answer.rejected_items) == (0, 0)
                    assert answer.receipt.token == it.journal.newest_token()
                for seq in (1, 2):
                    await it.take(encoded(), USER, SessionStep(bytes(16), seq, seq - 1, 7))
                assert it.journal.last_seq(bytes(16), 7) == 2

        run(test())
        assert {record.header.kind.is_control for record in records_of(tmp_path / "data")} == {True}
        assert all(record.header.kind is not Kind.SESSION
                   for record in records_of(tmp_path / "data"))  # fmt: skip

    def test_what_capture_removes_is_counted(self, tmp_path: Path) -> None:
        """By door and signal."""
        request = export_request()
        span = request.resource_spans[0].scope_spans[0].spans[0]
        span.attributes.add(key="gen_ai.input.messages").value.string_value = "hello"

        async def test() -> None:
            async with node(tmp_path, MetadataAdmission(OtlpAdmission())) as it:
                await it.take(request.SerializeToString())
                assert it.figure(
                    "sidespan_receiver_removed_values_total", door="http", signal="spans"
                ) == 1  # fmt: skip

        run(test())
        assert b"hello" not in (stored(tmp_path)[0] or b"hello")

    def test_what_is_malformed_is_not_remembered(self, tmp_path: Path) -> None:
        """It is refused each time, and nothing is left under way."""

        async def test() -> None:
            async with node(tmp_path) as it:
                for _ in range(2):
                    with pytest.raises(InvalidRequest):
                        await it.take(b"\xff")
                assert it.figure("sidespan_receiver_inflight_bytes") == 0

        run(test())

    def test_secrets_are_taken_out_of_what_senders_are_told(self, tmp_path: Path) -> None:
        """Of refusals, of partial successes, and of those that are told again."""
        request = export_request(2)
        request.resource_spans[0].scope_spans[0].spans[1].span_id = b""

        def scrub(text: str) -> str:
            return text.replace("span_id", "[secret]")

        async def test() -> None:
            async with node(tmp_path, scrub=scrub) as it:
                for _ in range(2):
                    accepted = await it.take(request.SerializeToString())
                    assert "[secret] has 0 bytes" in accepted.rejected_reason
                refusal = it.intake.refusal(InvalidRequest("span_id: wrong"), PEER)
                assert refusal.text == "[secret]: wrong"

        run(test())
