"""A cap on the spans of one trace: a program that never stops need not fill the store.

Source: the AITrace seed's collector, which takes 10,000 spans of a trace and then answers
    ``capacity_exceeded``.
"""

from collections import Counter
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from sidespand.admission.edges import find_edges, may_hold_tokens
from sidespand.limits import CAPPED_TRACES_MAX
from sidespand.model import Admitted, Content, Kind
from sidespand.ports import Admission


class CappedAdmission:
    """Admits up to a number of spans a trace. Implements ``ports.Admission``.

    What is over the cap is refused as a part of its request, so that nobody sends it again. Marks
    do not count: their spans do when they end.

    Args:
        admission: Decides first.
        spans_max: Of one trace, while it is among the CAPPED_TRACES_MAX that were last heard of and
            the daemon runs.
    """

    def __init__(self, admission: Admission, spans_max: int) -> None:
        self._admission = admission
        self._spans_max = spans_max
        self._spans: dict[bytes, int] = {}

    def admit(self, kind: Kind, body: bytes, digest: bytes = b"") -> Admitted:
        """Return the storable part of one request; ``ports.Admission`` has the contract."""
        admitted = self._admission.admit(kind, body, digest)
        if kind is not Kind.SPANS:
            return admitted
        contents = []
        refused = 0
        for content in admitted.contents:
            kept = self._within_cap(content)
            refused += content.item_count - (kept.item_count if kept is not None else 0)
            if kept is not None:
                contents.append(kept)
        if not refused:
            return admitted
        reason = f"capacity_exceeded: {refused} spans over {self._spans_max} of their trace"
        return admitted._replace(
            contents=tuple(contents),
            rejected_items=admitted.rejected_items + refused,
            rejected_reason="; ".join(filter(None, (admitted.rejected_reason, reason))),
        )

    def carries_error(self, kind: Kind, body: bytes) -> bool:
        """Tell whether an item of the request is an error."""
        return self._admission.carries_error(kind, body)

    def withdraw(self, admitted: Admitted) -> None:
        """Take the spans of a request off the counts of their traces again."""
        for content in admitted.contents:
            if content.kind is Kind.SPANS:
                request = ExportTraceServiceRequest.FromString(content.payload)
                for trace_id, count in _counts(request).items():
                    if trace_id in self._spans:
                        self._spans[trace_id] -= count
        self._admission.withdraw(admitted)

    def _within_cap(self, content: Content) -> Content | None:
        request = ExportTraceServiceRequest.FromString(content.payload)
        left = {}
        for trace_id, count in _counts(request).items():
            known = self._spans.pop(trace_id, 0)
            left[trace_id] = min(count, self._spans_max - known)
            self._spans[trace_id] = known + left[trace_id]
        while len(self._spans) > CAPPED_TRACES_MAX:
            del self._spans[next(iter(self._spans))]
        stored = sum(left.values())
        if stored == content.item_count:
            return content
        if not stored:
            return None
        for scope_spans in _scopes(request):
            kept = []
            for span in scope_spans.spans:
                if left[span.trace_id]:
                    left[span.trace_id] -= 1
                    kept.append(span)
            del scope_spans.spans[:]
            scope_spans.spans.extend(kept)
        payload = request.SerializeToString()
        found = find_edges(request) if may_hold_tokens(payload) else ((), False)
        return Content(content.kind, payload, stored, *found)


def _scopes(request: ExportTraceServiceRequest) -> list[Any]:
    return [scope for one in request.resource_spans for scope in one.scope_spans]


def _counts(request: ExportTraceServiceRequest) -> Counter[bytes]:
    return Counter(span.trace_id for scope in _scopes(request) for span in scope.spans)
