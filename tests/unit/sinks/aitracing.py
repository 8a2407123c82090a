"""What the tests of the aitrace_file sink share."""

import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from sidespand.model import Content, Delivered, Record
from sidespand.sinks.aitrace_document import Anchors
from sidespand.sinks.aitrace_file import AitraceFileSink, Settings
from sidespand.sinks.aitrace_pair import artifacts
from sidespand.sinks.aitrace_pending import Waits
from tests.clocks import ManualClock
from tests.journals import content, run
from tests.otlp import export_request

TRACE = bytes(range(16))
ROOT, CHILD = b"rootroot", b"childchi"
GENERATION = {
    "source_node_ref": "node://worker@host",
    "node_instance_id": "instance-1",
    "node_role": "worker",
    "deployment_ref": "deployment://shop/production",
    "cluster_ref": "cluster://eu-1",
    "started_at_ns": 17,
    "incarnation": b"\1\2",
}
WAITS = Waits(quiet=2.0, idle=60.0, late=600.0)
UNANCHORED = Anchors()


def request(*span_ids: bytes, trace_id: bytes = TRACE, attributes: int = 2) -> Any:
    """Return a request; a child's parent is the root."""
    found = export_request(
        len(span_ids), trace_id=trace_id, span_ids=span_ids, attributes=attributes
    )
    for span in found.resource_spans[0].scope_spans[0].spans:
        if span.span_id != ROOT:
            span.parent_span_id = ROOT
    return found


def contents(*requests: Any) -> list[Content]:
    """Return requests as the journal takes them."""
    return [content(one.SerializeToString()) for one in requests]


class Bench:
    """A sink over a clock that stands still."""

    def __init__(
        self,
        place: Path,
        *,
        waits: Waits = WAITS,
        anchors: Anchors = UNANCHORED,
        **settings: Any,
    ) -> None:
        self.directory = place / "traces"
        self.clock = ManualClock()
        place.mkdir(exist_ok=True)
        self.sink = AitraceFileSink(
            Settings(self.directory, waits, anchors, **settings),
            place,
            lambda *_: GENERATION,
            self.clock,
        )

    def pairs(self) -> list[tuple[dict[str, Any], dict[str, Any], Path]]:
        """Return each trace's document, its receipt and its path, oldest first."""
        found = []
        for name in artifacts(self.directory):
            path = self.directory / name
            receipt = path.with_name(name.removesuffix(".json") + ".evidence.json")
            found.append((json.loads(path.read_bytes()), json.loads(receipt.read_bytes()), path))
        return sorted(found, key=lambda pair: pair[2].name)

    async def passed(self, seconds: float) -> None:
        """Let time pass, and have what is due written by an empty delivery."""
        self.clock.pass_time(seconds)
        assert await self.sink.deliver([]) == Delivered()


def benched(
    place: Path, test: Callable[[Bench], Coroutine[Any, Any, None]], **settings: Any
) -> Bench:
    """Run a test on a bench of its own, which is closed afterwards."""
    benches = []

    async def whole() -> None:
        bench = Bench(place, **settings)
        benches.append(bench)
        try:
            await test(bench)
        finally:
            await bench.sink.close()

    run(whole())
    return benches[0]


def delivering(*batches: list[Record], seconds: float = 2.0) -> Any:
    """Return a test that delivers batches, and then lets time pass."""

    async def test(bench: Bench) -> None:
        for batch in batches:
            assert await bench.sink.deliver(batch) == Delivered()
        await bench.passed(seconds)

    return test
