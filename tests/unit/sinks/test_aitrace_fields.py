"""Traces in AITrace's files: every field of both formats."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from sidespand.hlc import nth
from sidespand.model import Record
from sidespand.sinks import aitrace_ids
from sidespand.sinks.aitrace_document import Anchors, wall_time
from tests.journals import records
from tests.otlp import START_NS
from tests.unit.sinks.aitracing import (
    CHILD,
    ROOT,
    TRACE,
    Bench,
    benched,
    contents,
    delivering,
    request,
)

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
    blocked = bounds.pop("trace_attribute_blocklist")
    assert (len(blocked), bounds.pop("hash_or_tokenize_fields")) == (37, blocked)
    assert bounds == {
        "schema_version": "aitrace.export_bounds.v1",
        "trace_attribute_allowlist": "json_safe_ascii_key_chars_1_to_64",
        "max_attributes_per_map": 32,
        "max_attribute_key_bytes": 64,
        "max_attribute_value_bytes": 512,
        "max_collection_items": 16,
        "max_map_depth": 2,
        "sample_policy": "always_keep_security",
        "default_capture_level_ref": "capture-level://redacted-memory-ring",
        "optional_capture_off_ref": "capture-level://off",
        "redaction_policy_ref": "aitrace.export_bounds.redact_hash.v1",
        "spillover_artifact_policy": "aitrace.export_spillover.sha256_ref.v1",
        "overflow_safe_action": "spill_to_artifact_ref",
    }


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
