"""What is recorded arrives once, in order, whatever happens to the recorder in between."""

import threading
from pathlib import Path

import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

import sidespan
from sidespan import _sender
from sidespan._limits import BATCH_BYTES_MAX, BATCH_SPANS_MAX
from sidespan.v1.recorder_pb2 import HelloAck, Nack
from tests.daemon import wait_until
from tests.unit.client.peer import (
    ACK,
    CONTROL,
    HELLO_ACK,
    LOSE,
    MUTE,
    STORE_SILENTLY,
    Peer,
    frame,
)

WAIT_S = 20.0


def record(*names: str) -> None:
    """Record spans of these names."""
    for name in names:
        with sidespan.span(name):
            pass


def stored_names(peer: Peer) -> list[str]:
    """Return the names of what is durable, in order."""
    return [span.name for span in peer.spans()]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry at once: the tests are about what is sent, not about when."""
    monkeypatch.setattr(_sender, "RETRY_DELAY_FIRST_S", 0.001)
    monkeypatch.setattr(_sender, "RETRY_DELAY_MAX_S", 0.01)
    monkeypatch.setattr("sidespan._frames.RETRY_DELAY_MAX_S", 0.01)


def test_hello_comes_before_the_first_span(peer: Peer) -> None:
    """The client connects by itself; a flush with nothing buffered waits for the token."""
    sidespan.init("planner", socket=str(peer.path))

    assert sidespan.flush(WAIT_S)
    (hello,) = peer.hellos
    assert len(hello.instance_id) == 16
    assert (hello.protocol_version_min, hello.protocol_version_max, hello.acked_seq) == (1, 1, 0)
    assert hello.client == f"sidespan-python/{sidespan.__version__}"
    headers: dict[str, str] = {}
    with sidespan.span("call"):
        sidespan.inject(headers)
    assert headers["tracestate"] == f"sidespan={peer.token}"


def test_a_request_names_its_process(peer: Peer) -> None:
    """Spans come grouped under one resource and one scope."""
    sidespan.init("planner", socket=peer.path)
    record("a", "b")
    assert sidespan.flush(WAIT_S)

    seq, request = peer.stored[0]
    (resource_spans,) = request.resource_spans
    (scope_spans,) = resource_spans.scope_spans
    resource = {pair.key: pair.value for pair in resource_spans.resource.attributes}
    assert seq == 1
    assert resource["service.name"] == AnyValue(string_value="planner")
    assert resource["telemetry.sdk.name"] == AnyValue(string_value="sidespan")
    assert resource["telemetry.sdk.language"] == AnyValue(string_value="python")
    assert resource["telemetry.sdk.version"] == AnyValue(string_value=sidespan.__version__)
    assert resource["process.pid"].int_value > 0
    assert resource["host.name"].string_value != ""
    assert scope_spans.scope.name == "sidespan"
    status = sidespan.status()
    assert (status.recorded, status.acked, status.dropped, status.buffered) == (2, 2, 0, 0)
    assert (status.token, status.last_error) == (peer.token, "")


def test_a_sender_that_fails_says_so_and_counts(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug of the client's own is neither printed nor raised, and no span goes missing unseen."""
    sidespan.init("planner", socket=peer.path)
    assert sidespan.flush(WAIT_S)
    monkeypatch.delattr("sidespan._wire.encode_records")
    record("a", "b")
    wait_until(lambda: sidespan.status().dropped == 2, WAIT_S, "the drops")

    assert "the sender ended: AttributeError" in sidespan.status().last_error


def test_batches_are_bounded_and_in_order(peer: Peer) -> None:
    """Many spans travel in several requests, each within the limits, seqs counting up by one."""
    sidespan.init("planner", socket=str(peer.path), buffer_bytes_max=64 * 2**20)
    names = [f"span {number}" for number in range(3 * BATCH_SPANS_MAX)]
    for name in names:
        with sidespan.span(name, text="x" * 900):
            pass
    assert sidespan.flush(WAIT_S)

    assert stored_names(peer) == names
    assert [seq for seq, _ in peer.stored] == list(range(1, len(peer.stored) + 1))
    for _, request in peer.stored:
        assert request.ByteSize() <= BATCH_BYTES_MAX + 8192
        assert len(request.resource_spans[0].scope_spans[0].spans) <= BATCH_SPANS_MAX


@pytest.mark.parametrize("fault", [LOSE, STORE_SILENTLY])
def test_a_lost_answer_means_the_same_bytes_again(peer: Peer, fault: str) -> None:
    """Whether the records had been stored or not, afterwards they are there once."""
    peer.instead.append(fault)
    sidespan.init("planner", socket=str(peer.path))
    record("a")
    assert sidespan.flush(WAIT_S)
    record("b")
    assert sidespan.flush(WAIT_S)

    assert stored_names(peer) == ["a", "b"]
    assert [seq for seq, _ in peer.stored] == [1, 2]
    arrived = [body for seq, body in peer.arrived if seq == 1]
    assert len(arrived) == (2 if fault == LOSE else 1)
    assert len(set(arrived)) == 1
    assert sidespan.status().acked == 2


def test_a_restarted_recorder_gets_what_it_lacks(peer: Peer) -> None:
    """Spans recorded while it is away follow, with the next seqs and the same instance."""
    sidespan.init("planner", socket=str(peer.path))
    record("before")
    assert sidespan.flush(WAIT_S)
    peer.stop()
    record("during")
    wait_until(lambda: sidespan.status().last_error != "", WAIT_S, "the client to notice")
    record("later")
    peer.start()
    assert sidespan.flush(WAIT_S)

    assert stored_names(peer) == ["before", "during", "later"]
    assert len({hello.instance_id for hello in peer.hellos}) == 1
    assert [hello.acked_seq for hello in peer.hellos] == [0, 1]
    assert sidespan.status()[:4] == (3, 3, 0, 0)


def test_a_recorder_that_forgot_us_learns_how_far_we_are(peer: Peer) -> None:
    """A new store takes the next seq, because HELLO says which ones are decided."""
    sidespan.init("planner", socket=str(peer.path))
    record("a")
    assert sidespan.flush(WAIT_S)
    with peer.changed:
        peer.instead.append(Nack(code=Nack.OUT_OF_ORDER, text="who are you", retry_after_ms=1))
        peer.last_seq.clear()
    record("b")
    assert sidespan.flush(WAIT_S)

    assert stored_names(peer) == ["a", "b"]
    assert peer.hellos[-1].acked_seq == 1


def test_a_retryable_nack_brings_the_same_seq_again(peer: Peer) -> None:
    """The recorder's wait is kept, then the same bytes come, and nothing overtakes them."""
    peer.instead.extend([Nack(code=Nack.UNAVAILABLE, text="full", retry_after_ms=1)] * 3)
    sidespan.init("planner", socket=str(peer.path))
    record("a")
    assert sidespan.flush(WAIT_S)
    record("b")
    assert sidespan.flush(WAIT_S)

    assert [seq for seq, _ in peer.arrived] == [1, 1, 1, 1, 2]
    assert len({body for seq, body in peer.arrived if seq == 1}) == 1
    assert len(peer.hellos) == 1
    assert stored_names(peer) == ["a", "b"]
    assert sidespan.status().dropped == 0


def test_a_permanent_nack_uses_the_seq_up(peer: Peer) -> None:
    """The batch is counted as dropped, flush tells it, and the next batch has the next seq."""
    sidespan.init("planner", socket=str(peer.path))
    assert sidespan.flush(WAIT_S)
    peer.instead.append(Nack(code=Nack.INVALID, text="no such thing", retry_after_ms=0))
    record("bad")
    assert not sidespan.flush(WAIT_S)
    record("good")
    assert sidespan.flush(WAIT_S)

    assert [seq for seq, _ in peer.arrived] == [1, 2]
    assert stored_names(peer) == ["good"]
    status = sidespan.status()
    assert (status.acked, status.dropped, status.buffered) == (1, 1, 0)
    assert "no such thing" in status.last_error


def test_rejected_items_are_counted(peer: Peer) -> None:
    """A partial success stores the rest."""
    peer.rejected_items = 1
    sidespan.init("planner", socket=str(peer.path))
    record("a", "b", "c")
    wait_until(lambda: sidespan.status().buffered == 0, WAIT_S, "an answer")

    status = sidespan.status()
    assert status.dropped == len(peer.stored)
    assert status.acked == 3 - status.dropped


@pytest.mark.parametrize(
    "greeting",
    [
        Nack(code=Nack.VERSION, text="too old", retry_after_ms=0),
        b"",
        frame(HELLO_ACK, 0, b"\xff"),
        frame(ACK, 0, b""),
        frame(HELLO_ACK, 7, b""),
        b"\xff\xff\xff\xff" + frame(HELLO_ACK, 0, b"")[4:],
        b"\x00\x00\x00\x01" + frame(HELLO_ACK, 0, b"")[4:],
    ],
    ids=str,
)
def test_a_session_that_is_refused_or_broken_loses_nothing(
    peer: Peer, greeting: bytes | Nack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Spans wait, no seq is used up, and once the recorder is sane again they arrive."""
    monkeypatch.setattr("sidespan._frames.REPLY_TIMEOUT_S", 0.05)
    peer.greeting = greeting
    sidespan.init("planner", socket=str(peer.path))
    record("a")
    wait_until(lambda: sidespan.status().last_error != "", WAIT_S, "the refusal")
    peer.greeting = None
    assert sidespan.flush(WAIT_S)

    assert [(seq, request.ByteSize() > 0) for seq, request in peer.stored] == [(1, True)]
    assert sidespan.status().acked == 1


@pytest.mark.parametrize(
    "answer",
    [
        frame(ACK, 99, b""),
        frame(ACK, 1, b"\x0a\xff"),
        frame(77, 1, b""),
        b"\xff\xff\xff\xff" + frame(ACK, 1, b"")[4:],
        frame(ACK, 1, b"")[:5],
    ],
    ids=str,
)
def test_a_nonsensical_answer_means_a_new_connection(
    peer: Peer, answer: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lengths and numbers of the peer are not believed, and the batch is sent again."""
    monkeypatch.setattr("sidespan._frames.REPLY_TIMEOUT_S", 0.1)
    peer.instead.append(answer)
    sidespan.init("planner", socket=str(peer.path))
    record("a")
    assert sidespan.flush(WAIT_S)

    assert stored_names(peer) == ["a"]
    assert len(peer.hellos) == 2


def test_a_control_frame_is_read_over(peer: Peer) -> None:
    """A drain notice before the answer does not disturb it."""
    peer.instead.append(frame(CONTROL, 0, b"\x08\x01") + frame(ACK, 1, b""))
    sidespan.init("planner", socket=str(peer.path))
    record("a")
    assert sidespan.flush(WAIT_S)

    assert len(peer.hellos) == 1
    assert sidespan.status().acked == 1


def test_a_token_that_cannot_travel_is_not_taken(peer: Peer) -> None:
    """What a recorder calls a token never breaks a header."""
    hello_ack = HelloAck(token="a,b=c\r\nX-Evil: 1")
    peer.greeting = frame(HELLO_ACK, 0, hello_ack.SerializeToString())
    sidespan.init("planner", socket=str(peer.path))
    assert sidespan.flush(WAIT_S)

    assert sidespan.status().token == ""


def test_an_absent_recorder_costs_bounded_memory(tmp_path: Path) -> None:
    """Spans beyond the buffer are dropped and counted; nothing raises."""
    sidespan.init("planner", socket=str(tmp_path / "none.sock"), buffer_bytes_max=100_000)
    for _ in range(2000):
        with sidespan.span("x", text="y" * 200):
            pass

    status = sidespan.status()
    assert status.recorded == 2000
    assert status.acked == 0
    assert status.dropped == 2000 - status.buffered
    assert 0 < status.buffered < 100_000 / 200
    assert not sidespan.flush(0.05)
    assert "none.sock" in sidespan.status().last_error


def test_flush_keeps_its_deadline_before_a_mute_recorder(peer: Peer) -> None:
    """A recorder that never answers holds a flush no longer than it was told."""
    peer.instead.append(MUTE)
    sidespan.init("planner", socket=str(peer.path))
    record("a")

    assert not sidespan.flush(0.05)
    assert sidespan.status().buffered == 1


def test_shutdown_delivers_says_goodbye_and_stops(peer: Peer) -> None:
    """What was buffered arrives, then BYE; later spans are not recorded."""
    sidespan.init("planner", socket=str(peer.path))
    record("a")
    sidespan.shutdown(WAIT_S)
    record("late")

    assert stored_names(peer) == ["a"]
    wait_until(lambda: peer.byes == 1, WAIT_S, "BYE")
    assert sidespan.status()[:4] == (1, 1, 0, 0)


def test_shutdown_without_a_recorder_drops_what_is_left(tmp_path: Path) -> None:
    """It does not wait for a recorder that is not there; a span that ends later is counted too."""
    sidespan.init("planner", socket=str(tmp_path / "none.sock"))
    with sidespan.span("open at the end"):
        record("a")
        sidespan.shutdown(WAIT_S)

    assert sidespan.status()[:4] == (2, 0, 2, 0)


def test_init_again_goes_elsewhere(peer: Peer, tmp_path: Path) -> None:
    """The second call replaces the first; what the first had buffered still leaves."""
    sidespan.init("first", socket=str(peer.path))
    record("a")
    other = Peer(tmp_path / "other.sock").start()
    try:
        sidespan.init("second", socket=str(other.path))
        record("b")
        assert sidespan.flush(WAIT_S)
        wait_until(lambda: peer.byes == 1, WAIT_S, "the first session to end")
        assert (stored_names(peer), stored_names(other)) == (["a"], ["b"])
    finally:
        sidespan.shutdown(WAIT_S)
        other.stop()


def test_many_threads_record_while_the_recorder_comes_and_goes(peer: Peer) -> None:
    """Every span is stored exactly once."""
    sidespan.init("planner", socket=str(peer.path), buffer_bytes_max=64 * 2**20)

    def work(number: int) -> None:
        for index in range(300):
            record(f"{number}/{index}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        with peer.changed:
            peer.instead.extend([LOSE, STORE_SILENTLY])
        peer.stop()
        peer.start()
    for thread in threads:
        thread.join()
    assert sidespan.flush(WAIT_S)

    names = stored_names(peer)
    assert len(names) == len(set(names)) == 1200
    for number in range(4):
        own = [name for name in names if name.startswith(f"{number}/")]
        assert own == [f"{number}/{index}" for index in range(300)]
