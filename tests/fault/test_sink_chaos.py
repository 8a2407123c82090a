"""Whatever network, receiver and kernel do, each acked item is delivered or a dead letter."""

import asyncio
import random
from collections.abc import Iterable, Sequence
from pathlib import Path

import grpc
import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from sidespand.journal.store import JournalStore
from sidespand.limits import SINK_RESPONSE_BYTES_MAX, SINK_TRAILERS_BYTES_MAX
from sidespand.model import Admitted, Position
from sidespand.sinks.dead_letters import DeadLetters
from tests.chaos import Chaos, chaotic
from tests.collector import Collector, Failure, collecting
from tests.http_collector import Answer, HttpCollector, collecting_http
from tests.journals import PEER, content, eventually, opened, run
from tests.otlp import export_request
from tests.workers import WorkerProcess, working

POISON = b"poison"
SPANS_PER_REQUEST = 20
LIVES = 2


class Load:
    """Appends until it is stopped, and keeps the span ids that were acknowledged."""

    def __init__(self, store: JournalStore, choice: random.Random) -> None:
        self._store = store
        self._choice = choice
        self.acked: set[bytes] = set()
        self.poisoned: set[bytes] = set()
        self._stopping = False
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while not self._stopping:
            request = export_request(SPANS_PER_REQUEST)
            spans = request.resource_spans[0].scope_spans[0].spans
            bad = self._choice.random() < 0.03
            if bad:
                spans[7].name = POISON.decode()
            admitted = Admitted((content(request.SerializeToString()),))
            await self._store.append(admitted, PEER)
            self.acked |= {span.span_id for span in spans}
            if bad:
                self.poisoned.add(spans[7].span_id)
            await asyncio.sleep(0.02)

    async def stop(self) -> None:
        """Wait for the request under way, then append no more."""
        self._stopping = True
        await self._task


def ids(requests: Iterable[ExportTraceServiceRequest]) -> set[bytes]:
    """Return the id of every span."""
    return {
        span.span_id
        for request in requests
        for group in request.resource_spans
        for scope in group.scope_spans
        for span in scope.spans
    }


def dead(place: Path) -> set[bytes]:
    """Return the id of every span among a sink's dead letters."""
    payloads = [letter.record.payload for letter in DeadLetters(place).letters()]
    return ids(ExportTraceServiceRequest.FromString(one or b"") for one in payloads)


class Moods:
    """How the receivers behave: as they should, but for poison; or as badly as they can.

    Args:
        choice: Draws.
    """

    def __init__(self, choice: random.Random) -> None:
        self._choice = choice
        self.bad = True

    def of_grpc(self, body: bytes) -> Failure | None:
        """Judge a request over gRPC."""
        huge = Status(message="x" * 20_000).SerializeToString()
        storms = [
            Failure(grpc.StatusCode.UNAVAILABLE, "storm"),
            Failure(grpc.StatusCode.UNAVAILABLE, "y" * 200_000),
            Failure(grpc.StatusCode.UNAVAILABLE, "z" * (SINK_TRAILERS_BYTES_MAX + 1)),
            Failure(grpc.StatusCode.ABORTED, "huge", (("grpc-status-details-bin", huge),)),
        ]
        if self.bad and self._choice.random() < 0.3:
            return self._choice.choice(storms)
        if POISON in body:
            return Failure(grpc.StatusCode.INVALID_ARGUMENT, "poison")
        return None

    def of_http(self, body: bytes) -> Answer:
        """Judge a request over HTTP."""
        storms = [
            Answer(503, (("Retry-After", "0"),)),
            Answer(502, (), b"x" * 200_000),
        ]
        if POISON not in body:
            storms.append(Answer(200, (), bytes(SINK_RESPONSE_BYTES_MAX + 1)))
        if self.bad and self._choice.random() < 0.3:
            return self._choice.choice(storms)
        return Answer(400, (), b"poison") if POISON in body else Answer()


def config(over_grpc: Chaos, over_http: Chaos) -> str:
    """Return two sinks behind proxies and one that is left alone."""
    shared = 'type = "otlp"\ntimeout = "400ms"\ncapture = "full"\n'
    return (
        f'[sinks.one]\n{shared}endpoint = "http://127.0.0.1:{over_grpc.port}"\n'
        f'[sinks.two]\n{shared}endpoint = "http://127.0.0.1:{over_http.port}"\n'
        'protocol = "http/protobuf"\ncompression = "gzip"\n'
        '[sinks.archive]\ntype = "jsonl"\n'
    )


async def _endure(
    place: Path, store: JournalStore, text: str, load: Load, proxies: Sequence[Chaos]
) -> None:
    # Several lives, each killed somewhere in the middle; the sink without trouble keeps up.
    for _ in range(LIVES):
        before = [proxy.harmed_count for proxy in proxies]
        async with working(place, text) as worker:

            def is_harmed(worker: WorkerProcess = worker, before: list[int] = before) -> bool:
                worker.end.advance(store.position)
                counts = zip(proxies, before, strict=True)
                return all(proxy.harmed_count >= count + 3 for proxy, count in counts)

            await eventually(is_harmed, "some harm")
            newest, acked = store.position, len(load.acked)
            worker.end.advance(newest)

            def keeps_up(worker: WorkerProcess = worker, newest: Position = newest) -> bool:
                return "archive" in worker.cursors and worker.cursors["archive"] >= newest

            await eventually(keeps_up, "the sink that has no trouble")
            await eventually(lambda: len(load.acked) > acked, "acks")  # noqa: B023
            await worker.kill()


def _check(load: Load, collected: Collector, collected_http: HttpCollector, place: Path) -> None:
    requests = collected_http.traces()
    for name, taken in (("one", ids(collected.requests)), ("two", ids(requests))):
        refused = dead(place / "data/sinks" / name)
        assert load.acked <= taken | refused, name
        assert load.poisoned <= refused, name
        assert not load.poisoned & taken, name
        assert (refused & load.acked) == load.poisoned, name


@pytest.mark.fault(32, 33, 34, 36)
@pytest.mark.slow
def test_every_acked_item_is_delivered_or_a_dead_letter(tmp_path: Path) -> None:
    """Stalls, resets, half-closes, cuts, storms, endless answers and kills lose nothing.

    The sink beside them, which has no trouble, keeps up all the while.
    """
    seed = random.randrange(2**32)
    choice = random.Random(seed)
    moods = Moods(choice)

    async def test() -> None:
        async with (
            opened(tmp_path / "data") as store,
            collecting() as collected,
            collecting_http() as collected_http,
            chaotic(int(collected.address.rpartition(":")[2]), seed) as over_grpc,
            chaotic(collected_http.port, seed + 1) as over_http,
        ):
            collected.judge, collected_http.judge = moods.of_grpc, moods.of_http
            text = config(over_grpc, over_http)
            load = Load(store, choice)
            await _endure(tmp_path, store, text, load, (over_grpc, over_http))
            await load.stop()
            moods.bad = over_grpc.harmful = over_http.harmful = False
            async with working(tmp_path, text) as worker:
                newest = store.position
                worker.end.advance(newest)
                everyone = dict.fromkeys(("one", "two", "archive"), newest)
                await eventually(lambda: worker.cursors == everyone, "the end", 40.0)
            _check(load, collected, collected_http, tmp_path)

    print(f"seed {seed}")
    run(test())
