"""What is summed up of each trace while its spans arrive, in any order, more than once."""

import struct
from collections.abc import Sequence
from typing import Any, Final

from sidespand.index.schema import ABANDONED, AI_KIND_NAMES, ENDED, OPEN, TRACE_COLUMNS
from sidespand.index.values import INTEGER_MAX
from sidespand.limits import INDEX_SPANS_CACHED_MAX, TRACE_TERMS_MAX

_AGENT: Final = AI_KIND_NAMES.index("agent")
_LLM: Final = AI_KIND_NAMES.index("llm")
_TOOL: Final = AI_KIND_NAMES.index("tool")
_ERROR: Final = 2


class Trace:
    """One trace under writing; its fields are those of TRACE_COLUMNS.

    Args:
        no: Its number.
        trace_id: 16 bytes.
        stored: Whether the database has a row of it.
        spans: Ids of its spans; None where only the database knows them.
    """

    __slots__ = (
        "abandoned_count", "agent", "agent_start_ns", "conversation", "cost_usd", "end_ns",
        "error_count", "first_id", "last_id", "llm_count", "name", "no", "open_count", "postings",
        "root_id", "root_orphan", "root_start_ns", "service", "span_count", "spans", "start_ns",
        "stored", "tokens_cached", "tokens_in", "tokens_out", "tokens_reasoning", "tool_count",
        "trace_id", "user",
    )  # fmt: skip

    def __init__(
        self, no: int, trace_id: bytes, *, stored: bool = False, spans: set[int] | None = None
    ) -> None:
        self.no = no
        self.trace_id = trace_id
        self.stored = stored
        self.spans = spans
        self.start_ns: int | None = None
        self.end_ns = 0
        self.span_count = self.open_count = self.abandoned_count = self.error_count = 0
        self.llm_count = self.tool_count = 0
        self.tokens_in = self.tokens_out = self.tokens_cached = self.tokens_reasoning = 0
        self.cost_usd: float | None = None
        self.name: int | None = None
        self.service: int | None = None
        self.agent: int | None = None
        self.conversation: int | None = None
        self.user: int | None = None
        self.root_id: int | None = None
        self.root_orphan = 1
        self.root_start_ns = INTEGER_MAX
        self.agent_start_ns = INTEGER_MAX
        self.first_id: int | None = None
        self.last_id = 0
        # Terms in order of appearance.
        self.postings: dict[int, None] = {}

    def add(self, row: Sequence[Any]) -> None:
        """Take a span's row in."""
        self._count(row, 1)
        row_id, start_ns, duration_ns = row[0], row[8], row[9]
        self._cover(start_ns, start_ns + (duration_ns or 0) if start_ns else 0)
        self.touch(row_id)
        orphan = 0 if row[3] is None else 1
        if row_id == self.root_id or (orphan, start_ns) < (self.root_orphan, self.root_start_ns):
            self.root_orphan, self.root_start_ns, self.root_id = orphan, start_ns, row_id
            self.name, self.service = row[10], row[11]
        if row[7] == _AGENT and row[17] is not None and start_ns < self.agent_start_ns:
            self.agent, self.agent_start_ns = row[17], start_ns
        if self.agent is None:
            self.agent = row[17]
        if self.conversation is None:
            self.conversation = row[19]
        if self.user is None:
            self.user = row[20]
        if self.spans is not None:
            self.spans.add(row[2])
            if len(self.spans) > INDEX_SPANS_CACHED_MAX:
                self.spans = None

    def remove(self, row: Sequence[Any]) -> None:
        """Take a span's row out, for a newer recording of the same span comes in."""
        self._count(row, -1)
        if row[0] == self.root_id:
            # The newer one is the root as well, unless it says otherwise.
            self.root_id, self.root_orphan, self.root_start_ns = None, 1, INTEGER_MAX

    def touch(self, row_id: int) -> None:
        """Note that an item belongs to it."""
        if self.first_id is None or row_id < self.first_id:
            self.first_id = row_id
        self.last_id = max(self.last_id, row_id)

    def _cover(self, start_ns: int, end_ns: int) -> None:
        # A start of zero is not known, and is kept only while nothing better is.
        if start_ns and (not self.start_ns or start_ns < self.start_ns):
            self.start_ns = start_ns
        elif self.start_ns is None:
            self.start_ns = 0
        self.end_ns = max(self.end_ns, end_ns)

    def post(self, terms: set[int | None]) -> list[int]:
        """Return those of some terms that are new to the trace and are to be listed."""
        fresh = sorted(term for term in terms.difference(self.postings) if term is not None)
        listed = fresh[: TRACE_TERMS_MAX - len(self.postings)]
        self.postings.update(dict.fromkeys(listed))
        return listed

    def values(self) -> tuple[Any, ...]:
        """Return its row, as TRACE_COLUMNS names it."""
        # An end that is not known makes no duration; the end itself is kept for the day it is.
        ended = self.open_count == 0 and self.end_ns and self.start_ns is not None
        duration_ns = self.end_ns - (self.start_ns or 0) if ended else None
        used = (self.tokens_in, self.tokens_out, self.tokens_cached, self.tokens_reasoning)
        return (
            self.no, self.trace_id, self.start_ns, self.end_ns, duration_ns, self.span_count,
            self.open_count, self.abandoned_count, self.error_count, self.llm_count,
            self.tool_count, *(min(count, INTEGER_MAX) for count in used), self.cost_usd,
            self.name, self.service, self.agent, self.conversation, self.user, self.root_id,
            self.root_orphan, self.root_start_ns, self.agent_start_ns, self.first_id, self.last_id,
            packed(self.postings),
        )  # fmt: skip

    def _count(self, row: Sequence[Any], sign: int) -> None:
        state = row[4]
        self.span_count += sign
        if state == OPEN:
            self.open_count += sign
        elif state == ABANDONED:
            self.abandoned_count += sign
        if row[5] == _ERROR:
            self.error_count += sign
        if row[28] == 1:
            self.tokens_in += sign * (row[23] or 0)
            self.tokens_out += sign * (row[24] or 0)
            self.tokens_cached += sign * (row[25] or 0)
            self.tokens_reasoning += sign * (row[26] or 0)
            if row[27] is not None:
                self.cost_usd = (self.cost_usd or 0.0) + sign * row[27]
        kind = row[7]
        if kind == _LLM:
            # A span that repeats another one's call is no call of its own.
            self.llm_count += sign if row[28] != 0 else 0
        elif kind == _TOOL:
            self.tool_count += sign


def load(row: Sequence[Any]) -> Trace:
    """Return the trace that a row is."""
    trace = Trace(row[0], row[1], stored=True)
    (trace.start_ns, trace.end_ns, _, trace.span_count, trace.open_count, trace.abandoned_count,
     trace.error_count, trace.llm_count, trace.tool_count, trace.tokens_in, trace.tokens_out,
     trace.tokens_cached, trace.tokens_reasoning, trace.cost_usd, trace.name, trace.service,
     trace.agent, trace.conversation, trace.user, trace.root_id, trace.root_orphan,
     trace.root_start_ns, trace.agent_start_ns, trace.first_id, trace.last_id,
     terms) = row[2:]  # fmt: skip
    trace.postings = dict.fromkeys(unpacked(terms))
    return trace


def packed(terms: Sequence[int] | dict[int, None]) -> bytes:
    """Return numbers of terms as bytes."""
    return struct.pack(f"<{len(terms)}I", *terms)


def unpacked(data: bytes) -> tuple[int, ...]:
    """Return the numbers that ``packed`` was given."""
    return struct.unpack(f"<{len(data) // 4}I", data)


assert len(TRACE_COLUMNS) == 28  # noqa: PLR2004 - ``values`` and ``load`` name each.
assert ENDED == 0
