"""What leaves at each level, of every signal, and who gets what names its sinks."""

import ast
import os
import re
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from sidespand.config import Capture
from sidespand.errors import StoreUnreadable
from sidespand.governed import GOVERNED, SINKS, declare
from sidespand.model import Kind
from sidespand.otlp_places import parse
from sidespand.sinks import span_json
from sidespand.sinks.policy import load_salt
from sidespand.sinks.policy_keys import SUMMARY_KEY
from tests.otlp import export_request
from tests.unit.admission.test_capture import GOLDEN, docstrings
from tests.unit.sinks.policies import (
    SINK,
    let_out,
    policy,
    put,
    record_of,
    redacted,
    request_of,
    span_of,
)

SAID = "what was said"
SECRET = "sk-live-0123456789"
TOMBSTONE = re.compile(r"\[REDACTED: sha256:[0-9a-f]{64}\]")


def conversation() -> ExportTraceServiceRequest:
    """Return a request with something said wherever it can stand."""
    request = export_request(3)
    resource_spans = request.resource_spans[0]
    span = span_of(request)
    put(resource_spans.resource.attributes, {"prompt": SAID})
    put(resource_spans.scope_spans[0].scope.attributes, {"prompt": SAID})
    put(span.attributes, {"gen_ai.input.messages": SAID, "gen_ai.request.model": "m"})
    put(span.events.add(name="gen_ai.user.message").attributes, {"x": SAID, "gen_ai.system": "s"})
    put(span.links.add(trace_id=os.urandom(16)).attributes, {"prompt": SAID})
    span.status.code, span.status.message = 2, SAID
    return request


def skeleton(request: ExportTraceServiceRequest) -> list[Any]:
    """Return what no policy touches: ids, times, kinds, names, codes, and their order."""
    return [
        (
            span.trace_id, span.span_id, span.name, span.kind, span.start_time_unix_nano,
            span.end_time_unix_nano, span.status.code, [event.name for event in span.events],
            [link.trace_id for link in span.links],
        )
        for resource_spans in request.resource_spans
        for scope_spans in resource_spans.scope_spans
        for span in scope_spans.spans
    ]  # fmt: skip


class TestLevels:
    """From nothing to everything."""

    def test_full_is_the_very_record(self) -> None:
        """Not a copy: the way of its bytes to the sink stays the fast one."""
        record = record_of(conversation())
        assert policy(Capture.FULL, SECRET).apply(record).record is record

    def test_off_is_nothing(self) -> None:
        """Of any signal, and of control records."""
        for kind in (Kind.SPANS, Kind.MARKS, Kind.LOGS, Kind.METRICS, Kind.ABANDONED):
            record = record_of(conversation(), kind)
            assert policy(Capture.OFF).apply(record).record is None

    @pytest.mark.parametrize("capture", [Capture.METADATA, Capture.REDACTED])
    def test_nothing_that_was_said_leaves(self, capture: Capture) -> None:
        """From any place; what is not content is as it was."""
        request = conversation()
        released = policy(capture).apply(record_of(request))
        out = let_out(request, by=policy(capture))

        assert released.changed_values == 6
        assert SAID not in str(out)
        assert skeleton(out) == skeleton(request)
        assert '"gen_ai.request.model"' in str(out)
        assert '"gen_ai.system"' in str(out)

    def test_metadata_leaves_no_hash(self) -> None:
        """Of what was left out only the count remains."""
        out = let_out(conversation(), by=policy(Capture.METADATA))

        assert "sha256" not in str(out)
        assert span_of(out).status.message == ""
        for holder in (out.resource_spans[0].resource, span_of(out), span_of(out).links[0]):
            assert holder.dropped_attributes_count == 1

    def test_redacted_names_the_surface(self) -> None:
        """Of each place there is a summary of its own; a message is a tombstone."""
        out = let_out(conversation())
        resource_spans, span = out.resource_spans[0], span_of(out)
        surfaces = {
            "trace_metadata": resource_spans.resource,
            "scope_attributes": resource_spans.scope_spans[0].scope,
            "span_attributes": span,
            "event_attributes": span.events[0],
            "link_attributes": span.links[0],
        }

        for surface, holder in surfaces.items():
            summary = span_json.attributes(holder.attributes)[SUMMARY_KEY]
            assert (summary["surface"], summary["count"]) == (surface, 1)
        assert TOMBSTONE.fullmatch(span.status.message)

    def test_a_name_is_as_long_as_a_value(self) -> None:
        """A longer one may hold anything."""
        request = export_request(1)
        span_of(request).name = "n" * 512
        span_of(request).events.add(name="e" * 513)
        out = span_of(let_out(request))

        assert out.name == "n" * 512
        assert TOMBSTONE.fullmatch(out.events[0].name)
        assert span_of(let_out(request, by=policy(Capture.METADATA))).events[0].name == ""

    @pytest.mark.parametrize("capture", [Capture.METADATA, Capture.REDACTED])
    def test_what_is_hidden_from_parsing_does_not_leave(self, capture: Capture) -> None:
        """Fields that nobody knows, and an earlier value of one that may be there once."""
        span = span_of(export_request(1))
        said = SAID.encode()
        unknown = b"\xfa\x3f" + bytes([len(said)]) + said
        twice = b"\x2a" + bytes([len(said)]) + said + b"\x2a\x01x"
        encoded = span.SerializeToString() + unknown + twice
        scope = b"\x12" + _length(encoded) + encoded
        group = b"\x12" + _length(scope) + scope
        payload = b"\x0a" + _length(group) + group
        request = ExportTraceServiceRequest.FromString(payload)
        assert said in payload
        assert said in request.SerializeToString()
        released = policy(capture).apply(record_of(request)).record

        assert released is not None
        assert said not in (released.payload or b"")

    def test_what_was_redacted_once_stays_as_it_is(self) -> None:
        """A second node on the way sees refs, and nothing in them is content."""
        found = redacted({"a": "x" * 600, "b": 1})
        assert redacted({"a": found["a"], "b": 1}) == {"a": found["a"], "b": 1}


@pytest.mark.parametrize("capture", [Capture.METADATA, Capture.REDACTED])
def test_real_instrumentations_say_nothing(capture: Capture) -> None:
    """Of what was said in their captured traffic nothing leaves, in any dialect."""
    tree = ast.parse((GOLDEN / "exchanges.py").read_text(encoding="utf-8"))
    texts = {
        node.value.encode()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if " " in node.value and node.value.isprintable() and len(node.value) > 12
    } - docstrings(tree)
    paths = sorted(GOLDEN.rglob("*.pb"))
    said = {text for path in paths for text in texts if text in path.read_bytes()}
    assert len(said) >= 10
    changed = 0
    for path in paths:
        kind = Kind.LOGS if path.name.endswith(".logs.pb") else Kind.SPANS
        released = policy(capture).apply(record_of(parse(kind, path.read_bytes()), kind))
        assert released.record is not None
        changed += released.changed_values
        payload = released.record.payload or b""
        assert [text for text in texts if text in payload] == [], path
    assert changed > 100


class TestOtherSignals:
    """Logs and metrics."""

    @staticmethod
    def logs() -> ExportLogsServiceRequest:
        """Return one log record with a body and an attribute of content."""
        request = ExportLogsServiceRequest()
        log = request.resource_logs.add().scope_logs.add().log_records.add(severity_number=9)
        log.body.string_value = SAID
        put(log.attributes, {"prompt": SAID, "code.lineno": 7})
        return request

    def test_the_body_of_a_log_is_content(self) -> None:
        """A ref stands for it, and the summary beside it lists that too."""
        out = let_out(self.logs(), Kind.LOGS)
        log = out.resource_logs[0].scope_logs[0].log_records[0]
        body = span_json.value(log.body)
        found = span_json.attributes(log.attributes)

        assert (body["surface"], body["original_bytes"]) == ("log_body", len(SAID))
        assert found[SUMMARY_KEY]["refs"][0] == body
        assert found[SUMMARY_KEY]["count"] == 2
        assert found["code.lineno"] == 7
        assert SAID not in str(out)

    def test_metadata_has_no_body(self) -> None:
        """Severity and facts stay."""
        out = let_out(self.logs(), Kind.LOGS, policy(Capture.METADATA))
        log = out.resource_logs[0].scope_logs[0].log_records[0]

        assert not log.HasField("body")
        assert (log.severity_number, len(log.attributes)) == (9, 1)

    def test_a_series_of_a_metric_stays_one(self) -> None:
        """What is blocked is left out of points and exemplars, without a hash that changes."""
        request = ExportMetricsServiceRequest()
        metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="m")
        point = metric.sum.data_points.add(as_int=3)
        put(point.attributes, {"prompt": SAID, "model": "m"})
        put(point.exemplars.add().filtered_attributes, {"prompt": SAID})
        put(metric.metadata, {"prompt": SAID})
        out = let_out(request, Kind.METRICS)

        found = out.resource_metrics[0].scope_metrics[0].metrics[0].sum.data_points[0]
        assert span_json.attributes(found.attributes) == {"model": "m"}
        assert found.as_int == 3
        assert SAID not in str(out)


class TestSecrets:
    """By value, wherever they stand."""

    @pytest.mark.parametrize("capture", [Capture.METADATA, Capture.REDACTED, Capture.FULL])
    def test_a_configured_secret_leaves_at_no_level(self, capture: Capture) -> None:
        """Not in a key, a name, a value, a list, bytes, a state or a version."""
        request = export_request(1, trace_state=f"v={SECRET}")
        span = span_of(request)
        span.name = f"call {SECRET}"
        span.status.message = SECRET
        put(span.attributes, {SECRET: 1, "a": f"x{SECRET}y", "b": [SECRET], "c": SECRET.encode()})
        request.resource_spans[0].schema_url = SECRET
        request.resource_spans[0].scope_spans[0].scope.version = SECRET
        released = policy(capture, SECRET).apply(record_of(request))

        assert released.record is not None
        assert SECRET.encode() not in (released.record.payload or b"")
        assert b"call <redacted>" in (released.record.payload or b"")
        assert released.changed_values >= 8

    def test_a_secret_in_a_field_that_nobody_knows_does_not_leave(self) -> None:
        """With full, too, where such fields else go through."""
        request = export_request(1)
        unknown = b"\xfa\x3f" + bytes([len(SECRET)]) + SECRET.encode()
        request.MergeFromString(unknown)
        record = policy(Capture.FULL, SECRET).apply(record_of(request)).record

        assert record is not None
        assert SECRET.encode() not in (record.payload or b"")
        assert unknown in (policy(Capture.FULL).apply(record_of(request)).record.payload or b"")  # type: ignore[union-attr]

    def test_a_secret_in_a_control_record_keeps_that_back(self) -> None:
        """Its body is not for rewriting."""
        record = record_of(export_request(1, service=SECRET), Kind.ABANDONED)

        assert policy(Capture.FULL, SECRET).apply(record).record is None
        assert policy(Capture.FULL).apply(record).record is record

    def test_a_bearer_token_is_scrubbed_unless_all_may_leave(self) -> None:
        """It needs no configuration."""
        said = {"http.header": "Authorization: Bearer abc.DEF-123=="}
        assert redacted(said) == {"http.header": "Authorization: <redacted>"}
        assert redacted(said, policy(Capture.METADATA)) == redacted(said)
        assert redacted(said, policy(Capture.FULL)) == said


class TestGoverned:
    """Records that name their sinks."""

    @staticmethod
    def naming(*sinks: str) -> ExportTraceServiceRequest:
        """Return a governed request."""
        request = request_of({"prompt": SAID, "a": "x" * 600, "model": "m"})
        declare(request.resource_spans[0].resource, frozenset(sinks))
        return request

    @pytest.mark.parametrize("capture", [Capture.METADATA, Capture.REDACTED, Capture.FULL])
    def test_they_go_to_the_sinks_that_they_name_alone(self, capture: Capture) -> None:
        """Whatever the sink's level is."""
        own, other = record_of(self.naming("archive", SINK)), record_of(self.naming("archive"))

        assert policy(capture).apply(own).record is not None
        assert policy(capture).apply(other).record is None

    def test_a_record_that_should_have_been_taken_apart_goes_where_all_of_it_may(self) -> None:
        """Such as one of an older version."""
        mixed = self.naming(SINK)
        mixed.MergeFrom(self.naming("archive"))
        unclear = self.naming(SINK)
        put(unclear.resource_spans[0].resource.attributes, {GOVERNED: True})
        nowhere = request_of({})
        put(nowhere.resource_spans[0].resource.attributes, {SINKS: SINK})
        for request in (mixed, unclear, nowhere):
            assert policy(Capture.FULL).apply(record_of(request)).record is None

    def test_what_only_mentions_the_marker_is_not_governed(self) -> None:
        """In a value, or on a span."""
        request = request_of({"note": f"{GOVERNED} and {SINKS}", GOVERNED: True})
        record = record_of(request)

        assert policy(Capture.FULL).apply(record).record is record

    def test_tombstones_keep_the_keys_of_what_they_stand_for(self) -> None:
        """Also of keys inside maps, where the seed's own would fail."""
        request = self.naming(SINK)
        put(
            span_of(request).attributes, {"map": {"token": SAID, "x": 1}, "list": [SAID, "y" * 600]}
        )
        found = span_json.attributes(span_of(let_out(request)).attributes)

        for value in (found["prompt"], found["a"], found["map"]["token"], found["list"][1]):
            assert TOMBSTONE.fullmatch(value)
        assert (found["model"], found["map"]["x"], found["list"][0]) == ("m", 1, SAID)
        assert SUMMARY_KEY not in found


class TestSalt:
    """Of the store."""

    def test_it_is_drawn_once(self, tmp_path: Path) -> None:
        """32 bytes that only its owner may read."""
        path = tmp_path / "spill.salt"
        salt = load_salt(path)

        assert len(salt) == 32
        assert load_salt(path) == salt
        assert load_salt(tmp_path / "other.salt") != salt
        assert path.stat().st_mode & 0o777 == 0o600

    def test_a_damaged_one_stops_the_worker(self, tmp_path: Path) -> None:
        """It is not replaced without a word."""
        path = tmp_path / "spill.salt"
        path.write_bytes(b"short")
        with pytest.raises(StoreUnreadable, match=r"spill.salt is no salt of 32 bytes"):
            load_salt(path)
        assert path.read_bytes() == b"short"
        with pytest.raises(StoreUnreadable, match=r"Not a directory"):
            load_salt(path / "below")


def _length(body: bytes) -> bytes:
    """Return a length of less than 16,384 as a varint of two bytes."""
    return bytes([len(body) & 0x7F | 0x80, len(body) >> 7])
