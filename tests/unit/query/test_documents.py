import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidespand import hlc
from sidespand.query.documents import (
    attributes_document,
    span_document,
    trace_document,
    walk_document,
)
from sidespand.query.span import Value
from sidespand.query.spans import decode, items
from sidespand.query.traces import assemble
from sidespand.query.walk import Walk
from tests.unit.query import samples

_values: st.SearchStrategy[Value] = st.recursive(
    st.none() | st.booleans() | st.text() | st.integers(-(2**63), 2**63 - 1) | st.floats()
    | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


def node_ref(lineage: bytes, generation: int) -> str:
    """Name a generation's node after it."""
    return f"node of {lineage.hex()} {generation}"


@pytest.mark.slow
@given(st.dictionaries(st.text(), _values, max_size=4))
def test_any_attributes_are_strict_json_without_losing_an_integer(
    attributes: dict[str, Value],
) -> None:
    """A reader whose numbers are doubles reads back exactly what was written."""
    document = attributes_document(attributes)

    text = json.dumps(document, allow_nan=False)

    assert json.loads(text, parse_int=lambda digits: int(float(digits))) == document


def test_what_json_has_no_number_for_is_text() -> None:
    """As protobuf's own JSON writes it."""
    attributes: dict[str, Value] = {
        "big": 2**53,
        "exact": 2**53 - 1,
        "nan": math.nan,
        "inf": -math.inf,
        "bytes": b"\x00\xff",
        "true": True,
    }

    assert attributes_document(attributes) == {
        "big": "9007199254740992",
        "exact": 2**53 - 1,
        "nan": "NaN",
        "inf": "-Infinity",
        "bytes": "AP8=",
        "true": True,
    }


def test_a_span_carries_its_stamp() -> None:
    """The fields that others rely on, in the forms that are promised."""
    (entry,) = samples.recorded(samples.request(samples.span(1), samples.span(2, parent=1)))
    root, child = (span_document(decode(item), node_ref) for item in items(entry))

    assert root["parent_span_id"] is None
    assert child["parent_span_id"] == samples.span_id(1).hex()
    assert child["start_ns"] == str(samples.START_NS)
    assert child["stamp"] == {
        "source_node_ref": f"node of {samples.LINEAGE.hex()} 3",
        "lineage": samples.LINEAGE.hex(),
        "boot_generation": 3,
        "lsn": "2",
        "hlc": hlc.text(hlc.nth(entry.header.stamp, 1)),
    }


def test_a_trace_says_which_parents_are_missing() -> None:
    """Spans come in display order with what the tree knows of them."""
    (entry,) = samples.recorded(
        samples.request(samples.span(2, parent=1), samples.span(1), samples.span(3, parent=9))
    )
    tree = assemble(decode(item) for item in items(entry))

    document = trace_document(samples.trace_id(1), tree, node_ref)

    assert document["trace_id"] == samples.trace_id(1).hex()
    assert [(s["name"], s["parent_recorded"]) for s in document["spans"]] == [
        ("span 1", True),
        ("span 2", True),
        ("span 3", False),
    ]
    assert document["duplicate_count"] == 0


def test_a_walk_that_left_something_out_is_not_complete() -> None:
    """Cut by its own bound or by that of the trace."""
    records = samples.recorded(samples.request(samples.span(1)))
    walk = Walk(records)
    list(walk)

    assert walk_document(walk) == {"complete": True, "oldest_position": str(records[0].position)}
    assert not walk_document(walk, truncated=True)["complete"]
    assert walk_document(Walk([])) == {"complete": False, "oldest_position": None}
