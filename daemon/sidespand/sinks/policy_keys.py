"""Which keys of attributes may leave the node with their values. Pure.

Source: AITrace v0.2.0, ``aitrace.export_bounds.v1``; and ``content_keys``, since that profile knows
neither GenAI's, nor OpenInference's, nor AgentTrace's keys.
"""

import re
from enum import StrEnum
from typing import Final

from sidespand.content_keys import is_content_key
from sidespand.limits import EXPORT_KEY_BYTES_MAX


class Reason(StrEnum):
    """Why a value stays behind, in the seed's words."""

    ATTRIBUTE_COUNT = "attribute_count_exceeded"
    UNSAFE_KEY = "unsafe_key"
    BLOCKED = "blocked_raw_field"
    VALUE_BYTES = "value_bytes_exceeded"
    COLLECTION_ITEMS = "collection_items_exceeded"
    MAP_DEPTH = "map_depth_exceeded"
    UNSUPPORTED = "unsupported_value"


BOUNDARY_KEYS: Final = (
    "access_token",
    "api_key",
    "client_secret",
    "credential_material",
    "material",
    "private_key",
    "raw_credential",
    "refresh_token",
    "secret",
    "token",
    "webhook_secret",
)
FRAGMENTS: Final = (
    "access_token",
    "api_token",
    "authorization",
    "budget_amount",
    "cost_amount",
    "credential",
    "eval_output",
    "eval_payload",
    "guard_payload",
    "guard_violation_body",
    "guard_violation_payload",
    "memory_body",
    "memory_content",
    "model_output",
    "password",
    "payload_body",
    "prompt_body",
    "prompt_content",
    "prompt_text",
    "provider_body",
    "provider_response",
    "replay_divergence_excerpt",
    "raw_eval",
    "raw_memory",
    "raw_guard",
    "raw_payload",
    "raw_prompt",
    "raw_provider",
    "raw_webhook",
    "refresh_token",
    "request_body",
    "response_body",
    "secret",
    "secret_token",
    "stderr",
    "stdout",
    "webhook_body",
)
SUMMARY_KEY: Final = "_aitrace_export_overflow"
_PASSING_MAX: Final = 4096
_RAW: Final = "raw"
# Beside an exact "api_key" the seed lets "openai.api_key" pass; keys of the OpenTelemetry kind have
# such a namespace, so the last part of one counts like a whole key.
_BLOCKED: Final = re.compile(
    rf"(?:.*[.:])?(?:{_RAW}|{'|'.join(BOUNDARY_KEYS)})|.*(?:{'|'.join(FRAGMENTS)}).*"
)
# A summary is the daemon's own word: a sender's would stand beside it under the same key.
_SAFE: Final = re.compile(rf"(?!{SUMMARY_KEY}\Z)[A-Za-z0-9_.:-]{{1,{EXPORT_KEY_BYTES_MAX}}}")


# Keys that were found to decide nothing: a look here costs less than a call.
passing: Final[set[str]] = set()


def key_fault(key: str) -> Reason | None:
    """Return why an attribute with this key stays behind; None when the key does not decide."""
    if key in passing:
        return None
    if not _SAFE.fullmatch(key):
        return Reason.UNSAFE_KEY
    if _BLOCKED.fullmatch(key.lower()) or is_content_key(key):
        return Reason.BLOCKED
    # Peers choose keys.
    if len(passing) >= _PASSING_MAX:
        passing.clear()
    passing.add(key)
    return None


def key_fault_in_content(key: str) -> Reason | None:
    """Do the same for an event, or a log record, that exists to carry content."""
    fault = key_fault(key)
    return fault or (None if key.startswith("gen_ai.") else Reason.BLOCKED)
