"""W3C Trace Context, Level 2: ``traceparent`` and ``tracestate``, read strictly.

Nothing here raises, whatever text it is given.

Source: https://www.w3.org/TR/trace-context-2/, sections 3.2 and 3.3.
"""

import re

from sidespan._limits import (
    MEMBER_CHARACTERS_MAX,
    TRACESTATE_CHARACTERS_MAX,
    TRACESTATE_MEMBERS_MAX,
)

MEMBER_KEY = "sidespan"

# Bit 0 says sampled, bit 1 says that the trace id is random; a version's unknown bits are not
# passed on.
_KNOWN_FLAGS = 0x03

_TRACEPARENT = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})"
    r"-(?P<flags>[0-9a-f]{2})(?P<rest>-.*)?",
    re.DOTALL,
)
_VALUE = r"[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
_MEMBER = re.compile(rf"(?P<key>[a-z0-9][a-z0-9_\-*/@]{{0,255}})=(?P<value>{_VALUE})")
_MEMBER_VALUE = re.compile(_VALUE)


def parse_traceparent(text: str) -> tuple[bytes, bytes, int] | None:
    """Return (trace id, parent span id, flags) of a ``traceparent``, or None when it is not one.

    A later version is read as far as version 00 goes, as section 3.2.2 asks.
    """
    match = _TRACEPARENT.fullmatch(text)
    if match is None or match["version"] == "ff":
        return None
    if match["version"] == "00" and match["rest"] is not None:
        return None
    trace_id, span_id = bytes.fromhex(match["trace"]), bytes.fromhex(match["span"])
    if not any(trace_id) or not any(span_id):
        return None
    return trace_id, span_id, int(match["flags"], 16) & _KNOWN_FLAGS


def format_traceparent(trace_id: bytes, span_id: bytes, flags: int) -> str:
    """Return the ``traceparent`` of version 00 that names a span."""
    return f"00-{trace_id.hex()}-{span_id.hex()}-{flags & _KNOWN_FLAGS:02x}"


def parse_tracestate(text: str) -> str:
    """Return a ``tracestate`` without optional spaces and empty members; empty if malformed.

    One bad or repeated member condemns the whole, as section 3.3.1 lets a receiver decide.
    """
    if len(text) > TRACESTATE_CHARACTERS_MAX:
        return ""
    members: dict[str, str] = {}
    for part in text.split(","):
        member = part.strip(" \t")
        if not member:
            continue
        match = _MEMBER.fullmatch(member)
        if match is None or match["key"] in members:
            return ""
        members[match["key"]] = member
    return ",".join(members.values()) if len(members) <= TRACESTATE_MEMBERS_MAX else ""


def with_token(tracestate: str, token: str) -> str:
    """Return ``tracestate`` with ``sidespan=<token>`` as its leftmost member.

    Args:
        tracestate: As ``parse_tracestate`` returns it. Our own older member goes, the others stay
            as they are.
        token: Opaque; empty when none is known yet, and then nothing changes.
    """
    if not token:
        return tracestate
    others = [
        member
        for member in tracestate.split(",")
        if member and not member.startswith(f"{MEMBER_KEY}=")
    ]
    return ",".join([f"{MEMBER_KEY}={token}", *others[: TRACESTATE_MEMBERS_MAX - 1]])


def is_token(text: str) -> bool:
    """Tell whether ``text`` can be a member's value and is not the first to be dropped."""
    return (
        len(MEMBER_KEY) + 1 + len(text) <= MEMBER_CHARACTERS_MAX
        and _MEMBER_VALUE.fullmatch(text) is not None
    )
