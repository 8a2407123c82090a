"""The token: a position in a node's log and 16 unpredictable bytes of its leaf, for ``tracestate``.

    token   = "1-" lineage "-" lsn "-" hlc "-" tag
    lineage = 16 lower hex   lsn = 1 to 16 lower hex without leading zero
    hlc     = 24 lower hex (wall_ns 16, logical 8)   tag = 32 lower hex

The member is ``sidespan=<token>``, at most 102 characters: W3C Trace Context (section 3.3.1.5)
drops members over 128 first. Whoever can show a token has seen something that was committed at that
position, or knows somebody who has. Parsing takes hostile text and never raises.
"""

import re
from typing import NamedTuple

from sidespand.hlc import Hlc
from sidespand.limits import TRACESTATE_BYTES_MAX

MEMBER_KEY = "sidespan"
TAG_BYTES = 16

_TOKEN = re.compile(
    r"1-(?P<lineage>[0-9a-f]{16})-(?P<lsn>[1-9a-f][0-9a-f]{0,15})"
    r"-(?P<wall>[0-9a-f]{16})(?P<logical>[0-9a-f]{8})-(?P<tag>[0-9a-f]{32})"
)


class Token(NamedTuple):
    """What a token says.

    Args:
        lineage: 8 bytes, the log series.
        lsn: Of the record's last item, from 1.
        stamp: HLC of the record's last item.
        tag: 16 bytes, the head of the record's leaf hash.
    """

    lineage: bytes
    lsn: int
    stamp: Hlc
    tag: bytes


def encode(lineage: bytes, lsn: int, stamp: Hlc, tag: bytes) -> str:
    """Return the token's text, at most 93 characters of ``[0-9a-f-]``."""
    return f"1-{lineage.hex()}-{lsn:x}-{stamp.wall_ns:016x}{stamp.logical:08x}-{tag.hex()}"


def decode(text: str) -> Token | None:
    """Return what ``text`` says, or None when it is anything but a well-formed token."""
    match = _TOKEN.fullmatch(text)
    if match is None:
        return None
    return Token(
        bytes.fromhex(match["lineage"]),
        int(match["lsn"], 16),
        Hlc(int(match["wall"], 16), int(match["logical"], 16)),
        bytes.fromhex(match["tag"]),
    )


def find_member(tracestate: str) -> str | None:
    """Return the text of our own member, well-formed or not; None when there is none.

    The first of several wins: W3C puts the newest to the left.
    """
    if MEMBER_KEY not in tracestate or len(tracestate) > TRACESTATE_BYTES_MAX:
        return None
    for member in tracestate.split(","):
        key, equals, value = member.strip(" \t").partition("=")
        if equals and key == MEMBER_KEY:
            return value
    return None
