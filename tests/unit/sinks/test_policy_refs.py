"""Refs and tombstones: they bind what they stand for, and show nothing of it."""

import re
from hashlib import sha256
from typing import Any

import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from sidespand.sinks.policy_refs import shape, size_bytes, tombstone
from tests.unit.sinks.policies import SALT, fill, policy, redacted, refs_in

REF_KEYS = {
    "ref", "hash_algorithm", "sha256", "surface", "original_bytes", "reason",
    "redaction_policy_ref", "spillover_artifact_policy", "overflow_safe_action",
}  # fmt: skip
SUMMARY_KEYS = {
    "schema_version", "surface", "overflow_safe_action", "redaction_policy_ref",
    "spillover_artifact_policy", "count", "refs",
}  # fmt: skip
# Each differs from every other, in its value or in its type alone.
VALUES: list[Any] = [
    None, "", "a", "b", "1", b"a", b"", 1, True, False, 0, 1.0, 0.0, -0.0, 1.5, [], [""], ["a"],
    ["a", "b"], [["a"], "b"], {}, {"a": 1}, {"a": 2}, {"b": 1}, {"a": 1, "b": 2}, {"b": 2, "a": 1},
    "x" * 600, "y" * 600, '","', ["a,b"], {"a": {"b": 1}}, {"a": [{"b": 1}]},
]  # fmt: skip


def any_value(given: Any) -> AnyValue:
    """Return an OTLP value."""
    value = AnyValue()
    fill(value, given)
    return value


def test_a_ref_has_the_shape_of_the_seed() -> None:
    """Every field, and the summary around it."""
    found = redacted({"prompt_text": "hello", "a": "x" * 513})
    summary = found["_aitrace_export_overflow"]

    assert set(summary) == SUMMARY_KEYS
    assert summary["schema_version"] == "aitrace.export_bounds.v1"
    assert summary["surface"] == "span_attributes"
    assert summary["overflow_safe_action"] == "spill_to_artifact_ref"
    assert summary["redaction_policy_ref"] == "aitrace.export_bounds.redact_hash.v1"
    assert summary["spillover_artifact_policy"] == "aitrace.export_spillover.sha256_ref.v1"
    assert summary["count"] == 2
    for ref in refs_in(found):
        assert set(ref) == REF_KEYS
        assert re.fullmatch("[0-9a-f]{64}", ref["sha256"])
        assert ref["ref"] == f"aitrace://export-spillover/{ref['sha256']}"
        assert ref["hash_algorithm"] == "sha256"
        for key in SUMMARY_KEYS & REF_KEYS:
            assert ref[key] == summary[key]
    assert [ref["original_bytes"] for ref in refs_in(found)] == [5, 513]


def test_every_byte_of_a_value_counts() -> None:
    """No two of many values have the same shape, also where only the type differs."""
    shapes = [shape(any_value(given)) for given in VALUES]
    assert len(set(shapes)) == len(VALUES)


def test_the_hash_is_the_one_that_is_documented() -> None:
    """Whoever has salt and value can check a ref."""
    key_digest, digest = sha256(b"prompt").hexdigest(), sha256(b"hi").hexdigest()
    key = f'{{"byte_size":6,"sha256":"{key_digest}","type":"binary"}}'
    hello = f'{{"byte_size":2,"sha256":"{digest}","type":"binary"}}'
    pair = f'{{"items":[{key},{hello}],"tuple_size":2,"type":"tuple"}}'
    (dropped,) = refs_in(redacted({"prompt": "hi"}))

    assert dropped["sha256"] == sha256(SALT + pair.encode()).hexdigest()
    expected = sha256(SALT + hello.encode()).hexdigest()
    assert tombstone(SALT, any_value("hi")) == f"[REDACTED: sha256:{expected}]"


def test_the_hash_depends_on_the_key_that_went_and_on_the_store() -> None:
    """Nobody guesses a short value from a table of hashes."""

    def digest(key: str, salt: bytes = SALT) -> str:
        (ref,) = refs_in(redacted({key: "yes"}, policy(salt=salt)))
        return str(ref["sha256"])

    assert len({digest("prompt"), digest("content"), digest("prompt", bytes(32))}) == 3
    assert digest("prompt") == digest("prompt")


@pytest.mark.parametrize(
    ("given", "expected"), [("", 0), ("é€𝄞", 9), (b"\0\1", 2), (None, 0), ("x" * 10**6, 10**6)]
)
def test_the_size_is_the_true_one(given: Any, expected: int) -> None:
    """In bytes as they were sent."""
    assert size_bytes(any_value(given)) == expected


def test_the_size_of_a_collection_is_that_of_its_encoding() -> None:
    """It grows with what is in it."""
    small, large = any_value({"a": "x"}), any_value({"a": "x" * 1000})
    assert 3 < size_bytes(small) < 20
    assert 1000 < size_bytes(large) < 1020


def test_a_ref_shows_nothing_of_its_value() -> None:
    """Nor of its key, when that goes too."""
    assert "zebra" not in str(redacted({"prompt_text.zebra": "a zebra", "a": "zebra" * 200}))
