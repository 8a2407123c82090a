"""A request of metrics that is too much for its receiver goes in parts, without losing a point."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from sidespand.config import SinkConfig
from sidespand.limits import REQUEST_BYTES_MIN
from sidespand.model import Content, Delivered, Kind, Rejected, Retry
from sidespand.ports import Sink
from sidespand.sinks import metric_parts, registry
from tests.http_collector import Answer, collecting_http
from tests.journals import NODE_REF, records, run

KINDS = ("gauge", "sum", "histogram", "exponential_histogram", "summary")
shapes = st.lists(
    st.lists(
        st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 4)), max_size=3), max_size=3
    ),
    max_size=3,
)


def request_of(shape: list[list[list[tuple[str, int]]]]) -> ExportMetricsServiceRequest:
    """Return resources with scopes with metrics, each of a kind and with so many points."""
    request = ExportMetricsServiceRequest()
    number = 0
    for scopes in shape:
        group = request.resource_metrics.add()
        group.resource.attributes.add(key="service.name").value.string_value = "shop"
        for metrics in scopes:
            scope = group.scope_metrics.add()
            scope.scope.name = "meter"
            for kind, points in metrics:
                metric = scope.metrics.add(name=f"m{number}", unit="s")
                found = getattr(metric, kind)
                found.SetInParent()
                for _ in range(points):
                    number += 1
                    found.data_points.add(time_unix_nano=number)
    return request


def leaves(payload: bytes) -> Iterator[tuple[Any, ...]]:
    """Yield each point with what is around it, and each metric that has none."""
    for group in ExportMetricsServiceRequest.FromString(payload).resource_metrics:
        for scope in group.scope_metrics:
            for metric in scope.metrics:
                kind = metric.WhichOneof("data")
                around = (str(group.resource), scope.scope.name, metric.name, metric.unit, kind)
                points = getattr(metric, kind).data_points
                yield from ((*around, point.time_unix_nano) for point in points)
                if not points:
                    yield (*around, None)


@given(shapes)
def test_two_halves_are_the_whole(shape: list[list[list[tuple[str, int]]]]) -> None:
    """Each point is in one of them, in order, under its resource, scope and metric."""
    payload = request_of(shape).SerializeToString()
    whole = list(leaves(payload))
    found = metric_parts.halves(payload)
    if len(whole) < 2:
        assert found is None
        return
    assert found is not None
    one, other = (list(leaves(half)) for half in found)
    assert one + other == whole
    assert abs(len(one) - len(other)) <= 1


def sink(place: Path, port: int) -> Sink:
    """Return a sink that sends 64 KiB at once."""
    options = {
        "endpoint": f"http://127.0.0.1:{port}",
        "protocol": "http/protobuf",
        "request_bytes_max": REQUEST_BYTES_MIN,
    }
    (plan,) = registry.parse([SinkConfig("far", "otlp", options)])
    return registry.build(plan, place / "sink", lambda *_: {"source_node_ref": NODE_REF})


def large(points: int) -> ExportMetricsServiceRequest:
    """Return a gauge of points of about 1 KiB each."""
    request = request_of([[[("gauge", points)]]])
    for point in request.resource_metrics[0].scope_metrics[0].metrics[0].gauge.data_points:
        point.attributes.add(key="padding").value.string_value = "x" * 1000
    return request


@pytest.mark.slow
def test_what_is_over_the_bound_arrives_in_parts(tmp_path: Path) -> None:
    """No request is over ``request_bytes_max``, each has the stamps, and no point is missing."""
    (record,) = records([Content(Kind.METRICS, large(300).SerializeToString(), 1)])

    async def test() -> None:
        async with collecting_http() as collector:
            one = sink(tmp_path, collector.port)
            assert await one.deliver([record]) == Delivered()
            await one.close()
        assert set(collector.paths) == {"/v1/metrics"}
        assert len(collector.bodies) > 4
        assert max(map(len, collector.bodies)) <= REQUEST_BYTES_MIN
        found = [leaf[-1] for body in collector.bodies for leaf in leaves(body)]
        assert found == list(range(1, 301))
        assert all(b"sidespan.lineage" in body for body in collector.bodies)

    run(test())


@pytest.mark.slow
def test_a_receiver_with_a_smaller_bound_gets_smaller_parts(tmp_path: Path) -> None:
    """Where it answers 413, the halves are tried; a point that is refused alone loses no other."""
    request = large(40)
    bad = request.resource_metrics[0].scope_metrics[0].metrics[0].gauge.data_points[17]
    bad.attributes[0].value.string_value = "poison" * 100
    (record,) = records([Content(Kind.METRICS, request.SerializeToString(), 1)])

    def judge(body: bytes) -> Answer:
        if len(body) > 10_000:
            return Answer(413)
        return Answer(400) if b"poison" in body else Answer()

    async def test() -> None:
        async with collecting_http() as collector:
            collector.judge = judge
            one = sink(tmp_path, collector.port)
            outcome = await one.deliver([record])
            assert isinstance(outcome, Rejected)
            assert outcome.item_count == 1
            found = [leaf[-1] for body in collector.bodies for leaf in leaves(body)]
            assert found == [number for number in range(1, 41) if number != 18]
            collector.judge = lambda body: Answer(413) if len(body) > 10_000 else Answer(503)
            assert isinstance(await one.deliver([record]), Retry)
            await one.close()

    run(test())
