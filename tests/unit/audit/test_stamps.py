"""A log that was rewritten with sound checksums still shows what does not follow in it."""

import shutil
import struct
from pathlib import Path

import google_crc32c
import pytest

from sidespand import merkle
from sidespand.audit.report import Fault
from sidespand.audit.store import StoreAudit
from sidespand.evidence import note
from sidespand.evidence.checkpoint import Checkpoint, checkpoint_body, sign
from sidespand.journal import record
from sidespand.model import Kind
from tests.attested import Node, Writing
from tests.unit.audit.rewriting import Rewriting
from tests.unit.query import samples

CONTENTS = [samples.spans_content(samples.request(samples.span(n))) for n in range(1, 4)]
# Of a header, as docs/evidence.md has them.
KIND, ITEM_COUNT, GENERATION, HLC_WALL = (4, ">B"), (32, ">I"), (36, ">I"), (48, ">Q")


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Node:
    """Return a node of one generation; its store must not be changed."""
    made = Node(tmp_path_factory.mktemp("node") / "data")
    made.live(CONTENTS)
    return made


def found(data_dir: Path, node: Node) -> set[Fault]:
    """Return what a check with the node's key finds."""
    report = StoreAudit(data_dir, note.parse_verifier(node.pinned)).run()
    return {one.code for one in report.findings}


@pytest.mark.parametrize(
    ("lsn", "field", "expected"),
    [
        (6, (*HLC_WALL, 1), Fault.HLC_REGRESS),
        (6, (*GENERATION, 9), Fault.GENERATION_BROKEN),
        (6, (*ITEM_COUNT, 0), Fault.RECORD_DAMAGED),
        (3, (*KIND, Kind.LINEAGE), Fault.LINEAGE_BROKEN),
        (1, (*KIND, Kind.CLOCK), Fault.LINEAGE_BROKEN),
    ],
)
def test_a_field_that_does_not_follow_is_named(
    node: Node, tmp_path: Path, lsn: int, field: tuple[int, str, int], expected: Fault
) -> None:
    """Beside the root, which is another one in any case."""
    copy = Path(shutil.copytree(node.data_dir, tmp_path / "copy"))
    offset, form, value = field

    def change(at: int, stored: bytes) -> bytes:
        if at != lsn:
            return stored
        header = bytearray(stored[: record.HEADER_BYTES])
        struct.pack_into(form, header, offset, value)
        checksum = struct.pack(">I", google_crc32c.value(bytes(header)))
        return bytes(header) + checksum + stored[record.HEADER_BYTES + len(checksum) :]

    Rewriting(copy).values(change)

    assert found(node.data_dir, node) == set()
    assert expected in found(copy, node)


def test_a_checkpoint_of_fewer_records_than_the_one_before(tmp_path: Path) -> None:
    """Even with a sound signature and a root that the records make."""
    node = Node(tmp_path / "data")

    async def go_back(writing: Writing) -> None:
        await writing.record(CONTENTS[0])
        head = writing.store.head
        await writing.record(CONTENTS[1])
        await writing.checkpoint()
        name = writing.key.verifier.name
        earlier = Checkpoint(name, head.record_count, merkle.root(head.hashes))
        body = checkpoint_body(sign(earlier, writing.key), writing.key_body)
        await writing.store.append_control(Kind.CHECKPOINT, body)

    node.open(go_back)

    assert found(node.data_dir, node) == {Fault.CHECKPOINT_REGRESS}
