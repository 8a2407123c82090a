"""What AITrace's ExportBounds profile says of itself, as every exported trace repeats it."""

from typing import Any, Final

from sidespand.limits import (
    EXPORT_ATTRIBUTES_MAX,
    EXPORT_DEPTH_MAX,
    EXPORT_ITEMS_MAX,
    EXPORT_KEY_BYTES_MAX,
    EXPORT_VALUE_BYTES_MAX,
)
from sidespand.sinks.policy_keys import FRAGMENTS

EXPORT_BOUNDS: Final[dict[str, Any]] = {
    "schema_version": "aitrace.export_bounds.v1",
    "trace_attribute_allowlist": "json_safe_ascii_key_chars_1_to_64",
    "trace_attribute_blocklist": list(FRAGMENTS),
    "hash_or_tokenize_fields": list(FRAGMENTS),
    "max_attributes_per_map": EXPORT_ATTRIBUTES_MAX,
    "max_attribute_key_bytes": EXPORT_KEY_BYTES_MAX,
    "max_attribute_value_bytes": EXPORT_VALUE_BYTES_MAX,
    "max_collection_items": EXPORT_ITEMS_MAX,
    "max_map_depth": EXPORT_DEPTH_MAX,
    "sample_policy": "always_keep_security",
    "default_capture_level_ref": "capture-level://redacted-memory-ring",
    "optional_capture_off_ref": "capture-level://off",
    "redaction_policy_ref": "aitrace.export_bounds.redact_hash.v1",
    "spillover_artifact_policy": "aitrace.export_spillover.sha256_ref.v1",
    "overflow_safe_action": "spill_to_artifact_ref",
}
