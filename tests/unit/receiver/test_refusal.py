"""Every error has its name at every door, and only what may pass invites another try."""

from collections.abc import Iterator

import grpc
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from sidespan.v1.recorder_pb2 import Nack
from sidespand import errors
from sidespand.receiver.frames import OversizeFrame
from sidespand.receiver.refusal import refusal_of

Code = grpc.StatusCode
# The gRPC code, the HTTP status, the NACK code, and how long to wait by default.
EXPECTED = {
    errors.InvalidRequest: (Code.INVALID_ARGUMENT, 400, Nack.INVALID, 0),
    errors.TooLarge: (Code.RESOURCE_EXHAUSTED, 413, Nack.TOO_LARGE, 0),
    errors.Unauthenticated: (Code.UNAUTHENTICATED, 401, Nack.PERMISSION_DENIED, 0),
    errors.PermissionRefused: (Code.PERMISSION_DENIED, 403, Nack.PERMISSION_DENIED, 0),
    errors.OutOfOrder: (Code.UNAVAILABLE, 503, Nack.OUT_OF_ORDER, 2000),
    errors.Unavailable: (Code.UNAVAILABLE, 503, Nack.UNAVAILABLE, 2000),
    errors.JournalFailed: (Code.UNAVAILABLE, 503, Nack.UNAVAILABLE, 2000),
    errors.ProtocolViolation: (Code.INVALID_ARGUMENT, 400, Nack.PROTOCOL, 0),
}


def leaves(of: type[errors.SidespanError]) -> Iterator[type[errors.SidespanError]]:
    """Yield every error of the tree that can be raised below ``of``."""
    for one in of.__subclasses__():
        yield one
        yield from leaves(one)


@pytest.mark.parametrize("leaf", EXPECTED)
def test_an_error_has_its_name_at_every_door(leaf: type[errors.SidespanError]) -> None:
    """Codes and text are those that each protocol's clients know; the delay fits the error."""
    grpc_code, http_status, nack_code, retry_after_ms = EXPECTED[leaf]

    refusal = refusal_of(leaf("the field x"))

    assert (refusal.grpc_code, refusal.http_status) == (grpc_code, http_status)
    assert (refusal.nack_code, refusal.text) == (nack_code, "the field x")
    assert refusal.retry_after_ms == retry_after_ms
    assert bool(retry_after_ms) == leaf.retryable


def test_the_table_is_complete() -> None:
    """Whatever a door can raise is in it; what only stops a start is not."""
    told = {one for one in leaves(errors.SidespanError) if one.__module__ == errors.__name__}
    at_start = {
        errors.ConfigError,
        errors.InUse,
        errors.StoreUnreadable,
        errors.StoreTooNew,
        errors.StoreMoved,
        errors.NotFound,
        errors.Refused,
    }

    assert told - at_start == set(EXPECTED)
    assert refusal_of(OversizeFrame("x", 1)).nack_code == Nack.PROTOCOL


def test_a_delay_of_the_error_s_own_is_told() -> None:
    """Who knows how long it will take says so, in both places that gRPC clients read."""
    refusal = refusal_of(errors.Unavailable("full", retry_after_ms=2500))

    status = Status.FromString(refusal.status())
    assert (status.code, status.message) == (14, "full")
    packed, bare = RetryInfo(), RetryInfo()
    assert status.details[0].Unpack(packed)
    trailers = dict(refusal.trailers())
    bare.ParseFromString(trailers["google.rpc.retryinfo-bin"])
    assert packed.retry_delay.ToMilliseconds() == bare.retry_delay.ToMilliseconds() == 2500
    assert trailers["grpc-status-details-bin"] == refusal.status()


@pytest.mark.parametrize("leaf", [leaf for leaf in EXPECTED if not leaf.retryable])
def test_what_is_final_carries_no_retry_info(leaf: type[errors.SidespanError]) -> None:
    """A sender that finds RetryInfo would send the same bytes for ever."""
    refusal = refusal_of(leaf("no"))

    assert not Status.FromString(refusal.status()).details
    assert dict(refusal.trailers()).keys() == {"grpc-status-details-bin"}


@pytest.mark.parametrize("error", [ValueError("secret path"), errors.NotFound("secret path")])
def test_what_was_not_foreseen_looks_passing_and_says_nothing(error: Exception) -> None:
    """A fault of ours must not make a sender give up, nor tell it what is inside."""
    refusal = refusal_of(error)

    assert (refusal.grpc_code, refusal.http_status) == (Code.UNAVAILABLE, 503)
    assert refusal.retry_after_ms > 0
    assert "secret" not in refusal.text
