"""Capture at the node: without content, or nothing at all."""

import ast
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from sidespand.admission import MetadataAdmission, NothingAdmission, OtlpAdmission
from sidespand.errors import InvalidRequest
from sidespand.model import EdgeType, Kind
from tests.otlp import encoded, export_request
from tests.unit.admission.test_edges import cite, token

GOLDEN = Path(__file__).parents[2] / "golden/emitters"
METADATA = MetadataAdmission(OtlpAdmission())
SAID = "what was said"


def put(holder: Any, **texts: str) -> None:
    """Add attributes; ``__`` stands for a dot."""
    for key, text in texts.items():
        attribute = holder.attributes.add(key=key.replace("__", "."))
        attribute.value.string_value = text


def keys(holder: Any) -> list[str]:
    """Return the keys of the attributes."""
    return [attribute.key for attribute in holder.attributes]


def kept_spans(request: ExportTraceServiceRequest, removed: int) -> ExportTraceServiceRequest:
    """Return what is stored of a request of which so many values are left out."""
    admitted = METADATA.admit(Kind.SPANS, request.SerializeToString())
    assert admitted.removed_values == removed
    return ExportTraceServiceRequest.FromString(admitted.contents[0].payload)


def span_of(request: ExportTraceServiceRequest) -> Span:
    """Return the first span."""
    return request.resource_spans[0].scope_spans[0].spans[0]


class TestMetadata:
    """Everything but content."""

    def test_what_has_no_content_is_stored_as_it_came(self) -> None:
        """The very bytes, and nothing is counted."""
        body = encoded(3)
        admitted = METADATA.admit(Kind.SPANS, body)

        assert admitted.contents[0].payload is body
        assert admitted.removed_values == 0

    def test_content_goes_from_every_list_of_attributes(self) -> None:
        """Of resource, scope, span, event and link; each says how many it lost."""
        request = export_request(1)
        scope_spans = request.resource_spans[0].scope_spans[0]
        span = scope_spans.spans[0]
        holders = [
            request.resource_spans[0].resource,
            scope_spans.scope,
            span,
            span.events.add(name="step"),
            span.links.add(),
        ]
        for holder in holders:
            put(holder, input__value=SAID, gen_ai__request__model="m", output__value=SAID)
        stored = kept_spans(request, 10)

        kept = stored.resource_spans[0].scope_spans[0]
        one = kept.spans[0]
        for holder in (
            stored.resource_spans[0].resource, kept.scope, one, one.events[0], one.links[0]
        ):  # fmt: skip
            assert keys(holder)[-1] == "gen_ai.request.model"
            assert holder.dropped_attributes_count == 2
        assert SAID not in str(stored)

    def test_an_exception_keeps_its_type(self) -> None:
        """Its message and stack trace may quote anything, and so may the text of a status."""
        request = export_request(1)
        span = span_of(request)
        event = span.events.add(name="exception")
        put(event, exception__type="ValueError", exception__message=SAID,
            exception__stacktrace=SAID)  # fmt: skip
        span.status.code, span.status.message = 2, SAID
        stored = span_of(kept_spans(request, 3))

        assert keys(stored.events[0]) == ["exception.type"]
        assert (stored.status.code, stored.status.message) == (2, "")

    def test_an_event_of_a_message_keeps_what_names_its_system(self) -> None:
        """Whatever its content is called."""
        request = export_request(1)
        put(span_of(request).events.add(name="gen_ai.user.message"),
            gen_ai__system="openai", content=SAID, new_name=SAID)  # fmt: skip
        stored = span_of(kept_spans(request, 2))

        assert keys(stored.events[0]) == ["gen_ai.system"]

    def test_content_inside_maps_goes_too(self) -> None:
        """However deep, through lists as well."""
        request = export_request(1)
        outer = span_of(request).attributes.add(key="call").value.kvlist_value
        inner = outer.values.add(key="steps").value.array_value.values.add().kvlist_value
        inner.values.add(key="prompt").value.string_value = SAID
        inner.values.add(key="model").value.string_value = "m"
        stored = kept_spans(request, 1)

        assert SAID not in str(stored)
        assert '"model"' in str(stored)

    def test_the_body_of_a_log_goes(self) -> None:
        """Severity, event name and facts stay."""
        request = ExportLogsServiceRequest()
        log = request.resource_logs.add().scope_logs.add().log_records.add(severity_number=9)
        log.event_name = "gen_ai.choice"
        log.body.kvlist_value.values.add(key="message").value.string_value = SAID
        put(log, gen_ai__system="openai", content=SAID)
        admitted = METADATA.admit(Kind.LOGS, request.SerializeToString())

        assert admitted.removed_values == 2
        stored = ExportLogsServiceRequest.FromString(admitted.contents[0].payload)
        kept = stored.resource_logs[0].scope_logs[0].log_records[0]
        assert not kept.HasField("body")
        assert (kept.severity_number, kept.event_name, keys(kept)) == (
            9, "gen_ai.choice", ["gen_ai.system"]
        )  # fmt: skip

    def test_metrics_lose_it_in_points_and_exemplars(self) -> None:
        """Where nobody should have put it."""
        request = ExportMetricsServiceRequest()
        metrics = request.resource_metrics.add().scope_metrics.add().metrics
        point = metrics.add(name="m").gauge.data_points.add()
        put(point, input__value=SAID, model="m")
        exemplar = point.exemplars.add().filtered_attributes.add(key="prompt")
        exemplar.value.string_value = SAID
        metrics.add(name="no data")
        summary = metrics.add(name="s").summary.data_points.add()
        put(summary, output__value=SAID)
        admitted = METADATA.admit(Kind.METRICS, request.SerializeToString())

        assert admitted.removed_values == 3
        assert SAID.encode() not in admitted.contents[0].payload

    def test_a_full_count_of_dropped_attributes_stays_full(self) -> None:
        """A hostile count does not overflow."""
        request = export_request(1)
        span_of(request).dropped_attributes_count = 2**32 - 1
        put(span_of(request), input__value=SAID)

        assert span_of(kept_spans(request, 1)).dropped_attributes_count == 2**32 - 1

    def test_tokens_are_still_found(self) -> None:
        """Evidence is no content: edges keep their items, and citations stay."""
        request = export_request(2)
        second = request.resource_spans[0].scope_spans[0].spans[1]
        put(second, input__value=SAID)
        cite(second, token(7))
        (one,) = METADATA.admit(Kind.SPANS, request.SerializeToString()).contents

        assert [(edge.type, edge.item_index, edge.lsn) for edge in one.edges] == [
            (EdgeType.CITED, 1, 7)
        ]
        assert b"sidespan.cites" in one.payload

    def test_what_is_malformed_is_refused_all_the_same(self) -> None:
        """The checks are those of every node."""
        with pytest.raises(InvalidRequest):
            METADATA.admit(Kind.SPANS, b"\xff")

    @pytest.mark.slow
    def test_nothing_that_was_said_to_real_emitters_is_left(self) -> None:
        """Of the captured traffic of real instrumentations, no prompt, answer or result stays."""
        tree = ast.parse((GOLDEN / "exchanges.py").read_text(encoding="utf-8"))
        texts = {
            node.value.encode()
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
            if " " in node.value and node.value.isprintable() and len(node.value) > 12
        } - docstrings(tree)
        found = {text for path in GOLDEN.rglob("*.pb") for text in texts
                 if text in path.read_bytes()}  # fmt: skip
        assert len(found) >= 10
        removed = 0
        for path in sorted(GOLDEN.rglob("*.pb")):
            kind = Kind.LOGS if path.name.endswith(".logs.pb") else Kind.SPANS
            admitted = METADATA.admit(kind, path.read_bytes())
            removed += admitted.removed_values
            payload = admitted.contents[0].payload
            assert [text for text in texts if text in payload] == [], path
        assert removed > 100


def docstrings(tree: ast.Module) -> set[bytes]:
    """Return what is written for readers of the file."""
    documented = [node for node in ast.walk(tree)
                  if isinstance(node, ast.Module | ast.FunctionDef)]  # fmt: skip
    return {(ast.get_docstring(node, clean=False) or "").encode() for node in documented}


def test_off_takes_everything_and_keeps_nothing() -> None:
    """Good or malformed: there is nothing to be stored, and nothing is refused."""
    off = NothingAdmission()
    for kind in (Kind.SPANS, Kind.MARKS, Kind.LOGS, Kind.METRICS):
        for body in (b"", b"\xff", encoded(2)):
            admitted = off.admit(kind, body)
            assert (admitted.contents, admitted.rejected_items) == ((), 0)
            assert off.carries_error(kind, body)
            off.withdraw(admitted)
