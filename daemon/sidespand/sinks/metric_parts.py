"""Cuts an encoded request of metrics in two, between data points. Pure.

It is one item of the log, since metrics have one LSN a request; a receiver may want it in parts.
"""

from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)


def halves(payload: bytes) -> tuple[bytes, bytes] | None:
    """Return two requests with about as many data points each, in document order.

    What is around the points is in both, as far as it has points there.

    Args:
        payload: A request that parses.

    Returns:
        None for one that has no two points.
    """
    request = ExportMetricsServiceRequest.FromString(payload)
    count = sum(
        _weight(metric)
        for group in request.resource_metrics
        for scope in group.scope_metrics
        for metric in scope.metrics
    )
    if count < 2:  # noqa: PLR2004 -- two halves need one each.
        return None
    middle = count // 2
    return _part(payload, 0, middle), _part(payload, middle, count)


def _part(payload: bytes, start: int, end: int) -> bytes:
    request = ExportMetricsServiceRequest.FromString(payload)
    at = 0
    for group in request.resource_metrics:
        for scope in group.scope_metrics:
            kept = []
            for metric in scope.metrics:
                weight = _weight(metric)
                first, last = max(start - at, 0), min(end - at, weight)
                at += weight
                if first >= last:
                    continue
                points = _points(metric)
                if points:
                    del points[last:]
                    del points[:first]
                kept.append(metric)
            _keep(scope.metrics, kept)
        _keep(group.scope_metrics, [scope for scope in group.scope_metrics if scope.metrics])
    groups = [group for group in request.resource_metrics if group.scope_metrics]
    _keep(request.resource_metrics, groups)
    return request.SerializeToString()


def _keep(repeated: Any, kept: list[Any]) -> None:
    if len(kept) == len(repeated):
        return
    # Copies, since what is deleted takes its messages along.
    copies = [type(one).FromString(one.SerializeToString()) for one in kept]
    del repeated[:]
    repeated.extend(copies)


def _weight(metric: Any) -> int:
    # One without a point is a leaf, too: it must be in one of the halves.
    return max(1, len(_points(metric)))


def _points(metric: Any) -> Any:
    which = metric.WhichOneof("data")
    return getattr(metric, which).data_points if which is not None else ()
