"""Finds the tokens in a request: in ``trace_state``, in links and in ``sidespan.cites``.

A token on an inner span was inherited from its parent and proves nothing new, so it counts once a
trace and request; one that came from another process, or entered at a server or consumer span,
always counts. Junk is passed over; nothing here raises or changes the request.
"""

from collections.abc import Iterator
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from sidespand import platform
from sidespand.limits import EDGES_PER_ITEM_MAX, EDGES_PER_RECORD_MAX
from sidespand.model import Edge, EdgeType
from sidespand.token import MEMBER_KEY, decode, find_member

CITES = "sidespan.cites"
# Both forms hold it.
_NAME = MEMBER_KEY.encode()
# opentelemetry-proto, SpanFlags: the parent's context is known to be remote.
_REMOTE_PARENT = 0x300
_ENTRY_KINDS = (Span.SPAN_KIND_SERVER, Span.SPAN_KIND_CONSUMER)


def may_hold_tokens(body: bytes) -> bool:
    """Tell whether a look for tokens is worth it."""
    return platform.contains(body, _NAME)


def find_edges(request: ExportTraceServiceRequest) -> tuple[tuple[Edge, ...], bool]:
    """Return the edges of a request by item index, and whether there were more than are kept."""
    found: list[Edge] = []
    inherited: set[tuple[bytes, str]] = set()
    item_index = -1
    truncated = False
    for resource_spans in request.resource_spans:
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                item_index += 1
                for number, (kind, text) in enumerate(_tokens(span, inherited)):
                    if number == EDGES_PER_ITEM_MAX:
                        # One span's excess does not cost the others their edges.
                        truncated = True
                        break
                    token = decode(text)
                    if token is None:
                        continue
                    if len(found) == EDGES_PER_RECORD_MAX:
                        return tuple(found), True
                    found.append(Edge(kind, item_index, *token))
    return tuple(found), truncated


def _tokens(span: Any, inherited: set[tuple[bytes, str]]) -> Iterator[tuple[EdgeType, str]]:
    own = find_member(span.trace_state) if span.trace_state else None
    if own is not None:
        entered = span.flags & _REMOTE_PARENT == _REMOTE_PARENT or span.kind in _ENTRY_KINDS
        if entered or (span.trace_id, own) not in inherited:
            yield EdgeType.RECEIVED, own
        inherited.add((span.trace_id, own))
    for link in span.links:
        linked = find_member(link.trace_state) if link.trace_state else None
        if linked is not None:
            yield EdgeType.LINKED, linked
    for attribute in span.attributes:
        if attribute.key == CITES:
            if attribute.value.HasField("string_value"):
                yield EdgeType.CITED, attribute.value.string_value
            for value in attribute.value.array_value.values:
                yield EdgeType.CITED, value.string_value
