"""Who a span is, and the random numbers that make it so."""

from random import Random
from typing import NamedTuple

from sidespan._platform import in_forked_children

SAMPLED = 0x01

# Its own generator: a host that seeds the shared one must not make two runs share their ids.
_random = Random()  # noqa: S311 - Ids must be unlikely, not secret.
_bits = _random.getrandbits
in_forked_children(_random.seed)


class SpanContext(NamedTuple):
    """What travels from a span to its children, in this process or another.

    Args:
        trace_id_bytes: 16 bytes, not all zero in a valid context.
        span_id_bytes: 8 bytes, not all zero in a valid context.
        trace_flags: The W3C flags; bit 0 is sampled.
        trace_state: The W3C ``tracestate`` that the trace brought into this process, or empty.
        is_remote: Whether it came from another process.
    """

    trace_id_bytes: bytes
    span_id_bytes: bytes
    trace_flags: int
    trace_state: str
    is_remote: bool

    @property
    def trace_id(self) -> str:
        """32 lower-case hex digits."""
        return self.trace_id_bytes.hex()

    @property
    def span_id(self) -> str:
        """16 lower-case hex digits."""
        return self.span_id_bytes.hex()


# Half the time of calling the class; two contexts a request are on the host's path.
_new = tuple.__new__

INVALID_CONTEXT = SpanContext(bytes(16), bytes(8), 0, "", is_remote=False)


def root_context() -> SpanContext:
    """Return the identity of a span that begins a trace; neither id is all zero."""
    trace_id = (_bits(128) or 1).to_bytes(16, "big")
    return _new(SpanContext, (trace_id, (_bits(64) or 1).to_bytes(8, "big"), SAMPLED, "", False))


def child_context(parent: SpanContext) -> SpanContext:
    """Return the identity of a span of the same trace; its id is not all zero."""
    trace_id, _, flags, trace_state, _ = parent
    span_id = (_bits(64) or 1).to_bytes(8, "big")
    return _new(SpanContext, (trace_id, span_id, flags, trace_state, False))


def spread(ceiling_s: float) -> float:
    """Return a wait between half of ``ceiling_s`` and all of it, so that many clients differ."""
    return _random.uniform(ceiling_s / 2, ceiling_s)
