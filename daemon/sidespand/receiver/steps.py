"""What a step of a session holds, and how its answer reads: the same in frames and in gRPC."""

from sidespan.v1.recorder_pb2 import Ack, Records
from sidespand.errors import InvalidRequest
from sidespand.limits import SPAN_ID_BYTES, TRACE_ID_BYTES
from sidespand.model import Kind, SpanKey
from sidespand.receiver.intake import Accepted

_ENDED_BYTES = TRACE_ID_BYTES + SPAN_ID_BYTES


def parts_of(records: Records) -> list[tuple[Kind, bytes]]:
    """Return the signals of one step in the order in which they become records."""
    traces, marks, logs = records.traces, records.marks, records.logs
    if not marks and not logs:
        return [(Kind.SPANS, traces)] if traces else []
    fields = ((Kind.SPANS, traces), (Kind.MARKS, marks), (Kind.LOGS, logs))
    return [(kind, body) for kind, body in fields if body]


def ended_of(records: Records) -> tuple[SpanKey, ...]:
    """Return the marked spans that end with one step.

    Raises:
        InvalidRequest: The field is no list of ids. Not retryable.
    """
    ended = records.ended
    if not ended:
        return ()
    if len(ended) % _ENDED_BYTES:
        raise InvalidRequest(
            f"ended has {len(ended)} bytes, no multiple of {_ENDED_BYTES}: "
            "each span is its trace id, then its span id"
        )
    return tuple(
        SpanKey(ended[at : at + TRACE_ID_BYTES], ended[at + TRACE_ID_BYTES : at + _ENDED_BYTES])
        for at in range(0, len(ended), _ENDED_BYTES)
    )


def ack_of(accepted: Accepted) -> Ack:
    """Return the ACK of a durable request."""
    receipt = accepted.receipt
    return Ack(
        first_lsn=receipt.first_lsn,
        last_lsn=receipt.last_lsn,
        hlc_wall_ns=receipt.stamp.wall_ns,
        hlc_logical=receipt.stamp.logical,
        token=receipt.token,
        rejected_items=accepted.rejected_items,
        rejected_reason=accepted.rejected_reason,
        duplicate=receipt.duplicate,
    )
