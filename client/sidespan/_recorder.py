"""The gRPC service ``sidespan.v1.Recorder``, for programs that would rather speak gRPC than frames.

The messages are the ones of ``_wire``, so grpcio is all that it needs.
"""

import os
from pathlib import Path
from typing import Any

import grpc

from sidespan import _wire
from sidespan._limits import REPLY_TIMEOUT_S
from sidespan._transport import PermanentError, RetryableError

_METHOD = "/sidespan.v1.Recorder/Record"
_OPTIONS = (
    # The sender has its own back-off; the channel's must not add minutes to it.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.enable_retries", 0),
    ("grpc.enable_http_proxy", 0),
    ("grpc.max_send_message_length", -1),
)
# The recorder's word on a request, as opposed to the network's on an attempt.
_FINAL = frozenset({grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED})


class RecorderTransport:
    """Speaks ``Recorder/Record``.

    Args:
        target: gRPC's name of the peer: ``unix:/path`` or ``host:port``.
        instance_id: 16 random bytes that name the sequence of seqs.
        secure: Whether to speak TLS, with the files of PEM that SIDESPAN_TLS_CA (without it the
            roots that grpc brings), SIDESPAN_TLS_CERT and SIDESPAN_TLS_KEY (without them no client
            certificate) name. The first line of the file that SIDESPAN_BEARER_FILE names goes with
            each call, as its bearer token.

    Raises:
        OSError: One of those files cannot be read.
    """

    def __init__(self, target: str, instance_id: bytes, *, secure: bool = False) -> None:
        self._target = target
        self._instance_id = instance_id
        self._metadata: tuple[tuple[str, str], ...] = ()
        if secure:
            self._metadata = _authorization()
            self._channel = grpc.secure_channel(target, _credentials(), _OPTIONS)
        else:
            self._channel = grpc.insecure_channel(target, _OPTIONS)
        self._record = self._channel.unary_unary(_METHOD)

    def send(self, seq: int, records: bytes) -> _wire.Ack:
        """Promise of ``Transport.send``."""
        request = _wire.encode_record_request(self._instance_id, seq, records)
        try:
            return _wire.decode_ack(
                self._record(request, timeout=REPLY_TIMEOUT_S, metadata=self._metadata)
            )
        except grpc.RpcError as error:
            message = f"{self._target}: {error.code().name}: {error.details()}"
            if error.code() in _FINAL and seq:
                raise PermanentError(message) from error
            raise RetryableError(message, _retry_after_s(error)) from error
        except ValueError as error:
            raise RetryableError(f"{self._target}: not an Ack: {error}") from error

    def close(self) -> None:
        """Promise of ``Transport.close``."""
        self._channel.close()


def _credentials() -> grpc.ChannelCredentials:
    """Return what the environment says of TLS, read now, as certificates are replaced."""
    ca, key, certificate = (
        Path(path).read_bytes() if path else None
        for path in map(
            os.environ.get, ("SIDESPAN_TLS_CA", "SIDESPAN_TLS_KEY", "SIDESPAN_TLS_CERT")
        )
    )
    return grpc.ssl_channel_credentials(ca, key, certificate)


def _authorization() -> tuple[tuple[str, str], ...]:
    path = os.environ.get("SIDESPAN_BEARER_FILE")
    if not path:
        return ()
    secret = Path(path).read_text(encoding="ascii").partition("\n")[0].strip()
    return (("authorization", f"Bearer {secret}"),)


def _retry_after_s(error: Any) -> float | None:
    """Return the delay of a RetryInfo in the trailers, or None without a readable one."""
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            try:
                return _wire.decode_retry_delay_s(value)
            except ValueError:
                return None
    return None
