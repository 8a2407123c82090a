"""Brings a request within the bounds of what may leave the node, in place. Pure.

What is over a bound, or has a key that is blocked, goes in one of three ways:

    DROP       it is left out
    REF        a ref stands for it, in its place or, when its key goes too, in the summary
    TOMBSTONE  as REF, but a blocked key stays, and text with a hash stands for the value

Items and their places stay as they are, and so do ids, times, kinds, numbers and names. Attributes
of metrics are always left out: a hash in them would make a series of every point.
Source: AITrace v0.2.0, ``aitrace.export_bounds.v1``, "Algorithm per map entry".
"""

from collections.abc import Sequence
from enum import Enum, auto
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from sidespand.limits import (
    EXPORT_ATTRIBUTES_MAX,
    EXPORT_DEPTH_MAX,
    EXPORT_ITEMS_MAX,
    EXPORT_REFS_BYTES_MAX,
    EXPORT_REFS_TIMES_MAX,
    EXPORT_VALUE_BYTES_MAX,
    KIB,
)
from sidespand.otlp_places import Surface
from sidespand.sinks.policy_keys import Reason, key_fault, key_fault_in_content, passing
from sidespand.sinks.policy_refs import Allowance, Refs, tombstone

# OTLP counts dropped attributes in 32 bits.
_COUNT_MAX = 2**32 - 1
# A character is four bytes at most: shorter text need not be encoded to be measured.
_SHORT_CHARACTERS = EXPORT_VALUE_BYTES_MAX // 4
_FEW = 16
_COLLECTIONS = ("array_value", "kvlist_value")


class Manner(Enum):
    """What becomes of a value that stays behind."""

    DROP = auto()
    REF = auto()
    TOMBSTONE = auto()


class Bounds:
    """Bounds the places of one record. Implements ``otlp_places.Visitor``.

    Args:
        manner: What becomes of values that stay behind.
        salt: Of the store, 32 bytes.
        payload_bytes: How long the record is; refs add a few times that at most.
    """

    def __init__(self, manner: Manner, salt: bytes, payload_bytes: int) -> None:
        self.changed_values = 0
        self._manner = manner
        self._salt = salt
        added = 64 * KIB + EXPORT_REFS_TIMES_MAX * payload_bytes
        self._allowance = Allowance(min(added, EXPORT_REFS_BYTES_MAX))
        # The ref of a log record's body, until the summary of its attributes lists it.
        self._of_body: Refs | None = None

    def attributes(
        self, attributes: Any, holder: Any, surface: Surface, *, carries_content: bool
    ) -> None:
        """Bound a list of attributes; what is left out is counted where OTLP has a count."""
        fault_of = key_fault_in_content if carries_content else key_fault
        of_body, self._of_body = self._of_body, None
        if of_body is None and len(attributes) <= EXPORT_ATTRIBUTES_MAX:
            for one in attributes:
                value = one.value
                text = value.string_value
                # Most are short texts under known keys.
                if not (text and len(text) <= _SHORT_CHARACTERS) and not _is_plain(value):
                    break
                key = one.key
                if (carries_content or key not in passing) and fault_of(key) is not None:
                    break
            else:
                return
        manner = Manner.DROP if holder is None else self._manner
        refs = of_body or Refs(surface, self._salt, self._allowance)
        bounded = _Map(manner, refs, self._salt)
        dropped = bounded.entries(attributes, EXPORT_ATTRIBUTES_MAX, 1, fault_of)
        if dropped and holder is not None:
            total = holder.dropped_attributes_count + dropped
            holder.dropped_attributes_count = min(total, _COUNT_MAX)
        if manner is not Manner.DROP:
            summary = refs.summary()
            if summary:
                attributes.add().MergeFromString(summary)
        self.changed_values += bounded.changed_values

    def text(self, holder: Any, field: str, *, is_content: bool) -> None:
        """Let a name pass up to the length of a value; put a tombstone in place of content."""
        text = getattr(holder, field)
        if not text or not (is_content or _is_long(text)):
            return
        stands = ""
        if self._manner is not Manner.DROP:
            stands = tombstone(self._salt, AnyValue(string_value=text))
        setattr(holder, field, stands)
        self.changed_values += 1

    def body(self, log: Any) -> None:
        """Keep the body of a log record back: it is content."""
        if self._manner is Manner.DROP:
            log.ClearField("body")
        elif self._manner is Manner.TOMBSTONE:
            log.body.string_value = tombstone(self._salt, log.body)
        else:
            self._of_body = refs = Refs(Surface.LOG, self._salt, self._allowance)
            _replace(log.body, refs.add(Reason.BLOCKED, log.body, surface=Surface.BODY))
        self.changed_values += 1


class _Map:
    def __init__(self, manner: Manner, refs: Refs, salt: bytes) -> None:
        self.changed_values = 0
        self._manner = manner
        self._refs = refs
        self._salt = salt

    def entries(self, entries: Any, entries_max: int, depth: int, fault_of: Any) -> int:
        """Bound a map whose values are at ``depth``; return how many entries were left out."""
        left_out: list[int] = []
        for index, entry in enumerate(entries):
            full = index - len(left_out) >= entries_max
            fault = Reason.ATTRIBUTE_COUNT if full else fault_of(entry.key)
            if fault is Reason.BLOCKED and self._manner is Manner.TOMBSTONE:
                entry.value.string_value = tombstone(self._salt, entry.value)
                self.changed_values += 1
            elif fault is not None:
                self._leave_out(fault, entry)
                left_out.append(index)
            elif not self._fits(entry.value, depth):
                left_out.append(index)
        _remove(entries, left_out)
        return len(left_out)

    def _leave_out(self, fault: Reason, entry: Any) -> None:
        if self._manner is not Manner.DROP:
            self._refs.add(fault, entry.value, entry.key)
        self.changed_values += 1

    def _fits(self, value: AnyValue, depth: int) -> bool:
        """Bound a value, by a ref if need be; False when it has to be left out."""
        text = value.string_value
        if text and len(text) <= _SHORT_CHARACTERS:
            return True
        fault = self._fault(value, depth)
        if fault is None:
            return True
        self.changed_values += 1
        if self._manner is Manner.DROP:
            return False
        if self._manner is Manner.TOMBSTONE:
            value.string_value = tombstone(self._salt, value)
        else:
            _replace(value, self._refs.add(fault, value))
        return True

    def _fault(self, value: AnyValue, depth: int) -> Reason | None:
        held = value.WhichOneof("value")
        if held == "string_value":
            return Reason.VALUE_BYTES if _is_long(value.string_value) else None
        if held == "bytes_value":
            return Reason.UNSUPPORTED
        if held == "array_value":
            return self._collection_fault(value.array_value.values, depth, is_map=False)
        if held == "kvlist_value":
            return self._collection_fault(value.kvlist_value.values, depth, is_map=True)
        return None

    def _collection_fault(self, values: Any, depth: int, *, is_map: bool) -> Reason | None:
        if depth > EXPORT_DEPTH_MAX:
            return Reason.MAP_DEPTH
        if len(values) > EXPORT_ITEMS_MAX:
            return Reason.COLLECTION_ITEMS
        if is_map:
            self.entries(values, EXPORT_ITEMS_MAX, depth + 1, key_fault)
            return None
        fits = [self._fits(one, depth + 1) for one in values]
        _remove(values, [index for index, one in enumerate(fits) if not one])
        return None


def _remove(values: Any, indexes: Sequence[int]) -> None:
    """Remove the elements at ``indexes``, which ascend, from a repeated field."""
    if len(indexes) <= _FEW:
        for index in reversed(indexes):
            del values[index]
        return
    # One by one would take quadratic time for many.
    gone = frozenset(indexes)
    kept = [one for index, one in enumerate(values) if index not in gone]
    del values[:]
    values.extend(kept)


def _is_plain(value: AnyValue) -> bool:
    # Most values are text, and to ask which one is set costs more than to look.
    text = value.string_value
    if text:
        return not _is_long(text)
    held = value.WhichOneof("value")
    return held != "bytes_value" and held not in _COLLECTIONS


def _is_long(text: str) -> bool:
    return len(text) > _SHORT_CHARACTERS and (
        len(text) > EXPORT_VALUE_BYTES_MAX or len(text.encode()) > EXPORT_VALUE_BYTES_MAX
    )


def _replace(value: AnyValue, ref: bytes) -> None:
    """Put a ref in place of a value, or nothing when there is none."""
    value.Clear()
    if ref:
        value.kvlist_value.MergeFromString(ref)
