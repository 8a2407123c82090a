"""What a request will occupy once parsed: never much less than it does, and cheap to know."""

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from sidespand.errors import TooLarge
from sidespand.limits import KIB, MESSAGE_BYTES_MAX, MIB, PARSED_BYTES_MAX
from sidespand.parse_cost import ParseCost
from tests.hostile import BLOW_UPS, METRICS_BLOW_UPS, delimited, in_span
from tests.otlp import encoded

TRACES = ExportTraceServiceRequest.DESCRIPTOR
# Parses each shape and prints by how much memory that no file backs grew.
MEASURE = """
import ctypes, gc, json, os
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from tests.doors import anonymous_bytes
from tests.hostile import BLOW_UPS, METRICS_BLOW_UPS
grew = {}
for shapes, message in (
    (BLOW_UPS, ExportTraceServiceRequest), (METRICS_BLOW_UPS, ExportMetricsServiceRequest)
):
    for name, make in shapes.items():
        body = make(2**20)
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)
        before = anonymous_bytes(os.getpid())
        parsed = message.FromString(body)
        grew[name] = anonymous_bytes(os.getpid()) - before
        del parsed
print(json.dumps(grew))
"""


@pytest.mark.slow
def test_the_estimate_is_near_what_is_allocated() -> None:
    """For every shape that grows when parsed, memory grows by little more than was estimated."""
    ran = subprocess.run(
        [sys.executable, "-c", MEASURE], capture_output=True, check=True, text=True, timeout=60
    )
    grew = json.loads(ran.stdout)

    for shapes, root in (
        (BLOW_UPS, TRACES),
        (METRICS_BLOW_UPS, ExportMetricsServiceRequest.DESCRIPTOR),
    ):
        for name, make in shapes.items():
            estimate = ParseCost(root, 2**40).estimate_bytes(make(2**20))
            assert grew.pop(name) < 1.35 * estimate + 2 * MIB, name
    assert grew == {}


@pytest.mark.parametrize("name", BLOW_UPS)
def test_what_would_blow_up_is_too_large(name: str) -> None:
    """Megabytes of empty parts are refused where their memory would be over the bound."""
    cost = ParseCost(TRACES, 16 * MIB)

    cost.check(BLOW_UPS[name](64 * KIB))
    with pytest.raises(TooLarge, match="once parsed: too many"):
        cost.check(BLOW_UPS[name](4 * MIB))


@pytest.mark.parametrize(
    ("body", "parts"),
    [
        (delimited(1, delimited(2, b"")), 2),
        (delimited(1, b"") * 3, 3),
        # The tag 0x0a and the length 2, each written in two bytes.
        (b"\x8a\x00\x82\x00\x12\x00", 2),
        # A number, a group and fixed fields beside a part.
        (b"\x98\x06\x01" + b"\x9b\x06\x9c\x06" + b"\xa1\x06" + bytes(8) + b"\xa5\x06" + bytes(4)
         + delimited(1, b""), 1),
        (b"\x0a", 0),
        (b"\xff" * 20, 0),
        (b"", 0),
    ],
)  # fmt: skip
def test_each_part_counts(body: bytes, parts: int) -> None:
    """However it is written; what is cut short or no protobuf ends the count."""
    cost = ParseCost(TRACES, 2**40)
    one = cost.estimate_bytes(delimited(1, b""))

    assert bool(cost.estimate_bytes(body)) == bool(parts)
    assert parts * one * 0.9 <= cost.estimate_bytes(body) <= parts * one * 1.2


def test_a_part_is_only_what_its_place_makes_it() -> None:
    """The same bytes inside a text cost nothing."""
    cost = ParseCost(TRACES, 2**40)
    inside = cost.estimate_bytes(delimited(1, delimited(3, b"\x12\x00" * 1000)))

    assert inside == cost.estimate_bytes(delimited(1, b""))


def test_ordinary_spans_pass_in_numbers_that_nobody_sends() -> None:
    """30 MiB of spans with ten attributes each, and a message that is one long text."""
    body = encoded(2000, attributes=10)
    cost = ParseCost(TRACES, PARSED_BYTES_MAX)

    assert 30 * MIB / len(body) * cost.estimate_bytes(body) < PARSED_BYTES_MAX
    assert cost.estimate_bytes(in_span(delimited(5, bytes(MESSAGE_BYTES_MAX)))) < KIB


def test_ordinary_requests_are_judged_by_their_length_alone() -> None:
    """Up to a megabyte nothing is read."""
    for root in (TRACES, ExportLogsServiceRequest.DESCRIPTOR):
        assert ParseCost(root, PARSED_BYTES_MAX).harmless_bytes > MIB


PARTS = st.recursive(
    st.binary(max_size=8),
    lambda inner: st.lists(st.tuples(st.integers(1, 16), inner), max_size=6).map(
        lambda fields: b"".join(delimited(number, body) for number, body in fields)
    ),
    max_leaves=40,
)


@given(PARTS | st.binary(max_size=200), st.integers(1, 4000))
def test_what_passes_at_a_glance_is_within_bounds(body: bytes, bytes_max: int) -> None:
    """The cheap answers never let a request pass that the walk over its fields would refuse."""
    for root in (TRACES, ExportMetricsServiceRequest.DESCRIPTOR):
        cost = ParseCost(root, bytes_max)
        glance = len(body) <= cost.harmless_bytes or cost._is_surely_within(body)
        assert not glance or cost.estimate_bytes(body) <= bytes_max
