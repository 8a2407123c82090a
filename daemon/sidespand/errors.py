"""Every way in which an operation can fail, as one tree.

    SidespanError
    ├── ConfigError            the configuration cannot be used              not retryable
    ├── InUse                  a store, socket or port has another owner     not retryable
    ├── StoreUnreadable        the store cannot be opened without loss       not retryable
    ├── StoreMoved             the store is a copy, or was moved             not retryable
    ├── StoreTooNew            written by a later version                    not retryable
    ├── NotFound               no such trace, span or position               not retryable
    ├── Refused                the request was not stored
    │   ├── InvalidRequest     its content is malformed                      not retryable
    │   ├── TooLarge           it is over a size limit                       not retryable
    │   ├── Unauthenticated    the peer has not shown who it is              not retryable
    │   ├── PermissionRefused  the peer may not write here                   not retryable
    │   ├── OutOfOrder         a later step came before its predecessor      retryable
    │   └── Unavailable        the node cannot store now                     retryable
    │       └── JournalFailed  the commit failed; nothing of it was acked    retryable
    └── ProtocolViolation      the peer left the frame protocol              not retryable

A programmer's error is an ``assert``, never a leaf of this tree. What a sink answers is a value,
not an error.
"""


class SidespanError(Exception):
    """Base of the tree.

    Args:
        message: What happened, with the key, path or field that it is about.
        hint: The operator's next step; empty when there is none.
    """

    retryable = False

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class ConfigError(SidespanError):
    """The configuration cannot be used; nothing was opened."""


class InUse(SidespanError):
    """Another process owns the store, the socket or the port; it was not disturbed."""


class StoreUnreadable(SidespanError):
    """The store cannot be opened without losing records; nothing was changed."""


class StoreMoved(SidespanError):
    """The store is a copy, or was moved to another disk or machine; nothing was changed."""


class StoreTooNew(SidespanError):
    """A later version wrote this store; nothing was changed."""


class NotFound(SidespanError):
    """Nothing in the journal answers to that name."""


class Refused(SidespanError):
    """The request was not stored; nothing of it was written."""


class InvalidRequest(Refused):
    """The content is malformed; sending it again will not help."""


class TooLarge(Refused):
    """The message is over a size limit, before or after decompression."""


class Unauthenticated(Refused):
    """The peer has not shown who it is; the same request with a good token may pass."""


class PermissionRefused(Refused):
    """The peer may not write here."""


class OutOfOrder(Refused):
    """A step of a session came while an earlier one is still owed."""

    retryable = True


# Exporters that try six times within ten seconds last longer when told two seconds than one.
RETRY_AFTER_MS = 2000


class Unavailable(Refused):
    """The node cannot store now.

    Args:
        message: Why.
        hint: The operator's next step.
        retry_after_ms: How long the sender should wait, 1 to 60,000.
    """

    retryable = True

    def __init__(
        self, message: str, *, hint: str = "", retry_after_ms: int = RETRY_AFTER_MS
    ) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_ms = retry_after_ms


class JournalFailed(Unavailable):
    """The commit failed. Its records may be on disk, but nobody in the group was acknowledged."""


class ProtocolViolation(SidespanError):
    """The peer left the frame protocol; its connection is closed."""
