"""Traces in AITrace's files: every field, in pairs, once each, and taken out again."""

import hashlib
import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from sidespand.hlc import nth
from sidespand.model import Content, Delivered, Gap, Record, Retry
from sidespand.sinks import aitrace_ids
from sidespand.sinks.aitrace_document import Anchors, wall_time
from sidespand.sinks.aitrace_file import AitraceFileSink, Settings
from sidespand.sinks.aitrace_pair import artifacts
from sidespand.sinks.aitrace_pending import Waits
from tests.clocks import ManualClock
from tests.journals import LINEAGE, content, eventually, records, run
from tests.otlp import START_NS, export_request

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


CLOCK = {
    "node": "node://worker@host",
    "runtime_id": "node://worker@host:17:258",
    "monotonic_unit": "microsecond",
    "time_source": "sender_unix_epoch",
}


def exported(place: Path) -> tuple[Bench, Record]:
    """Return a bench that has written a trace of two spans, and the record of it."""
    made = request(ROOT, CHILD)
    root, child = made.resource_spans[0].scope_spans[0].spans
    event = root.events.add(name="retry", time_unix_nano=START_NS + 1500)
    event.attributes.add(key="n").value.int_value = 2
    child.status.code, child.status.message = 2, "no"
    (record,) = records(contents(made), next_lsn=(1 << 32) + 9)
    return benched(place, delivering([record])), record


def evidence(record: Record) -> dict[str, Any]:
    """Return who recorded the trace, and where its newest span stands."""
    last = nth(record.header.stamp, 1)
    return {
        "source_node_ref": "node://worker@host",
        "node_evidence": {
            "source_node_ref": "node://worker@host",
            "node_instance_id": "instance-1",
            "node_role": "worker",
            "deployment_ref": "deployment://shop/production",
            "cluster_ref": "cluster://eu-1",
            "boot_generation": 3,
        },
        "node_order_evidence": {
            "trace_id": TRACE.hex(),
            "source_node_ref": "node://worker@host",
            "commit_lsn": "1/A",
            "commit_hlc": {"w": last.wall_ns, "l": last.logical, "n": "node://worker@host"},
        },
    }


def test_a_trace_has_every_field_of_the_format(tmp_path: Path) -> None:
    """Names and values are AITrace's."""
    bench, record = exported(tmp_path)
    ((trace, _, _),) = bench.pairs()
    assert len(trace.pop("spans")) == 2
    bounds = trace.pop("export_bounds")
    assert trace == {
        "exporter_schema_version": "aitrace.file_export.v1",
        "export_persistence_posture": posture("export"),
        "trace_persistence_posture": posture("trace"),
        "replay_addressable?": True,
        "release_manifest_ref": None,
        "exported_at_wall_time": wall_time(bench.clock.wall_ns()),
        "trace_id": TRACE.hex(),
        "trace_id_source": alias("trace_id"),
        "metadata": {"service.name": "test"},
        "created_at": START_NS // 1000,
        "created_at_wall_time": wall_time(START_NS),
        "clock_domain": CLOCK,
        **evidence(record),
    }
    assert bounds["max_attributes_per_map"] == 32
    assert len(bounds["trace_attribute_blocklist"]) == 37


def test_a_span_has_every_field_of_the_format(tmp_path: Path) -> None:
    """Names and values are AITrace's; what it has no field for is under ``sidespan``."""
    bench, _ = exported(tmp_path)
    ((trace, _, _),) = bench.pairs()
    root, child = trace["spans"]
    assert root == {
        "span_id": ROOT.hex(),
        "span_id_source": alias("span_id"),
        "parent_span_id": None,
        "parent_span_id_source": None,
        "name": "step 0",
        "start_time": START_NS // 1000,
        "start_wall_time": wall_time(START_NS),
        "end_time": START_NS // 1000 + 1000,
        "end_wall_time": wall_time(START_NS + 1_000_000),
        "duration_microseconds": 1000,
        "clock_domain": CLOCK,
        "persistence_posture": posture("span"),
        "attributes": {"attribute.0": "value 0", "attribute.1": "value 1"},
        "events": [
            {
                "name": "retry",
                "timestamp": START_NS // 1000 + 1,
                "wall_time": wall_time(START_NS + 1500),
                "clock_domain": CLOCK,
                "persistence_posture": posture("event"),
                "attributes": {"n": 2},
            }
        ],
        "status": "ok",
        "source_node_ref": "node://worker@host",
        "sidespan": root["sidespan"],
    }
    assert (child["status"], child["sidespan"]["status_message"]) == ("error", "no")
    assert (child["parent_span_id"], child["parent_span_id_source"]) == (
        ROOT.hex(),
        alias("parent_span_id"),
    )
    assert child["sidespan"]["lsn"] == str((1 << 32) + 10)


def test_a_receipt_has_every_field_of_the_format(tmp_path: Path) -> None:
    """It names its file, with hash and size, and repeats who recorded it."""
    bench, record = exported(tmp_path)
    ((trace, receipt, path),) = bench.pairs()
    raw = path.read_bytes()
    receipt.pop("proof_posture")
    assert receipt == {
        "evidence_schema_version": "aitrace.file_export_evidence.v1",
        "exporter_schema_version": "aitrace.file_export.v1",
        "trace_id": TRACE.hex(),
        "trace_id_source": alias("trace_id"),
        "trace_artifact_ref": path.name,
        "evidence_receipt_ref": path.name.removesuffix(".json") + ".evidence.json",
        "trace_artifact_sha256": hashlib.sha256(raw).hexdigest(),
        "trace_artifact_bytes": len(raw),
        "hash_algorithm": "sha256",
        "release_manifest_ref": None,
        "evidence_owner_ref": None,
        "trace_persistence_posture": posture("trace"),
        "export_persistence_posture": posture("export"),
        "exported_at_wall_time": trace["exported_at_wall_time"],
        **evidence(record),
    }


def posture(surface: str) -> dict[str, Any]:
    """Return the ten keys."""
    return {
        "persistence_profile_ref": "persistence-profile://aitrace-durable-redacted",
        "persistence_tier_ref": "persistence-tier://durable",
        "capture_level_ref": "capture-level://redacted-summary",
        "store_set_ref": "store-set://aitrace/durable-redacted",
        "retention_policy_ref": "retention://operator-configured",
        "debug_tap_ref": "debug-tap://noop",
        "persistence_receipt_ref": f"persistence-receipt://aitrace/{surface}/durable_redacted",
        "raw_payload_persistence?": False,
        "retained?": True,
        "durable?": True,
    }


def alias(id_type: str) -> dict[str, Any]:
    """Return the source map of an id that a caller brought."""
    return {
        "id_type": id_type,
        "kind": "external_alias",
        "policy": "aitrace-external-alias-v1",
        "validation": "bounded_external_alias",
        "max_bytes": 128,
    }


@pytest.mark.parametrize(
    ("manifest", "owner"), [(None, None), ("m://1", None), (None, "o://1"), ("m://1", "o://1")]
)
def test_only_an_anchored_export_may_be_cited(
    tmp_path: Path, manifest: str | None, owner: str | None
) -> None:
    """Without a release manifest or an owner the receipt says that it proves nothing."""
    bench = benched(
        tmp_path,
        delivering(records(contents(request(ROOT)))),
        anchors=Anchors(manifest, owner),
    )
    ((trace, receipt, _),) = bench.pairs()
    anchored = bool(manifest or owner)
    unanchored = "release_manifest_ref_or_evidence_owner_ref_required_for_authoritative_proof"
    assert trace["release_manifest_ref"] == receipt["release_manifest_ref"] == manifest
    assert "evidence_owner_ref" not in trace
    assert receipt["evidence_owner_ref"] == owner
    assert receipt["proof_posture"] == {
        "authoritative_evidence?": anchored,
        "evidence_anchor": "durable_trace_artifact",
        "release_manifest_linked?": manifest is not None,
        "evidence_owner_anchored?": owner is not None,
        "proof_contexts": ["audit", "incident", "replay", "review", "release_manifest"],
        "requires": [
            "durable_trace_artifact",
            "trace_artifact_sha256",
            "release_manifest_ref_or_evidence_owner_ref",
            "source_node_ref",
            "trace_id_plus_node_order_evidence",
        ],
        "safe_action": "cite_evidence_receipt" if anchored else unanchored,
    }


def test_original_ids_come_back(tmp_path: Path) -> None:
    """128-bit ids and aliases that a sender kept beside OTLP's are what the file names."""
    long, parent, name = "4bf92f3577b34da6a3ce929d0e0e4736", "f" * 32, "order:42"
    made = request(b"12345678", trace_id=aitrace_ids.otlp_trace_id(name), attributes=0)
    span = made.resource_spans[0].scope_spans[0].spans[0]
    span.span_id = aitrace_ids.otlp_span_id(long)
    span.parent_span_id = aitrace_ids.otlp_span_id(parent)
    for key, value in (
        (aitrace_ids.TRACE_KEY, name),
        (aitrace_ids.SPAN_KEY, long),
        (aitrace_ids.PARENT_KEY, parent),
    ):
        span.attributes.add(key=key).value.string_value = value
    bench = benched(tmp_path, delivering(records(contents(made)), seconds=60))
    ((trace, _, path),) = bench.pairs()
    (found,) = trace["spans"]
    assert (trace["trace_id"], trace["trace_id_source"]["kind"]) == (name, "external_alias")
    assert (found["span_id"], found["span_id_source"]["kind"]) == (long, "aitrace_generated")
    assert (found["parent_span_id"], found["parent_span_id_source"]["kind"]) == (
        parent,
        "aitrace_generated",
    )
    assert path.name.startswith(aitrace_ids.otlp_trace_id(name).hex())


@pytest.mark.parametrize(("trusted", "expected"), [(False, "node://worker@host"), (True, "mine")])
def test_a_span_may_name_its_node_where_that_is_allowed(
    tmp_path: Path, *, trusted: bool, expected: str
) -> None:
    """By default the recorder's word counts; an attribute may win by configuration."""
    made = request(ROOT, CHILD, attributes=0)
    first, second = made.resource_spans[0].scope_spans[0].spans
    first.attributes.add(key="source_node_ref").value.string_value = "mine"
    second.attributes.add(key="source_node_ref").value.string_value = "  "
    bench = benched(tmp_path, delivering(records(contents(made))), trust_span_node=trusted)
    ((trace, _, _),) = bench.pairs()
    assert [span["source_node_ref"] for span in trace["spans"]] == [expected, "node://worker@host"]


def test_nothing_that_a_client_chose_is_in_a_name(tmp_path: Path) -> None:
    """Hostile names stay inside the document; file names are hex and digits."""
    made = request(ROOT, attributes=0)
    span = made.resource_spans[0].scope_spans[0].spans[0]
    span.name = "../../etc/passwd\0" + "x" * 4096
    span.attributes.add(key=aitrace_ids.TRACE_KEY).value.string_value = "../../up"
    made.resource_spans[0].resource.attributes[0].value.string_value = "../s\0"
    bench = benched(tmp_path, delivering(records(contents(made))))
    ((trace, _, path),) = bench.pairs()
    assert trace["spans"][0]["name"] == span.name
    assert set(path.name.removesuffix(".json")) <= set("0123456789abcdef_-")
    assert {one.name for one in tmp_path.iterdir()} <= {
        "traces", "pending.sqlite3", "pending.sqlite3-wal",
    }  # fmt: skip


def test_a_trace_waits_for_its_root_and_for_quiet(tmp_path: Path) -> None:
    """Children alone wait for ``idle``; with the root, ``quiet`` after the newest span decides."""

    async def test(bench: Bench) -> None:
        child, root, late = records(contents(request(CHILD), request(ROOT), request(b"latelate")))
        await bench.sink.deliver([child])
        await bench.passed(59)
        assert not bench.pairs()
        await bench.sink.deliver([root])
        await bench.passed(1)
        await bench.sink.deliver([late])
        await bench.passed(1)
        assert not bench.pairs()
        await bench.passed(1)
        ((trace, _, _),) = bench.pairs()
        assert [span["sidespan"]["lsn"] for span in trace["spans"]] == ["1", "2", "3"]

    benched(tmp_path, test)


def test_a_trace_without_a_root_is_written_when_idle(tmp_path: Path) -> None:
    """A root that never comes holds nothing back for good."""
    bench = benched(tmp_path, delivering(records(contents(request(CHILD))), seconds=60))
    assert len(bench.pairs()) == 1


def test_late_spans_make_a_file_of_all(tmp_path: Path) -> None:
    """A file that is there is not changed; a second one has the whole trace."""

    async def test(bench: Bench) -> None:
        first, second = records(contents(request(ROOT), request(CHILD)))
        await bench.sink.deliver([first])
        await bench.passed(2)
        ((_, _, path),) = bench.pairs()
        before = path.read_bytes()
        await bench.passed(599)
        await bench.sink.deliver([second])
        await bench.passed(2)
        assert path.read_bytes() == before
        assert [len(trace["spans"]) for trace, _, _ in bench.pairs()] == [1, 2]

    benched(tmp_path, test)


def test_a_trace_is_forgotten_after_a_while(tmp_path: Path) -> None:
    """Disk and memory do not grow with what was written; what comes then stands alone."""

    async def test(bench: Bench) -> None:
        first, second = records(contents(request(ROOT), request(CHILD)))
        await bench.sink.deliver([first])
        await bench.passed(2)
        await bench.passed(600)
        await bench.sink.deliver([second])
        await bench.passed(60)
        spans = [
            [one["sidespan"]["lsn"] for one in trace["spans"]] for trace, _, _ in bench.pairs()
        ]
        assert sorted(spans) == [["1"], ["2"]]

    benched(tmp_path, test)


def test_a_long_trace_has_several_files(tmp_path: Path) -> None:
    """At its largest size a file is written at once, and what follows goes into the next."""
    many = records(contents(*(request(bytes([number]) * 8) for number in range(1, 6))))
    bench = benched(tmp_path, delivering(many[:2], many[2:], seconds=60), spans_max=2)
    spans = sorted(len(trace["spans"]) for trace, _, _ in bench.pairs())
    assert sum(spans) == 5
    assert max(spans) <= 3


def test_a_restart_loses_and_repeats_nothing(tmp_path: Path) -> None:
    """What waited is written in the next life, once, however often it is delivered."""
    batch = records(contents(request(ROOT), request(CHILD)))
    assert not benched(tmp_path, delivering(batch, seconds=0)).pairs()

    bench = benched(tmp_path, delivering(batch))
    ((trace, _, path),) = bench.pairs()
    assert len(trace["spans"]) == 2
    before = path.read_bytes()

    # Even when the database is lost: the name says what is in the file.
    (tmp_path / "pending.sqlite3").unlink()
    bench = benched(tmp_path, delivering(batch))
    assert [path.read_bytes() for _, _, path in bench.pairs()] == [before]


def test_a_pair_that_a_crash_cut_is_completed(tmp_path: Path) -> None:
    """A file without its receipt, or half a file, is written again."""
    batch = records(contents(request(ROOT)))
    bench = benched(tmp_path, delivering(batch))
    ((_, _, path),) = bench.pairs()
    path.with_name(path.name.removesuffix(".json") + ".evidence.json").unlink()
    (tmp_path / "traces" / f".{path.name}.tmp").write_bytes(b"{")
    (tmp_path / "pending.sqlite3").unlink()

    bench = benched(tmp_path, delivering(batch))

    ((_, receipt, path),) = bench.pairs()
    assert receipt["trace_artifact_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert len(list(bench.directory.iterdir())) == 2


def test_what_waits_is_written_without_a_further_delivery(tmp_path: Path) -> None:
    """The sink watches the clock itself."""

    async def test(bench: Bench) -> None:
        await bench.sink.deliver(records(contents(request(ROOT))))
        await eventually(lambda: len(bench.pairs()) == 1, "the file")

    benched(tmp_path, test, waits=Waits(quiet=0.0, idle=0.0, late=0.0))


def test_a_disk_that_fails_is_told_and_tried_again(tmp_path: Path) -> None:
    """While the directory cannot be written the sink says Retry; afterwards all is there."""

    async def test(bench: Bench) -> None:
        batch = records(contents(request(ROOT)))
        outcome = await bench.sink.deliver(batch)
        assert isinstance(outcome, Retry)
        assert str(bench.directory) in outcome.reason
        bench.directory.unlink()
        assert await bench.sink.deliver(batch) == Delivered()
        await bench.passed(2)
        assert len(bench.pairs()) == 1

    (tmp_path / "traces").write_bytes(b"")
    benched(tmp_path, test)


def gone(first: int, last: int) -> Gap:
    """Return redacted records."""
    return Gap(1, LINEAGE, first, last, "redacted")


def bytes_below(place: Path) -> bytes:
    """Return all that is in the files below a directory."""
    return b"".join(path.read_bytes() for path in place.rglob("*") if path.is_file())


def test_what_is_redacted_is_in_no_file(tmp_path: Path) -> None:
    """Files, receipts and the database lose the spans; what is left is whole and verifiable."""
    secret = "s3cret" * 20
    hiding = request(CHILD)
    span = hiding.resource_spans[0].scope_spans[0].spans[0]
    span.attributes.add(key="a").value.string_value = secret
    hiding.resource_spans[0].resource.attributes.add(key="b").value.string_value = secret
    alone = request(ROOT, trace_id=bytes(15) + b"\1")
    alone.resource_spans[0].scope_spans[0].spans[0].name = secret
    waiting = request(CHILD, trace_id=bytes(15) + b"\2")
    waiting.resource_spans[0].scope_spans[0].spans[0].name = secret

    async def test(bench: Bench) -> None:
        batch = records(contents(hiding, request(ROOT), alone, waiting))
        await bench.sink.deliver(batch)
        await bench.passed(2)
        assert secret.encode() in bytes_below(tmp_path)
        for _ in range(2):
            await bench.sink.erase([gone(1, 1), gone(3, 4)])
            assert secret.encode() not in bytes_below(tmp_path)
        await bench.passed(60)

    bench = benched(tmp_path, test)
    ((trace, receipt, path),) = bench.pairs()
    assert [one["sidespan"]["lsn"] for one in trace["spans"]] == ["2"]
    assert (trace["metadata"], trace["redacted_span_count"]) == ({}, 1)
    assert receipt["trace_artifact_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert len(list(bench.directory.iterdir())) == 2


def test_an_erasure_that_a_crash_cut_is_completed(tmp_path: Path) -> None:
    """A file that lost spans and has no receipt yet gets one when it is asked again."""

    async def test(bench: Bench) -> None:
        await bench.sink.deliver(records(contents(request(ROOT), request(CHILD))))
        await bench.passed(2)
        await bench.sink.erase([gone(1, 1)])
        ((_, receipt, path),) = bench.pairs()
        (bench.directory / receipt["evidence_receipt_ref"]).unlink()
        await bench.sink.erase([gone(1, 1)])
        ((_, receipt, path),) = bench.pairs()
        assert receipt["trace_artifact_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()

    benched(tmp_path, test)


def test_files_of_somebody_else_are_left_alone(tmp_path: Path) -> None:
    """An erasure reads what is in the directory, and changes only what the sink wrote."""
    (tmp_path / "traces").mkdir()
    strangers = {"a.json": b"{}", "b.json": b"\xff", "c.txt": b"x", "d.json": b'{"spans":[{}]}'}
    for name, body in strangers.items():
        (tmp_path / "traces" / name).write_bytes(body)

    async def test(bench: Bench) -> None:
        await bench.sink.erase([gone(1, 9)])

    bench = benched(tmp_path, test)
    assert {path.name: path.read_bytes() for path in bench.directory.iterdir()} == strangers
