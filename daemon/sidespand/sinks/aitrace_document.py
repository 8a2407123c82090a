"""The JSON of AITrace's file exporter: a trace, its spans, and the receipt beside it. Pure.

Every field of ``aitrace.file_export.v1`` and ``aitrace.file_export_evidence.v1`` is there under its
own name. One is added: ``sidespan`` of a span holds its stamp, and what AITrace has no field for.
Times are the sender's, in microseconds since the Unix epoch; ``clock_domain.time_source`` says so.
Source: AITrace 0.2.0, file exporter.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from sidespand import hlc
from sidespand.hlc import Hlc
from sidespand.model import ControlBody, Record
from sidespand.seed import IDENTITY, commit_hlc, commit_lsn, durable_posture
from sidespand.sinks import aitrace_ids, span_json
from sidespand.sinks.aitrace_bounds import EXPORT_BOUNDS

Document = dict[str, Any]

SCHEMA: Final = "aitrace.file_export.v1"
EVIDENCE_SCHEMA: Final = "aitrace.file_export_evidence.v1"
RECEIPT_SUFFIX: Final = ".evidence.json"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_WALL_NS_MAX: Final = 253_402_300_799 * 10**9
_PROOF_CONTEXTS: Final = ("audit", "incident", "replay", "review", "release_manifest")
_PROOF_REQUIRES: Final = (
    "durable_trace_artifact",
    "trace_artifact_sha256",
    "release_manifest_ref_or_evidence_owner_ref",
)
_NODE_REQUIRES: Final = ("source_node_ref", "trace_id_plus_node_order_evidence")


@dataclass(frozen=True, slots=True)
class Anchors:
    """What makes an export evidence that somebody answers for; None where nobody does.

    Args:
        release_manifest_ref: The release that the trace belongs to.
        evidence_owner_ref: Who owns the evidence.
    """

    release_manifest_ref: str | None = None
    evidence_owner_ref: str | None = None


class Row(NamedTuple):
    """One span as it will stand in its trace's file.

    Args:
        trace_id: Its OTLP id, 16 bytes.
        lsn: Its own.
        is_root: It has no parent.
        start_ns: The sender's clock.
        stamp: Its own.
        span: The document.
        trace: What it says of its trace: ``trace_id``, its source, and ``metadata``.
    """

    trace_id: bytes
    lsn: int
    is_root: bool
    start_ns: int
    stamp: Hlc
    span: Document
    trace: Document


def rows(record: Record, generation: ControlBody, *, trust_span_node: bool) -> Iterator[Row]:
    """Yield the spans of a record in LSN order.

    Args:
        record: Of kind SPANS, with its payload.
        generation: Body of the GEN record of the generation that recorded it.
        trust_span_node: A span's own attribute ``source_node_ref`` wins over the recorder's.
    """
    header = record.header
    assert record.payload is not None
    request = ExportTraceServiceRequest.FromString(record.payload)
    node = str(generation.get("source_node_ref", ""))
    clock = _clock_domain(generation, node)
    index = 0
    for resource_spans in request.resource_spans:
        resource = span_json.attributes(resource_spans.resource.attributes)
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                lsn = header.first_lsn + index
                stamp = hlc.nth(header.stamp, index)
                index += 1
                fields = _span(span, clock)
                own = fields["attributes"].get("source_node_ref")
                trusted = trust_span_node and isinstance(own, str) and own.strip()
                fields["source_node_ref"] = own if trusted else node
                fields["sidespan"] = {
                    "lineage": header.lineage.hex(),
                    "boot_generation": header.boot_generation,
                    "lsn": str(lsn),
                    "hlc": hlc.text(stamp),
                    "scope": scope_spans.scope.name,
                    **_beyond(span),
                }
                name, source = aitrace_ids.trace_id(
                    span.trace_id, fields["attributes"].get(aitrace_ids.TRACE_KEY)
                )
                trace = {"trace_id": name, "trace_id_source": source, "metadata": resource}
                is_root = not any(span.parent_span_id)
                start_ns = span.start_time_unix_nano
                yield Row(span.trace_id, lsn, is_root, start_ns, stamp, fields, trace)


def evidence(
    trace_id: str, generation: ControlBody, boot_generation: int, lsn: int, stamp: Hlc
) -> Document:
    """Return who recorded the newest span of a trace, and where: what trace and receipt share.

    Args:
        trace_id: AITrace's.
        generation: Body of its GEN record; empty when that was trimmed.
        boot_generation: Of that span.
        lsn: The same.
        stamp: The same.
    """
    node = str(generation.get("source_node_ref", ""))
    if not node:
        return {"clock_domain": _clock_domain(generation, node)}
    identity = {field: generation[field] for field in IDENTITY if generation.get(field)}
    return {
        "clock_domain": _clock_domain(generation, node),
        "source_node_ref": node,
        "node_evidence": {**identity, "boot_generation": boot_generation},
        "node_order_evidence": {
            "trace_id": trace_id,
            "source_node_ref": node,
            "commit_lsn": commit_lsn(lsn),
            "commit_hlc": commit_hlc(stamp, node),
        },
    }


def head(
    trace: Mapping[str, Any],
    shared: Mapping[str, Any],
    start_ns: int,
    anchors: Anchors,
    exported_ns: int,
) -> Document:
    """Return a trace's document without its ``spans``.

    Args:
        trace: ``Row.trace`` of the span that speaks for it.
        shared: What ``evidence`` returned.
        start_ns: Of its earliest span.
        anchors: Of the sink.
        exported_ns: Now, since the Unix epoch.
    """
    return {
        "exporter_schema_version": SCHEMA,
        "export_bounds": EXPORT_BOUNDS,
        "export_persistence_posture": durable_posture("export"),
        "trace_persistence_posture": durable_posture("trace"),
        "replay_addressable?": True,
        "release_manifest_ref": anchors.release_manifest_ref,
        "exported_at_wall_time": wall_time(exported_ns),
        **trace,
        "created_at": start_ns // 1000,
        "created_at_wall_time": wall_time(start_ns),
        **shared,
    }


def receipt(
    trace: Mapping[str, Any], name: str, sha256: str, size: int, owner: str | None
) -> Document:
    """Return the receipt of a trace's file.

    Args:
        trace: The document of the trace; its spans are not looked at.
        name: Of the file, which ends with ``.json``.
        sha256: Of its bytes, lower hex.
        size: Of it, in bytes.
        owner: ``evidence_owner_ref``.
    """
    manifest = trace["release_manifest_ref"]
    anchored = bool(manifest or owner)
    node = [key for key in ("source_node_ref",) if trace.get(key)]
    shared = ("source_node_ref", "node_evidence", "node_order_evidence")
    return {
        "evidence_schema_version": EVIDENCE_SCHEMA,
        "exporter_schema_version": SCHEMA,
        "trace_id": trace["trace_id"],
        "trace_id_source": trace["trace_id_source"],
        "trace_artifact_ref": name,
        "evidence_receipt_ref": receipt_name(name),
        "trace_artifact_sha256": sha256,
        "trace_artifact_bytes": size,
        "hash_algorithm": "sha256",
        "release_manifest_ref": manifest,
        "evidence_owner_ref": owner,
        "trace_persistence_posture": trace["trace_persistence_posture"],
        "export_persistence_posture": trace["export_persistence_posture"],
        "exported_at_wall_time": trace["exported_at_wall_time"],
        "proof_posture": {
            "authoritative_evidence?": anchored,
            "evidence_anchor": "durable_trace_artifact",
            "release_manifest_linked?": bool(manifest),
            "evidence_owner_anchored?": bool(owner),
            "proof_contexts": list(_PROOF_CONTEXTS),
            "requires": [*_PROOF_REQUIRES, *(_NODE_REQUIRES if node else ())],
            "safe_action": (
                "cite_evidence_receipt"
                if anchored
                else "release_manifest_ref_or_evidence_owner_ref_required_for_authoritative_proof"
            ),
        },
        **{key: trace[key] for key in shared if key in trace},
    }


def receipt_name(name: str) -> str:
    """Return the name of the receipt beside ``name``, which ends with ``.json``."""
    return name.removesuffix(".json") + RECEIPT_SUFFIX


def wall_time(unix_ns: int) -> str:
    """Return an ISO 8601 time of UTC with microseconds; the year 9999 for what lies beyond."""
    moment = _EPOCH + timedelta(microseconds=min(unix_ns, _WALL_NS_MAX) // 1000)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _span(span: Span, clock: Document) -> Document:
    attributes = span_json.attributes(span.attributes)
    own, source = aitrace_ids.span_id(span.span_id, attributes.get(aitrace_ids.SPAN_KEY))
    parent, parent_source = None, None
    if any(span.parent_span_id):
        parent, parent_source = aitrace_ids.span_id(
            span.parent_span_id, attributes.get(aitrace_ids.PARENT_KEY)
        )
        parent_source["id_type"] = "parent_span_id"
    start_ns, end_ns = span.start_time_unix_nano, span.end_time_unix_nano
    return {
        "span_id": own,
        "span_id_source": source,
        "parent_span_id": parent,
        "parent_span_id_source": parent_source,
        "name": span.name,
        "start_time": start_ns // 1000,
        "start_wall_time": wall_time(start_ns),
        "end_time": end_ns // 1000 if end_ns else None,
        "end_wall_time": wall_time(end_ns) if end_ns else None,
        "duration_microseconds": (end_ns - start_ns) // 1000 if end_ns else None,
        "clock_domain": clock,
        "persistence_posture": durable_posture("span"),
        "attributes": attributes,
        "events": [
            {
                "name": event.name,
                "timestamp": event.time_unix_nano // 1000,
                "wall_time": wall_time(event.time_unix_nano),
                "clock_domain": clock,
                "persistence_posture": durable_posture("event"),
                "attributes": span_json.attributes(event.attributes),
            }
            for event in span.events
        ],
        "status": "error" if span.status.code == Status.STATUS_CODE_ERROR else "ok",
    }


def _beyond(span: Span) -> Document:
    fields = span_json.span_fields(span)
    kept = ("kind", "links", "trace_state")
    return {"status_message": span.status.message, **{key: fields[key] for key in kept}}


def _clock_domain(generation: ControlBody, node: str) -> Document:
    started_ns = generation.get("started_at_ns", 0)
    unique = int.from_bytes(generation.get("incarnation", b""), "big")
    return {
        "node": node,
        "runtime_id": f"{node}:{started_ns}:{unique}",
        "monotonic_unit": "microsecond",
        "time_source": "sender_unix_epoch",
    }
