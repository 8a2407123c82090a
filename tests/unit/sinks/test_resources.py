"""Attributes that every resource gets: the fast way equals the plain one."""

from typing import Any

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from sidespand.config import SinkConfig
from sidespand.errors import ConfigError
from sidespand.limits import RESOURCE_ADDITION_BYTES_MAX, RESOURCE_ADDITIONS_MAX
from sidespand.model import Content, Kind
from sidespand.sinks import registry, resources
from sidespand.sinks.resources import Additions
from tests.journals import content, records
from tests.otlp import encoded

ADDED = {"env": "prod", "zone": 3, "spot": True, "share": 0.5}
PAIRS = Additions(ADDED)._pairs
ENCODED = Additions(ADDED)._encoded


def values(attributes: Any) -> dict[str, Any]:
    """Return attributes by key; a key that is there twice fails the test."""
    found = {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in attributes}
    assert len(found) == len(attributes)
    return found


@pytest.mark.parametrize("kind", [Kind.SPANS, Kind.LOGS, Kind.METRICS])
def test_every_resource_of_every_signal_gets_them(kind: Kind) -> None:
    """Resources, and groups without one, have them behind what is there; nothing else changes."""
    request: Any
    if kind is Kind.SPANS:
        request = ExportTraceServiceRequest()
        groups = request.resource_spans
        groups.add().scope_spans.add().spans.add(name="x")
    elif kind is Kind.LOGS:
        request = ExportLogsServiceRequest()
        groups = request.resource_logs
        groups.add().scope_logs.add().log_records.add(severity_text="x")
    else:
        request = ExportMetricsServiceRequest()
        groups = request.resource_metrics
        groups.add().scope_metrics.add().metrics.add(name="x")
    other = groups.add(schema_url="u")
    other.resource.attributes.add(key="service.name").value.string_value = "s"
    (record,) = records([Content(kind, request.SerializeToString(), 1)])
    added = Additions(ADDED).added_to(record)
    got = type(request).FromString(added.payload or b"")
    found = next(getattr(got, field.name) for field in request.DESCRIPTOR.fields)
    assert [values(group.resource.attributes) for group in found] == [
        ADDED,
        {"service.name": "s", **ADDED},
    ]
    assert added.header.payload_bytes == len(added.payload or b"")
    for group in found:
        del group.resource.attributes[-4:]
    found[0].ClearField("resource")
    assert got == request


def test_a_senders_attribute_of_that_name_gives_way() -> None:
    """What the configuration says holds; no key is there twice."""
    (record,) = records([content(encoded(1, service="mine"))])
    added = Additions({"service.name": "ours"}).added_to(record)
    request = ExportTraceServiceRequest.FromString(added.payload or b"")
    assert values(request.resource_spans[0].resource.attributes) == {"service.name": "ours"}


@settings(max_examples=300)
@given(st.binary(max_size=60))
def test_bytes_of_any_shape_are_spliced_as_they_parse_or_left(payload: bytes) -> None:
    """Where the fast way dares, the result is what the plain way gives."""
    spliced = resources.append(payload, ENCODED)
    if spliced is None:
        return
    try:
        plain = resources.rebuild(Kind.SPANS, payload, PAIRS, frozenset())
    except DecodeError:
        # Such a payload is never stored.
        return
    parse = ExportTraceServiceRequest.FromString
    assert parse(spliced).SerializeToString(deterministic=True) == parse(plain).SerializeToString(
        deterministic=True
    )


@pytest.mark.parametrize(
    ("given_value", "expected"),
    [
        ("x", "expected a table"),
        ({}, "expected a table"),
        ({f"k{n}": 1 for n in range(RESOURCE_ADDITIONS_MAX + 1)}, "expected a table"),
        ({"sidespan.lsn": "1"}, "is not for configurations"),
        ({"": "1"}, "is not for configurations"),
        ({"k": [1]}, "expected text, a number, true or false"),
        ({"k": 2**63}, "64 bits"),
        ({"k": "x" * RESOURCE_ADDITION_BYTES_MAX}, "over 1024 bytes"),
    ],
)
def test_additions_that_cannot_be_used(given_value: Any, expected: str) -> None:
    """Each is found when the configuration is read, with the sink's name."""
    with pytest.raises(ConfigError, match=r"sinks\.a\.resource: ") as refused:
        registry.parse([SinkConfig("a", "jsonl", {"resource": given_value})])
    assert expected in str(refused.value)


def test_additions_at_the_bound_pass() -> None:
    """As many as may be, as long as may be; a filter beside them."""
    many = {
        f"{n:02}": "x" * (RESOURCE_ADDITION_BYTES_MAX - 2) for n in range(RESOURCE_ADDITIONS_MAX)
    }
    (plan,) = registry.parse(
        [SinkConfig("a", "jsonl", {"resource": many, "filter": 'name == "x"'})]
    )
    assert plan.additions is not None
    assert plan.wanted is not None
    assert "filter" not in plan.options


def test_a_filter_that_is_none_is_named() -> None:
    """The place in the text is told beside the key."""
    with pytest.raises(ConfigError, match=r"sinks\.a\.filter: at character 6"):
        registry.parse([SinkConfig("a", "jsonl", {"filter": "name = 1"})])
