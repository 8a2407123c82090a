"""What passes between the stages. Everything here is a value."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Any, NamedTuple

from sidespand.hlc import Hlc
from sidespand.limits import AWAY_S_MAX


class Kind(IntEnum):
    """What a record holds. Numbers are part of the store format: they are added, never changed."""

    SPANS = 1
    MARKS = 2
    LOGS = 3
    METRICS = 4
    LINEAGE = 16
    GEN = 17
    CLOCK = 18
    KEY = 19
    CHECKPOINT = 20
    SESSION = 21
    TRIM = 22
    REDACT = 23
    DROP = 24
    ABANDONED = 25

    @property
    def is_control(self) -> bool:
        """Whether the recorder wrote it on its own account; its body is a msgpack map."""
        return self >= Kind.LINEAGE


class Flag(IntFlag):
    """Facts about a record that its header carries."""

    NONE = 0
    MERGED = 1
    MERGE_REJECTED = 2
    CLOCK_SYNCED = 4
    EDGES_TRUNCATED = 8


class EdgeType(IntEnum):
    """How a token came to be in a record."""

    RECEIVED = 1
    CITED = 2
    RESPONSE = 3
    LINKED = 4


class Position(NamedTuple):
    """A place in a store: the lineage's number within the store, its id and an LSN in it.

    Positions of one store compare as its log runs. LSN 0 stands before the first item.
    """

    ordinal: int
    lineage: bytes
    lsn: int

    def __str__(self) -> str:
        return f"{self.lineage.hex()}:{self.lsn}"


@dataclass(frozen=True, slots=True)
class Edge:
    """A token that was seen in item ``item_index`` (from 0) of a record."""

    type: EdgeType
    item_index: int
    lineage: bytes
    lsn: int
    stamp: Hlc
    tag: bytes


class Peer(NamedTuple):
    """Who handed a request over.

    Args:
        door: ``ingest``, ``grpc`` or ``http``.
        uid: Of the peer process; None where the door cannot know.
        pid: The same.
        address: Host without port for TCP; empty on a Unix socket.
        tenant: What its token, certificate or uid stands for; empty when the configuration names
            none.
    """

    door: str
    uid: int | None = None
    pid: int | None = None
    address: str = ""
    tenant: str = ""


class SpanKey(NamedTuple):
    """Names a span: 16 bytes and 8 bytes, neither all zero."""

    trace_id: bytes
    span_id: bytes


class Mark(NamedTuple):
    """What the table of open spans keeps of a mark.

    Args:
        key: Of the span.
        start_ns: Nanoseconds since the Unix epoch, by the sender's clock.
        name: Of the span, at most OPEN_TEXT_CHARACTERS_MAX characters.
        service: Of its resource; the same.
    """

    key: SpanKey
    start_ns: int
    name: str
    service: str


class Content(NamedTuple):
    """One admitted record: validated bytes that only lack their stamp.

    Args:
        kind: What the bytes are.
        payload: Protobuf as it will be stored.
        item_count: 1 or more.
        edges: At most EDGES_PER_RECORD_MAX, by item index.
        edges_truncated: There were more.
        marks: Of a record of marks one an item, in item order; else empty.
        digest: SHA-256 of the payload where it is known already; empty where it is not.
    """

    kind: Kind
    payload: bytes
    item_count: int
    edges: tuple[Edge, ...] = ()
    edges_truncated: bool = False
    marks: tuple[Mark, ...] = ()
    digest: bytes = b""


class Admitted(NamedTuple):
    """What is left of a request after admission.

    Args:
        contents: In the order in which they become records; empty when nothing is to be stored.
        rejected_items: Items that were refused while the others stand.
        rejected_reason: Why, for the sender; empty when none was.
        ended: The marked spans that end with it; those that are not open are passed over.
        removed_values: Attributes, bodies and messages left out of what is stored.
    """

    contents: tuple[Content, ...]
    rejected_items: int = 0
    rejected_reason: str = ""
    ended: tuple[SpanKey, ...] = ()
    removed_values: int = 0


class SessionStep(NamedTuple):
    """Names one request of a client instance, so that it is in the journal once.

    Args:
        instance_id: 16 bytes, drawn by the client process.
        seq: 1 for the first request of the instance, then without gaps.
        acked_seq: The highest seq whose acknowledgement the client holds: where an instance that
            the store does not
            know goes on.
        uid: Whom the instance is bound to; None where the door cannot know.
        away_s_max: For how many seconds the instance may be away before what it left open counts as
            abandoned.
    """

    instance_id: bytes
    seq: int
    acked_seq: int
    uid: int | None
    away_s_max: float = AWAY_S_MAX


class OpenSpan(NamedTuple):
    """A span that a mark has opened and nothing has ended yet.

    Args:
        instance_id: Of the client that opened it, 16 bytes.
        mark: The mark that opened it.
        peer: Who handed that over.
        lineage: Where that lies, 8 bytes.
        lsn: The same.
        opened_ns: Wall clock of the recorder then.
        away_s_max: As in ``SessionStep``.
    """

    instance_id: bytes
    mark: Mark
    peer: Peer
    lineage: bytes
    lsn: int
    opened_ns: int
    away_s_max: float


class Receipt(NamedTuple):
    """What the journal says of a durable request.

    Args:
        first_lsn: Inclusive; 0 when nothing was stored.
        last_lsn: Inclusive; the LSNs between are gapless and share one lineage.
        stamp: HLC of the last item.
        token: Of the last record; the node's newest when nothing was stored.
        duplicate: The same step had been durable before; nothing was written.
    """

    first_lsn: int
    last_lsn: int
    stamp: Hlc
    token: str
    duplicate: bool = False


@dataclass(frozen=True, slots=True)
class Header:
    """A record's fixed part; docs/architecture.md gives its bytes."""

    kind: Kind
    flags: Flag
    lineage: bytes
    record_index: int
    first_lsn: int
    item_count: int
    boot_generation: int
    commit_seq: int
    stamp: Hlc
    clock_error_us: int | None
    wall_ns: int
    boottime_ns: int
    batch_nonce: bytes
    producer_session: int
    producer_seq: int
    payload_bytes: int
    payload_commitment: bytes

    @property
    def last_lsn(self) -> int:
        """The LSN of the record's last item."""
        return self.first_lsn + self.item_count - 1


@dataclass(frozen=True, slots=True)
class Record:
    """One journal entry, read back and checked.

    Args:
        ordinal: Of its lineage within the store.
        header: Its fixed part.
        edges: The tokens seen in it.
        leaf: 32 bytes, its leaf hash in the lineage's tree.
        payload: The stored bytes; None when they were redacted.
        prev_lsn: On the way to a sink, the LSN of the item that this lineage's stream had before
            it, 0 for none; None for the one just before it, and in the journal.
    """

    ordinal: int
    header: Header
    edges: tuple[Edge, ...]
    leaf: bytes
    payload: bytes | None
    prev_lsn: int | None = None

    @property
    def position(self) -> Position:
        """The place of the record's last item."""
        return Position(self.ordinal, self.header.lineage, self.header.last_lsn)


@dataclass(frozen=True, slots=True)
class Gap:
    """A range of one lineage that cannot be read.

    Args:
        first: Its first missing LSN, inclusive.
        last: Its last missing LSN, inclusive.
        reason: ``trimmed``, ``missing``, ``damaged`` or ``redacted``.
    """

    ordinal: int
    lineage: bytes
    first: int
    last: int
    reason: str

    @property
    def position(self) -> Position:
        """The place of its last missing item."""
        return Position(self.ordinal, self.lineage, self.last)


@dataclass(frozen=True, slots=True)
class NodeIdentity:
    """Who this node says it is. Field names are those of the AITrace seed."""

    source_node_ref: str
    node_instance_id: str
    node_role: str = ""
    deployment_ref: str = ""
    cluster_ref: str = ""


@dataclass(frozen=True, slots=True)
class Delivered:
    """The sink took every record."""


@dataclass(frozen=True, slots=True)
class Retry:
    """The sink cannot take them now.

    Args:
        reason: For people.
        after_s: What the sink asked for; None to leave it to the runner.
    """

    reason: str
    after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """The sink will never take some of them; it took the others, unless ``whole``.

    Args:
        item_count: How many.
        reason: In the sink's words, bounded.
        whole: It took nothing, for some of them may be bad, or all together too large: parts of
            them may pass.
    """

    item_count: int
    reason: str
    whole: bool = False


Delivery = Delivered | Retry | Rejected

ControlBody = Mapping[str, Any]
