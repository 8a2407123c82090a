"""The first transaction of an open: the generation's GEN record, and LINEAGE where one begins."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import msgpack

import sidespand
from sidespand import platform
from sidespand.clock import Clock
from sidespand.errors import SidespanError, StoreUnreadable
from sidespand.journal import keys
from sidespand.journal.place import Place
from sidespand.journal.segment import SegmentWriter
from sidespand.journal.stamper import Draft, control, seal
from sidespand.journal.state import Head, encode_head
from sidespand.model import ControlBody, Kind, NodeIdentity

_INCARNATION_BYTES = 16


@dataclass(frozen=True, slots=True)
class Generation:
    """One that is about to begin.

    Args:
        head: The log that it goes on with; without a record where a lineage begins.
        origin: The body of that log's LINEAGE record, which every GEN record repeats: it outlives
            the trim of the lineage's beginning.
        clean: Whether the generation before it ended in order.
        sync: Whether its commits wait for the disk.
        exposed: Addresses at which anybody may write.
        capture: What its doors keep of what they take; empty where nobody said.
        store_id: 32 lower hex.
        place: Where the store lies.
        identity: Who the node says it is.
    """

    head: Head
    origin: ControlBody
    clean: bool
    sync: bool
    exposed: tuple[str, ...]
    capture: str
    store_id: str
    place: Place
    identity: NodeIdentity


def begin(
    generation: Generation,
    writer: SegmentWriter,
    carried: Mapping[bytes, bytes],
    clock: Clock,
) -> tuple[Head, tuple[bytes, bytes]]:
    """Commit a generation's first records.

    Args:
        generation: What they say.
        writer: Takes them.
        carried: State rows that commit with them.
        clock: For their stamps.

    Returns:
        The head afterwards, and the state row that names the generation.

    Raises:
        StoreUnreadable: The commit failed. What was acknowledged before is not lost.
    """
    head = generation.head
    boot_id = platform.boot_id()
    begun = replace(head, boot_generation=head.boot_generation + 1, boot_id=boot_id)
    if boot_id != head.boot_id:
        # The clocks began anew: beside their old readings the first new one would look like a step.
        begun = replace(begun, wall_ns=0, boottime_ns=0)
    body = _body(generation, begun, clock)
    draft = Draft(begun, clock, clock.error_us())
    if not head.record_count:
        draft.stamp(seal(control(Kind.LINEAGE, generation.origin), clock), 0, 0)
    draft.stamp(seal(control(Kind.GEN, body), clock), 0, 0)
    after = draft.head()
    row = (keys.generation_key(begun.boot_generation), msgpack.packb(body))
    rows = {**carried, row[0]: row[1], keys.HEAD: encode_head(after), keys.CLEAN: None}
    try:
        writer.commit(draft.values, rows)
    except SidespanError as error:
        raise StoreUnreadable(
            f"the new generation could not be written: {error}",
            hint="check the disk with `df -h` and `dmesg`; nothing that was acknowledged is lost",
        ) from error
    return after, row


def _body(generation: Generation, begun: Head, clock: Clock) -> ControlBody:
    identity = generation.identity
    return {
        "boot_generation": begun.boot_generation,
        "incarnation": clock.random_bytes(_INCARNATION_BYTES),
        "source_node_ref": identity.source_node_ref,
        "node_instance_id": identity.node_instance_id,
        "node_role": identity.node_role,
        "deployment_ref": identity.deployment_ref,
        "cluster_ref": identity.cluster_ref,
        "store_id": generation.store_id,
        "place": generation.place.body(),
        "origin": generation.origin,
        "boot_id": begun.boot_id,
        "started_at_ns": clock.wall_ns(),
        "clean_shutdown": generation.clean,
        "durability": "fsync" if generation.sync else "none",
        "insecure_listen": list(generation.exposed),
        "capture": generation.capture,
        "previous_last_lsn": begun.last_lsn,
        "hlc_floor": [begun.stamp.wall_ns, begun.stamp.logical],
        "software": f"sidespan/{sidespand.__version__}",
    }
