"""Adds attributes to the resources of a stored OTLP request. Pure.

    ResourceSpans, ResourceLogs, ResourceMetrics ─┬─ Resource ─── + attributes
     1                                            │   1
                                                  └─ and all else as it is

A repeated field may be continued anywhere in its message, so they go behind what is there, and only
the lengths around them are written anew.
Source: protobuf encoding guide, "Length-Delimited Records" and "Last One Wins".
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from sidespand.model import Kind, Record
from sidespand.sinks import otlp_walk
from sidespand.sinks.varint import MORE, head, length

_GROUP = 1 << 3 | 2
_RESOURCE = 1 << 3 | 2
Scalar = str | bool | int | float


class Additions:
    """Attributes that every resource gets; of the same keys, a sender's give way.

    Args:
        attributes: By key; at least one.
    """

    def __init__(self, attributes: Mapping[str, Scalar]) -> None:
        pairs = [KeyValue(key=key, value=_any(value)) for key, value in attributes.items()]
        self._encoded = Resource(attributes=pairs).SerializeToString()
        self._pairs = pairs
        self._keys = frozenset(attributes)
        self._any_key = re.compile(b"|".join(re.escape(key.encode()) for key in attributes))

    def added_to(self, record: Record) -> Record:
        """Return a record, which has its payload, with them."""
        assert record.payload is not None
        added = None
        if self._any_key.search(record.payload) is None:
            added = append(record.payload, self._encoded)
        if added is None:
            added = rebuild(record.header.kind, record.payload, self._pairs, self._keys)
        header = replace(record.header, payload_bytes=len(added))
        return replace(record, header=header, payload=added)


def append(payload: bytes, encoded: bytes) -> bytes | None:
    """Return a request with attributes behind those of each resource.

    Args:
        payload: Of any signal.
        encoded: A Resource with nothing but attributes.

    Returns:
        None when the shape is one for ``rebuild``.
    """
    parts: list[bytes] = []
    at = 0
    try:
        while at < len(payload):
            if payload[at] != _GROUP:
                return None
            size, at = length(payload, at + 1)
            inner = _group(payload, at, at + size, encoded)
            if inner is None:
                return None
            parts += (head(_GROUP, len(inner)), inner)
            at += size
    except IndexError:
        return None
    return b"".join(parts) if at == len(payload) else None


def rebuild(kind: Kind, payload: bytes, pairs: Sequence[KeyValue], keys: frozenset[str]) -> bytes:
    """Return a request whose resources have ``pairs``, and no others of those keys."""
    request = otlp_walk.parse(kind, payload)
    for group in otlp_walk.resources(kind, request):
        attributes = group.resource.attributes
        drop(attributes, keys)
        attributes.extend(pairs)
    return request.SerializeToString()  # type: ignore[no-any-return]


def drop(attributes: Any, keys: frozenset[str]) -> None:
    """Remove the attributes of some keys."""
    for index in reversed(range(len(attributes))):
        if attributes[index].key in keys:
            del attributes[index]


def _group(payload: bytes, at: int, end: int, encoded: bytes) -> bytes | None:
    parts: list[bytes] = []
    resource = b""
    while at < end:
        start = at
        tag = payload[at]
        # Every field of a group is of wire type LEN, and those that are known have a short tag.
        if tag & 0x07 != _RESOURCE & 0x07 or tag >= MORE:
            return None
        size, at = length(payload, at + 1)
        body = at
        at += size
        if tag != _RESOURCE:
            parts.append(payload[start:at])
        elif resource:
            return None
        else:
            resource = payload[body:at]
    resource += encoded
    return b"".join((head(_RESOURCE, len(resource)), resource, *parts)) if at == end else None


def _any(value: Scalar) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    return AnyValue(string_value=value)
