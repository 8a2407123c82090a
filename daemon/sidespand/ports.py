"""Where the stages meet: one Protocol a seam, in the order of the flow, of three methods at most.

receiver ─▶ Admission ─▶ Journal ─▶ ack
                           │
            Log ◀──────────┘ read by position
             └─▶ Sink
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from sidespand.model import (
    Admitted,
    Delivery,
    Gap,
    Kind,
    Peer,
    Position,
    Receipt,
    Record,
    SessionStep,
)

if TYPE_CHECKING:
    # Commands that read would load all of asyncio for a name.
    from asyncio import Future


class Admission(Protocol):
    """Decides what of a request may be stored."""

    def admit(self, kind: Kind, body: bytes, digest: bytes = b"") -> Admitted:
        """Return the storable part of one encoded OTLP request.

        Args:
            kind: SPANS, MARKS, LOGS or METRICS.
            body: The request, decompressed, at most MESSAGE_BYTES_MAX bytes.
            digest: SHA-256 of ``body`` where it is known; it goes on with a payload that is
                ``body``.

        Returns:
            One content for all items, unless some go to sinks of their own. Its payload is ``body``
            itself when every item is good, else the good rest serialised anew. Nothing to store is
            not an error.

        Raises:
            InvalidRequest: The body does not parse, or every item in it is bad. Not retryable.
            TooLarge: A count is over its limit. Not retryable.
        """
        ...

    def carries_error(self, kind: Kind, body: bytes) -> bool:
        """Tell whether an item of the request is an error: such a request is worth the last room.

        Args:
            kind: As for ``admit``.
            body: The same.

        Raises:
            InvalidRequest: The body does not parse. Not retryable.
            TooLarge: As for ``admit``.
        """
        ...

    def withdraw(self, admitted: Admitted) -> None:
        """Forget what was noted of a request that was not written after all."""
        ...


class Journal(Protocol):
    """Makes requests durable."""

    def append(
        self, admitted: Admitted, peer: Peer, step: SessionStep | None = None
    ) -> "Future[Receipt]":
        """Make a request durable and say where it lies.

        Takes its place in the order at once; the future is done after the commit that holds all of
        it has been flushed. A request is in the journal wholly or not at all.

        Args:
            admitted: One content or more; without any, nothing is written unless ``step`` consumes
                a seq.
            peer: Who handed it over; it becomes a SESSION record once.
            step: Its place in a session; what was durable before is not written again.

        Raises:
            All of them come out of the future.
            OutOfOrder: ``step.seq`` is more than one above the last durable one. Retryable.
            PermissionRefused: The instance is bound to another uid. Not retryable.
            Unavailable: The journal cannot take it now. Retryable; nothing was acknowledged.
        """
        ...

    def last_seq(self, instance_id: bytes, uid: int | None) -> int:
        """Return the highest durable seq of a client instance; 0 when it is unknown.

        Raises:
            PermissionRefused: The instance is bound to another uid. Not retryable.
        """
        ...

    def newest_token(self) -> str:
        """Return the token of the newest durable record."""
        ...


class OpenSpanTable(Protocol):
    """The spans that marks have opened: what would be lost with the client that holds them."""

    def open_instances(self) -> Mapping[bytes, float]:
        """Return the instances that have open spans, and for how many seconds each may be away.

        Asked while nothing is appended.
        """
        ...

    def open_count(self, instance_id: bytes) -> int:
        """Return how many durable open spans an instance has."""
        ...

    def abandon(self, instance_id: bytes, reason: str) -> "Future[Receipt]":
        """Write ABANDONED with all open spans of an instance, and forget them in the same commit.

        It takes its place in the order at once: what was appended before it counts. Without open
        spans nothing is written.

        Args:
            instance_id: 16 bytes.
            reason: Why, for people.

        Raises:
            Unavailable: Out of the future: nothing was forgotten. Retryable.
        """
        ...


class Log(Protocol):
    """The journal as its readers see it: an order of records with declared holes."""

    def read(self, after: Position | None, upto: Position | None = None) -> Sequence[Record | Gap]:
        """Return what follows ``after``, in log order, without gaps that are not named.

        Args:
            after: Exclusive; None for the oldest record that there is.
            upto: Inclusive; None for all that is durable.

        Returns:
            Records and gaps of at most READ_BATCH_RECORDS and about READ_BATCH_BYTES; empty at the
            tail.
        """
        ...

    def tail(self) -> Position | None:
        """Return the position of the last durable item; None in an empty store."""
        ...

    def close(self) -> None:
        """Let go of every file."""
        ...


class Sink(Protocol):
    """Carries records elsewhere."""

    @property
    def kinds(self) -> AbstractSet[Kind]:
        """The kinds of records that it takes; it is handed no others."""
        ...

    async def deliver(self, records: Sequence[Record]) -> Delivery:
        """Hand records over, in LSN order, all of one lineage.

        Delivered means that the other side holds them as durably as it promises to. The same
        records may come again.
        """
        ...

    async def close(self) -> None:
        """Let go; nothing is delivered afterwards."""
        ...


@runtime_checkable
class PerKind(Protocol):
    """A sink whose other side keeps each kind of record for itself.

    One delivery holds records of one kind, and the order is kept within each kind.
    """

    @property
    def one_kind(self) -> bool:
        """Always true."""
        ...


@runtime_checkable
class Erasable(Protocol):
    """A store of our own beside the journal that holds copies of records.

    A sink that keeps files, the index, dead letters: whatever has this method is asked, as soon as
    a redaction is durable and again where the log tells of it.
    """

    async def erase(self, gone: Sequence[Gap]) -> None:
        """Remove every copy of these records from our own files; safe to repeat.

        Done when no file of this store holds them any more.

        Args:
            gone: The redacted records, one range each, in log order.

        Raises:
            OSError: Some of them may still be there. Retryable.
        """
        ...
