"""What an encoded request will occupy once it is parsed, told from its bytes.

Two bytes of protobuf can make a message of 170, so a few megabytes of empty spans become gigabytes.
Nearly every request is known to be harmless by its length alone; of a large one the bytes that may
begin a part are counted, and only where that leaves doubt are its fields walked.
Source: protobuf encoding, "Message Structure". The weights follow upb's layout of messages; a test
    holds them against what it really allocates.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto

from sidespand.errors import TooLarge

# A message's own head, and its pointer in an array that grows by doubling.
_HEAD_BYTES = 24
_SLOT_BYTES = 8
_VIEW_BYTES = 16
_CASE_BYTES = 4
# A repeated number takes at most this for each byte that it is sent in.
_PACKED_BYTES = 2 * _SLOT_BYTES
_TEXTS = (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES)
# Wire types.
_VARINT, _DELIMITED = 0, 2
_FIXED_BYTES = {1: 8, 5: 4}
_TOP_BIT = 0x80
# What is nested deeper does not parse (upb's default).
_DEPTH_MAX = 100


@dataclass(slots=True, eq=False)
class _Shape:
    """A message type: the bytes of one, the types of its parts, and those of repeated scalars."""

    size_bytes: int
    children: dict[int, "_Shape"] = field(default_factory=dict)
    elements: dict[int, int] = field(default_factory=dict)


class ParseCost:
    """Judges the requests of one type.

    Args:
        root: The request's message type.
        bytes_max: What one may occupy once it is parsed.
    """

    def __init__(self, root: Descriptor, bytes_max: int) -> None:
        shapes: dict[str, _Shape] = {}
        self._root = _shape(root, shapes)
        self._bytes_max = bytes_max
        self._weights = _weights(shapes.values())
        self._heaviest = max(self._weights.values())
        self._packed = _PACKED_BYTES * any(
            _PACKED_BYTES in shape.elements.values() for shape in shapes.values()
        )
        self._no_tags = bytes(byte for byte in range(256) if byte not in self._weights)
        # A part takes two bytes at least: its tag and its length.
        self.harmless_bytes = bytes_max // (self._heaviest // 2 + _PACKED_BYTES)

    def check(self, body: bytes) -> None:
        """Let a request pass that is within bounds.

        Raises:
            TooLarge: It is not. Not retryable; nothing was allocated for it.
        """
        if len(body) <= self.harmless_bytes or self._is_surely_within(body):
            return
        if self.estimate_bytes(body) > self._bytes_max:
            raise TooLarge(
                f"{len(body)} bytes that would take over {self._bytes_max} once parsed: too many"
                " spans, attributes or other parts in one request"
            )

    def estimate_bytes(self, body: bytes) -> int:
        """Return about what ``body`` occupies once parsed; it need not go on over the bound.

        What is no protobuf is passed over: the parser refuses it where it stands.
        """
        left = self._bytes_max
        pending = [(self._root, 0, len(body), 0)]
        while pending and left >= 0:
            shape, position, end, depth = pending.pop()
            children, elements = shape.children, shape.elements
            while position < end and left >= 0:
                tag = body[position]
                position += 1
                if tag & _TOP_BIT:
                    tag, position = _varint(body, position - 1, end)
                wire = tag & 7
                if wire == _DELIMITED and position < end:
                    length = body[position]
                    position += 1
                    if length & _TOP_BIT:
                        length, position = _varint(body, position - 1, end)
                    start, position = position, position + length
                    child = children.get(tag >> 3)
                    if child is not None:
                        left -= child.size_bytes
                        if length and position <= end and depth < _DEPTH_MAX:
                            # Into it at once: what is pending is never more than the depth.
                            pending.append((shape, position, end, depth))
                            pending.append((child, start, position, depth + 1))
                            break
                        continue
                    size = elements.get(tag >> 3, 0)
                    left -= size * length if size == _PACKED_BYTES else size
                    continue
                left -= elements.get(tag >> 3, 0)
                position = _after_scalar(body, wire, position, end)
        return self._bytes_max - left

    def _is_surely_within(self, body: bytes) -> bool:
        tags = body.translate(None, self._no_tags)
        left = self._bytes_max - len(body) * self._packed
        return len(tags) * self._heaviest <= left or (
            sum(tags.count(tag) * weight for tag, weight in self._weights.items()) <= left
        )


def _after_scalar(body: bytes, wire: int, position: int, end: int) -> int:
    # The marks of an unknown group take no more room: its fields count as if it were not there.
    if wire == _VARINT:
        return _varint(body, position, end)[1]
    return position + _FIXED_BYTES.get(wire, 0)


def _varint(body: bytes, position: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while position < end:
        byte = body[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if not byte & _TOP_BIT:
            return value, position
        shift += 7
    return 0, end


def _shape(descriptor: Descriptor, known: dict[str, _Shape]) -> _Shape:
    # Descriptors themselves say it under different names from one protobuf to the next.
    proto = DescriptorProto()
    descriptor.CopyToProto(proto)
    repeated = {one.number for one in proto.field if one.label == one.LABEL_REPEATED}

    def field_bytes(one: FieldDescriptor) -> int:
        return _VIEW_BYTES if one.type in _TEXTS and one.number not in repeated else _SLOT_BYTES

    singles = [one for one in descriptor.fields if one.containing_oneof is None]
    size = _HEAD_BYTES + sum(map(field_bytes, singles))
    size += sum(_CASE_BYTES + max(map(field_bytes, each.fields)) for each in descriptor.oneofs)
    # Known before its fields are looked at: AnyValue holds itself.
    known[descriptor.full_name] = shape = _Shape(size)
    for one in descriptor.fields:
        if one.message_type is not None:
            name = one.message_type.full_name
            shape.children[one.number] = known.get(name) or _shape(one.message_type, known)
        elif one.number in repeated:
            shape.elements[one.number] = 2 * _VIEW_BYTES if one.type in _TEXTS else _PACKED_BYTES
    return shape


def _weights(shapes: Iterable[_Shape]) -> dict[int, int]:
    """Return, for each byte that may begin a part, the most that such a part occupies."""
    weights: dict[int, int] = {}
    for shape in shapes:
        sizes = {number: child.size_bytes for number, child in shape.children.items()}
        for number, size in (sizes | shape.elements).items():
            # A number over 15, or one written longer than it need be, has the top bit set.
            low = number << 3 & (_TOP_BIT - 1) | _DELIMITED
            for tag in (low, low | _TOP_BIT):
                weights[tag] = max(weights.get(tag, 0), size)
    return weights
