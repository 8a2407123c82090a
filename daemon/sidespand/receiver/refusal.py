"""The one table of refusals: what an error of ours is called at each door.

OTLP decides what a sender does next: it gives up on INVALID_ARGUMENT, on RESOURCE_EXHAUSTED without
    RetryInfo and on 400 and 413, and comes back after UNAVAILABLE and 503. Source:
    opentelemetry-proto
    docs/specification.md, "Failures" and "OTLP/HTTP Throttling".
"""

from dataclasses import dataclass

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from sidespan.v1.recorder_pb2 import Nack
from sidespand.errors import (
    RETRY_AFTER_MS,
    InvalidRequest,
    OutOfOrder,
    PermissionRefused,
    ProtocolViolation,
    SidespanError,
    TooLarge,
    Unauthenticated,
    Unavailable,
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """How one refusal is told.

    Args:
        grpc_code: Of a gRPC call.
        http_status: Of an HTTP response.
        nack_code: Of a NACK frame.
        text: For people; no more than what the sender may know.
        retry_after_ms: How long to wait; 0 when another try will not help.
    """

    grpc_code: grpc.StatusCode
    http_status: int
    nack_code: Nack.Code
    text: str
    retry_after_ms: int

    def status(self) -> bytes:
        """Return the encoded ``google.rpc.Status`` that OTLP asks for."""
        status = Status(code=self.grpc_code.value[0], message=self.text)
        if self.retry_after_ms:
            status.details.add().Pack(self._retry_info())
        return bytes(status.SerializeToString())

    def trailers(self) -> tuple[tuple[str, bytes], ...]:
        """Return a gRPC refusal's trailing metadata: clients read the delay in either place."""
        if not self.retry_after_ms:
            return (("grpc-status-details-bin", self.status()),)
        return (
            ("grpc-status-details-bin", self.status()),
            ("google.rpc.retryinfo-bin", self._retry_info().SerializeToString()),
        )

    def _retry_info(self) -> RetryInfo:
        delay = Duration()
        delay.FromMilliseconds(self.retry_after_ms)
        return RetryInfo(retry_delay=delay)


_TABLE: tuple[tuple[type[SidespanError], grpc.StatusCode, int, Nack.Code], ...] = (
    (InvalidRequest, grpc.StatusCode.INVALID_ARGUMENT, 400, Nack.INVALID),
    (TooLarge, grpc.StatusCode.RESOURCE_EXHAUSTED, 413, Nack.TOO_LARGE),
    (Unauthenticated, grpc.StatusCode.UNAUTHENTICATED, 401, Nack.PERMISSION_DENIED),
    (PermissionRefused, grpc.StatusCode.PERMISSION_DENIED, 403, Nack.PERMISSION_DENIED),
    (OutOfOrder, grpc.StatusCode.UNAVAILABLE, 503, Nack.OUT_OF_ORDER),
    (Unavailable, grpc.StatusCode.UNAVAILABLE, 503, Nack.UNAVAILABLE),
    (ProtocolViolation, grpc.StatusCode.INVALID_ARGUMENT, 400, Nack.PROTOCOL),
)


def refusal_of(error: Exception) -> Refusal:
    """Return how ``error`` is told; one that is not in the table looks like a passing failure."""
    for leaf, grpc_code, http_status, nack_code in _TABLE:
        if isinstance(error, leaf):
            wait = error.retry_after_ms if isinstance(error, Unavailable) else RETRY_AFTER_MS
            return Refusal(
                grpc_code, http_status, nack_code, str(error), wait if error.retryable else 0
            )
    return Refusal(
        grpc.StatusCode.UNAVAILABLE,
        503,
        Nack.UNAVAILABLE,
        # A failure of our own must look passing: a sender gives up on what looks permanent.
        "the recorder failed; its log says how",
        RETRY_AFTER_MS,
    )
