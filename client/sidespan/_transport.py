"""The way to a recorder: two methods, and three implementations chosen by the address.

    /run/sidespan/ingest.sock             frames over a Unix socket; standard library only
    unix:///run/sidespan/ingest.sock      the same
    grpc+unix:///run/sidespan/grpc.sock   the Recorder service over a Unix socket; sidespan[grpc]
    grpc://127.0.0.1:4317                 the same over TCP, in the clear
    grpcs://recorder.example:4317         the same over TCP with TLS
    file:///var/tmp/agent.jsonl           no recorder: JSON lines in a file

SendError            the records of a seq were not acknowledged
├── RetryableError   send the same seq with the same bytes again
└── PermanentError   the seq is used up and its records are not stored; go on with the next
"""

import os
from typing import Protocol

from sidespan._wire import Ack

SYSTEM_SOCKET = "/run/sidespan/ingest.sock"


class SendError(Exception):
    """The records of a seq were not acknowledged."""


class RetryableError(SendError):
    """The same seq with the same bytes is worth sending again.

    Args:
        message: What stood in the way.
        retry_after_s: How long the recorder asked to wait; None when nobody answered.
    """

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class PermanentError(SendError):
    """The recorder refused the records for good; their seq is used up."""


class Transport(Protocol):
    """Carries one step of a session at a time. Used by one thread only."""

    def send(self, seq: int, records: bytes) -> Ack:
        """Have ``records`` made durable and return the acknowledgement.

        Connects when it has to. What was durable under this seq before is not written again.

        Args:
            seq: 1, 2, 3 … for this instance; 0 with no records asks for the newest token only.
            records: An encoded ``sidespan.v1.Records``.

        Raises:
            RetryableError: Nobody answered, or not now.
            PermanentError: The records are refused.
        """
        ...

    def close(self) -> None:
        """Say goodbye and let go, without waiting for anybody."""
        ...


def connect(address: str, instance_id: bytes) -> Transport:
    """Return the transport that an address asks for, not yet connected.

    Args:
        address: One of the forms above; empty for the socket of this user or this system.
        instance_id: 16 random bytes that name the sequence of seqs.

    Raises:
        ValueError: The address has another form.
        ImportError: It needs ``sidespan[grpc]``, which is not installed.
    """
    scheme, separator, rest = address.partition("://")
    if not separator or scheme == "unix":
        from sidespan._frames import FramesTransport

        return FramesTransport(rest if separator else address, instance_id)
    if scheme in ("grpc", "grpcs", "grpc+unix"):
        from sidespan._recorder import RecorderTransport

        target = f"unix:{rest}" if scheme == "grpc+unix" else rest
        return RecorderTransport(target, instance_id, secure=scheme == "grpcs")
    if scheme == "file":
        from sidespan._offline import FileTransport

        return FileTransport(rest)
    raise ValueError(
        f"address {address!r}: expected a path, unix://PATH, grpc+unix://PATH, grpc://HOST:PORT, "
        "grpcs://HOST:PORT or file://PATH"
    )


def default_socket() -> str:
    """Return this user's socket when there is one, else the system's."""
    directory = os.environ.get("XDG_RUNTIME_DIR")
    if directory:
        path = f"{directory}/sidespan/ingest.sock"
        if os.path.exists(path):  # noqa: PTH110 - pathlib would double the import time.
            return path
    return SYSTEM_SOCKET
