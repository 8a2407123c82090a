"""What stands where a value stayed behind: refs, their summary, and tombstones. Pure.

    ref        {ref, sha256, original_bytes, hash_algorithm, surface, reason, redaction_policy_ref,
               spillover_artifact_policy, overflow_safe_action}
    summary    {schema_version, surface, overflow_safe_action, redaction_policy_ref,
               spillover_artifact_policy, count, refs}
    tombstone  "[REDACTED: sha256:<64 hex>]"

The hash is SHA-256(salt ‖ the value's typed shape as JSON, keys sorted, without spaces):

    null     {"type":"nil"}                   text   {"byte_size":n,"sha256":hex,"type":"binary"}
    boolean  {"type":"boolean","value":…}     bytes  {"byte_size":n,"sha256":hex,"type":"bytes"}
    integer  {"type":"integer","value":…}     list   {"items":[shape, …],"length":n,"type":"list"}
    float    {"text":shortest,"type":"float"} map    {"entries":[[shape of key, shape], …],
                                                      "entry_count":n,"type":"map"}
    key and value that go together    {"items":[shape of key, shape],"tuple_size":2,"type":"tuple"}

``original_bytes`` is the length of a text or of bytes, of another value that of its OTLP encoding.
Source: AITrace v0.2.0, ``aitrace.export_bounds.v1`` and ``tombstone_map!``. There the shape of a
text is its length alone, of which nothing can be proved; here its hash is a part of it, and a salt
that stays on the node keeps short ones from being guessed.
"""

from functools import lru_cache
from hashlib import sha256
from typing import Final

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue, KeyValueList

from sidespand.limits import EXPORT_REF_BYTES, EXPORT_REFS_PER_MAP_MAX
from sidespand.otlp_places import Surface
from sidespand.sinks.policy_keys import SUMMARY_KEY, Reason

SCHEMA_VERSION: Final = "aitrace.export_bounds.v1"
SAFE_ACTION: Final = "spill_to_artifact_ref"
REDACTION_POLICY: Final = "aitrace.export_bounds.redact_hash.v1"
SPILLOVER_POLICY: Final = "aitrace.export_spillover.sha256_ref.v1"
# Of a varint: set in every byte but the last.
_MORE: Final = 0x80
_REF_PREFIX: Final = "aitrace://export-spillover/"
_HEX: Final = "0" * 64
# Field numbers: AnyValue.int_value with wire type VARINT; with LEN KeyValueList.values and
# ArrayValue.values, KeyValue.key and .value, AnyValue.array_value and .kvlist_value.
_INTEGER: Final = 3 << 3
_ENTRY, _ITEM, _KEY, _VALUE, _LIST, _MAP = (number << 3 | 2 for number in (1, 1, 1, 2, 5, 6))


class Allowance:
    """How many bytes of refs may still be added to one record."""

    def __init__(self, left: int) -> None:
        self.left = left


class Refs:
    """The refs of one list of attributes, or of one body.

    Args:
        surface: Whose they are.
        salt: Of the store, 32 bytes.
        allowance: Of the record. When it is used up, values go without a ref.
    """

    def __init__(self, surface: Surface, salt: bytes, allowance: Allowance) -> None:
        self._surface = surface
        self._salt = salt
        self._allowance = allowance
        self._encoded: list[bytes] = []
        self._rest = sha256(salt)
        self._rest_values = self._rest_bytes = 0

    def add(
        self,
        reason: Reason,
        value: AnyValue,
        key: str | None = None,
        surface: Surface | None = None,
    ) -> bytes:
        """Make a ref of a value and list it; return it as an encoded ``KeyValueList``.

        Args:
            reason: Why it stays behind.
            value: All of it.
            key: Its key, when that goes too.
            surface: Where it was, if elsewhere than the others.

        Returns:
            Empty when it has no ref of its own: the last one that is listed covers it.
        """
        of_value = shape(value)
        if key is not None:
            items = f"{_text_shape(key)},{of_value}"
            of_value = f'{{"items":[{items}],"tuple_size":2,"type":"tuple"}}'
        content = of_value.encode()
        if len(self._encoded) >= EXPORT_REFS_PER_MAP_MAX - 1 or self._allowance.left <= 0:
            self._rest.update(content)
            self._rest_values += 1
            self._rest_bytes += size_bytes(value)
            return b""
        digest = sha256(self._salt + content).hexdigest()
        return self._list(surface or self._surface, reason, digest, size_bytes(value))

    def summary(self) -> bytes:
        """Return the summary, which lists every ref, as an encoded ``KeyValue``; empty for none.

        The ref of what had none of its own is the last one. Its hash covers the shapes of all these
        values one after another, and its ``original_bytes`` is their sum.
        """
        if self._rest_values and self._allowance.left > 0:
            digest = self._rest.hexdigest()
            self._list(self._surface, Reason.ATTRIBUTE_COUNT, digest, self._rest_bytes)
        if not self._encoded:
            return b""
        self._allowance.left -= EXPORT_REF_BYTES
        refs = b"".join(_field(_ITEM, _field(_MAP, one)) for one in self._encoded)
        listed = _pair("refs", _field(_LIST, refs))
        count = _entries(count=len(self._encoded))
        entries = _summary_head(self._surface) + count + _field(_ENTRY, listed)
        return _pair(SUMMARY_KEY, _field(_MAP, entries))

    def _list(self, surface: Surface, reason: Reason, digest: str, original_bytes: int) -> bytes:
        encoded = _ref(surface, reason, digest, original_bytes)
        self._encoded.append(encoded)
        # Once in the summary and often once in place.
        self._allowance.left -= 2 * EXPORT_REF_BYTES
        return encoded


def tombstone(salt: bytes, value: AnyValue) -> str:
    """Return what stands where there is room for text alone."""
    return f"[REDACTED: sha256:{sha256(salt + shape(value).encode()).hexdigest()}]"


def shape(value: AnyValue) -> str:  # noqa: PLR0911 -- one return for each kind of value.
    """Return the typed shape of a value, in which every byte of it counts."""
    match value.WhichOneof("value"):
        case "string_value":
            return _text_shape(value.string_value)
        case "bool_value":
            return f'{{"type":"boolean","value":{"true" if value.bool_value else "false"}}}'
        case "int_value":
            return f'{{"type":"integer","value":{value.int_value}}}'
        case "double_value":
            return f'{{"text":"{value.double_value!r}","type":"float"}}'
        case "bytes_value":
            return _hashed(value.bytes_value, "bytes")
        case "array_value":
            items = [shape(one) for one in value.array_value.values]
            return f'{{"items":[{",".join(items)}],"length":{len(items)},"type":"list"}}'
        case "kvlist_value":
            entries = [
                f"[{_text_shape(one.key)},{shape(one.value)}]" for one in value.kvlist_value.values
            ]
            inside = f'"entries":[{",".join(entries)}],"entry_count":{len(entries)}'
            return f'{{{inside},"type":"map"}}'
    return '{"type":"nil"}'


def _text_shape(text: str) -> str:
    return _hashed(text.encode(), "binary")


def _hashed(body: bytes, kind: str) -> str:
    digest = sha256(body).hexdigest()
    return f'{{"byte_size":{len(body)},"sha256":"{digest}","type":"{kind}"}}'


def size_bytes(value: AnyValue) -> int:
    """Return how long a value is."""
    match value.WhichOneof("value"):
        case "string_value":
            return len(value.string_value.encode())
        case "bytes_value":
            return len(value.bytes_value)
    return value.ByteSize()


def _ref(surface: Surface, reason: Reason, digest: str, original_bytes: int) -> bytes:
    head, middle, tail = _ref_parts(surface, reason)
    encoded = digest.encode()
    size = _pair("original_bytes", b"%c%b" % (_INTEGER, _varint(original_bytes)))
    return b"".join((head, encoded, middle, encoded, tail, _field(_ENTRY, size)))


@lru_cache(maxsize=128)
def _ref_parts(surface: Surface, reason: Reason) -> tuple[bytes, bytes, bytes]:
    encoded = _entries(
        ref=_REF_PREFIX + _HEX,
        sha256=_HEX,
        hash_algorithm="sha256",
        surface=surface,
        reason=reason,
        redaction_policy_ref=REDACTION_POLICY,
        spillover_artifact_policy=SPILLOVER_POLICY,
        overflow_safe_action=SAFE_ACTION,
    )
    head, middle, tail = encoded.split(_HEX.encode())
    return head, middle, tail


@lru_cache(maxsize=16)
def _summary_head(surface: Surface) -> bytes:
    return _entries(
        schema_version=SCHEMA_VERSION,
        surface=surface,
        overflow_safe_action=SAFE_ACTION,
        redaction_policy_ref=REDACTION_POLICY,
        spillover_artifact_policy=SPILLOVER_POLICY,
    )


def _entries(**values: str | int) -> bytes:
    """Return an encoded ``KeyValueList``; more entries may be put behind it."""
    encoded = KeyValueList()
    for key, one in values.items():
        value = AnyValue(int_value=one) if isinstance(one, int) else AnyValue(string_value=one)
        encoded.values.append(KeyValue(key=key, value=value))
    return encoded.SerializeToString()


def _pair(key: str, value: bytes) -> bytes:
    """Return an encoded ``KeyValue`` of an encoded ``AnyValue``."""
    return _field(_KEY, key.encode()) + _field(_VALUE, value)


def _field(tag: int, body: bytes) -> bytes:
    return b"%c%b%b" % (tag, _varint(len(body)), body)


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number >= _MORE:
        encoded.append(number & 0x7F | _MORE)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
