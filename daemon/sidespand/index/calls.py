"""Which spans repeat the usage of others, so that no call of a model is counted twice.

An instrumentation and the model's own SDK both write a span for one request: one under the other,
or side by side with the id of one answer at one time. Whichever is recorded first is counted.
"""

from collections import OrderedDict
from typing import Any, Final, NamedTuple

from sidespand.limits import INDEX_CALLS_MAX

_KEYS_PER_CALL: Final = 3


class Call(NamedTuple):
    """A span that reports usage.

    Args:
        trace_no: Of its trace.
        span_id: Its own.
        parent_id: Of its parent; None for a root.
        request: The provider's id of the answer; None without.
        start_ns: When it began.
        end_ns: When it ended.
    """

    trace_no: int
    span_id: int
    parent_id: int | None
    request: str | None
    start_ns: int
    end_ns: int


class Calls:
    """The newest calls that were counted; the oldest are forgotten first."""

    def __init__(self) -> None:
        self._known: OrderedDict[Any, tuple[int, int, int, int]] = OrderedDict()

    def repeats(self, call: Call) -> bool:
        """Tell whether a call was counted already by another span; else remember it."""
        trace_no, span_id, parent_id, request, start_ns, end_ns = call
        own = (trace_no, span_id, start_ns, end_ns)
        keys: list[Any] = [(trace_no, span_id)]
        if ("under", trace_no, span_id) in self._known:
            return True
        if parent_id is not None:
            if (trace_no, parent_id) in self._known:
                return True
            keys.append(("under", trace_no, parent_id))
        if request:
            other = self._known.get(request)
            overlaps = other is not None and start_ns <= other[3] and other[2] <= end_ns
            if other is not None and overlaps and other[:2] != own[:2]:
                return True
            keys.append(request)
        for key in keys:
            self._known[key] = own
            self._known.move_to_end(key)
        while len(self._known) > _KEYS_PER_CALL * INDEX_CALLS_MAX:
            self._known.popitem(last=False)
        return False

    def forget(self) -> None:
        """Let go of all."""
        self._known.clear()
