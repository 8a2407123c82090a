import msgpack

from sidespand import hlc, token
from sidespand.model import Content, Edge, EdgeType, Kind, Record
from sidespand.query.coverage import Coverage
from sidespand.query.find import Hit
from sidespand.query.receipts import (
    Place,
    receipt_document,
    session_before,
    session_body,
)
from sidespand.query.spans import items
from sidespand.seed import commit_lsn
from tests.unit.query import samples

GENERATION = {
    "source_node_ref": "node://a",
    "node_instance_id": "i",
    "incarnation": bytes(16),
    "durability": "fsync",
}

UNCOVERED = Coverage(None, reason="no checkpoint was signed since")


def place(entry: Record, index: int) -> Place:
    """Return an item of a record as a search finds it."""
    return Place.of(Hit(entry, list(items(entry))[index]))


def test_a_receipt_names_the_place_of_one_item() -> None:
    """The position is the item's, the token that of its record's last item."""
    (entry,) = samples.recorded(samples.request(samples.span(1), samples.span(2), samples.span(3)))

    receipt = receipt_document(place(entry, 1), GENERATION, None, UNCOVERED)

    assert receipt["span_id"] == samples.span_id(2).hex()
    assert receipt["position"] == f"{samples.LINEAGE.hex()}:2"
    assert receipt["hlc"] == hlc.text(hlc.nth(entry.header.stamp, 1))
    assert receipt["identity"]["source_node_ref"] == "node://a"
    assert receipt["durability"] == "fsync"
    decoded = token.decode(receipt["token"])
    assert decoded == (
        samples.LINEAGE,
        3,
        hlc.nth(entry.header.stamp, 2),
        entry.leaf[: token.TAG_BYTES],
    )
    assert receipt["record"]["leaf"] == entry.leaf.hex()
    assert receipt["record"]["payload_commitment"] == entry.header.payload_commitment.hex()
    assert (receipt["record"]["item_index"], receipt["record"]["item_count"]) == (1, 3)


def test_only_the_tokens_of_the_item_are_its_edges() -> None:
    """A record's other items saw their own tokens."""
    edges = tuple(
        Edge(EdgeType.CITED, index, bytes(8), 7 + index, hlc.Hlc(5, 6), bytes(16))
        for index in (0, 1)
    )
    payload = samples.request(samples.span(1), samples.span(2))
    (entry,) = samples.recorded_contents([Content(Kind.SPANS, payload, 2, edges)])

    receipt = receipt_document(place(entry, 1), GENERATION, None, UNCOVERED)

    assert receipt["edges"] == [
        {
            "type": "cited",
            "position": "0000000000000000:8",
            "hlc": "5.0000000006",
            "tag": "00" * 16,
        }
    ]
    assert receipt["record"]["flags"] == ["merged"]


def test_what_was_trimmed_is_unknown() -> None:
    """A receipt says nothing that the journal does not hold any more."""
    (entry,) = samples.recorded(samples.request(samples.span(1)))

    receipt = receipt_document(place(entry, 0), {}, None, UNCOVERED)

    assert receipt["durability"] == "unknown"
    assert receipt["identity"]["incarnation"] is None
    assert receipt["producer"] is None
    assert session_before(entry) is None


def test_the_producer_is_read_from_its_session_record() -> None:
    """Door, uid and pid are what the recorder saw, not what the sender said."""
    body = {"door": "ingest", "uid": 0, "pid": 7, "address": "", "instance_id": b"\x01" * 16}
    (session,) = samples.recorded_contents([Content(Kind.SESSION, msgpack.packb(body), 1)])
    (entry,) = samples.recorded(samples.request(samples.span(1)))

    assert session_body([session]) == body
    assert session_body([entry]) is None
    assert session_body([]) is None
    producer = receipt_document(place(entry, 0), GENERATION, body, UNCOVERED)["producer"]
    assert (producer["door"], producer["uid"], producer["pid"]) == ("ingest", 0, 7)
    assert (producer["address"], producer["tenant"], producer["seq"]) == (None, None, None)
    assert producer["instance_id"] == "01" * 16


def test_the_seed_s_names_are_kept() -> None:
    """``commit_lsn`` is PostgreSQL's text, ``commit_hlc`` integers; no replay is claimed."""
    (entry,) = samples.recorded(samples.request(samples.span(1)))
    generation = {**GENERATION, "node_role": "worker", "cluster_ref": ""}

    receipt = receipt_document(place(entry, 0), generation, None, UNCOVERED)

    trace_id = samples.trace_id(1).hex()
    assert receipt["node_evidence"] == {
        "source_node_ref": "node://a",
        "node_instance_id": "i",
        "boot_generation": entry.header.boot_generation,
        "node_role": "worker",
    }
    assert receipt["node_order_evidence"] == {
        trace_id: {
            "trace_id": trace_id,
            "source_node_ref": "node://a",
            "commit_lsn": "0/1",
            "commit_hlc": {"w": entry.header.stamp.wall_ns, "l": 0, "n": "node://a"},
        }
    }
    assert receipt["trace_replay"] == {"status": "not_emitted"}
    assert commit_lsn(0x16_B374_D848) == "16/B374D848"


def test_what_nothing_covers_says_why() -> None:
    """``covered`` is false, with the reason."""
    (entry,) = samples.recorded(samples.request(samples.span(1)))

    receipt = receipt_document(place(entry, 0), GENERATION, None, UNCOVERED)

    assert (receipt["covered"], receipt["checkpoint"], receipt["inclusion"]) == (False, None, None)
    assert receipt["uncovered_reason"] == "no checkpoint was signed since"


def test_a_redacted_item_keeps_its_place() -> None:
    """Position, leaf and token stay; what it held is gone, and that is said."""
    (entry,) = samples.recorded(samples.request(samples.span(1)))

    receipt = receipt_document(Place(samples.redacted(entry), 0), GENERATION, None, UNCOVERED)

    assert (receipt["payload"], receipt["span_id"], receipt["name"]) == ("redacted", None, None)
    assert receipt["record"]["leaf"] == entry.leaf.hex()
    assert receipt["node_order_evidence"] == {}
