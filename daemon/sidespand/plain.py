"""Text that can be shown: nothing in it can move the cursor, hide or reorder a line. Pure."""

import re

from sidespand.limits import TEXT_CHARACTERS_MAX

# C0, DEL and C1; marks, embeddings, overrides and isolates of the bidirectional algorithm (UAX 9);
# line and paragraph separators; byte order marks, tags and unpaired surrogates.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f\ud800-\udfff]"
)
ELLIPSIS = "…"


def safe(text: str, characters_max: int = TEXT_CHARACTERS_MAX) -> str:
    r"""Return ``text`` cut to a length, with unsafe characters as ``\n`` or ``\u202e``."""
    if len(text) > characters_max:
        text = text[: characters_max - 1] + ELLIPSIS
    return _UNSAFE.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")
