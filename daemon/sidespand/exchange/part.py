"""What is read from a file: requests in an order that does not change when it is read again."""

import hashlib
from collections.abc import Iterator
from typing import Final, NamedTuple

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from sidespand.limits import INSTANCE_ID_BYTES

# What reading a document may raise that is not what it should be.
MALFORMED: Final = (ValueError, TypeError, OverflowError, RecursionError)


class Part(NamedTuple):
    """One part of a file, which is stored whole or not at all.

    Args:
        seq: From 1, rising by one: the same part has the same in every reading. 0 for what has no
            place among the parts, and cannot be read either.
        where: For people: ``line 3`` or ``span 12``.
        request: Its spans; those without an end are open. None where it cannot be read.
        refusal: Why it must not be stored; empty where nothing speaks against it.
        logs: Its log records; None for none.
    """

    seq: int
    where: str
    request: ExportTraceServiceRequest | None
    refusal: str = ""
    logs: ExportLogsServiceRequest | None = None


class Source(NamedTuple):
    """A file that is being read.

    Args:
        format: What it is.
        identity: 16 bytes that name what it records, whatever the file is called.
        parts: Its parts, in order; read once.
    """

    format: str
    identity: bytes
    parts: Iterator[Part]


def identity(kind: str, content: bytes) -> bytes:
    """Return the identity of what begins with, or consists of, ``content``."""
    name = f"sidespan:import:{kind}:".encode()
    return hashlib.sha256(name + content).digest()[:INSTANCE_ID_BYTES]
