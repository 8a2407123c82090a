"""Admission of governed traffic: each record it makes goes to one set of sinks, or to the usual.

    a resource that is governed           a record of its own for each set of sinks that is named
    spans and logs of a governed trace    go with it, also when their own resource names nothing
    all else                              as it came

The first governed record of a trace fixes where the trace goes. That is known of the
GOVERNED_TRACES_MAX traces that were last heard of since the daemon started.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sidespand import governed
from sidespand.admission.edges import find_edges, may_hold_tokens
from sidespand.admission.marks import marks_of
from sidespand.errors import InvalidRequest
from sidespand.governed import Names
from sidespand.limits import GOVERNED_PARTS_MAX, GOVERNED_TRACES_MAX
from sidespand.model import Admitted, Content, Kind
from sidespand.otlp_places import parse
from sidespand.ports import Admission

_SPAN_FIELDS: Final = ("resource_spans", "scope_spans", "spans")
_FIELDS: Final[Mapping[Kind, tuple[str, str, str]]] = {
    Kind.SPANS: _SPAN_FIELDS,
    Kind.MARKS: _SPAN_FIELDS,
    Kind.LOGS: ("resource_logs", "scope_logs", "log_records"),
    Kind.METRICS: ("resource_metrics", "", ""),
}


class GovernedAdmission:
    """Admits what another admission does, governed records apart. Implements ``ports.Admission``.

    Args:
        admission: Decides first.
        sinks: The names of the sinks that there are; whoever owns it may change it.
    """

    def __init__(self, admission: Admission, sinks: Collection[str]) -> None:
        self._admission = admission
        self._sinks = sinks
        self._traces: dict[bytes, _Fixed] = {}

    def admit(self, kind: Kind, body: bytes, digest: bytes = b"") -> Admitted:
        """Return the storable part of one request; ``ports.Admission`` has the contract.

        There may be several contents: one for each set of sinks, and one for the usual ones.

        Raises:
            InvalidRequest: The same, and when every item is governed and names no sink, or one that
                there is not, or others than its trace.
        """
        admitted = self._admission.admit(kind, body, digest)
        if not admitted.contents:
            return admitted
        (content,) = admitted.contents
        if not self._traces and not governed.may_be_governed(content.payload):
            return admitted
        request = parse(kind, content.payload)
        sorting = _Sorting(kind, request, self._traces)
        groups = [(group, self._named(group, sorting)) for group in _groups(kind, request)]
        for group, names in groups:
            # Whatever else of the request belongs to such a trace goes with it.
            if names:
                sorting.fix(group, names)
        for group, names in groups:
            sorting.put(group, names)
        if not sorting.parts:
            raise InvalidRequest(sorting.first_fault)
        self._claim(sorting.parts)
        if not sorting.refused and len(sorting.parts) == 1 and not sorting.declared:
            return admitted
        reason = ""
        if sorting.refused:
            reason = f"{sorting.refused} refused; the first: {sorting.first_fault}"
        return admitted._replace(
            contents=tuple(_content(kind, part.request) for part in sorting.parts.values()),
            rejected_items=admitted.rejected_items + sorting.refused,
            rejected_reason="; ".join(filter(None, (admitted.rejected_reason, reason))),
        )

    def carries_error(self, kind: Kind, body: bytes) -> bool:
        """Tell whether an item of the request is an error."""
        return self._admission.carries_error(kind, body)

    def withdraw(self, admitted: Admitted) -> None:
        """Forget the traces that only this request has fixed."""
        for content in admitted.contents:
            if governed.may_be_governed(content.payload):
                for trace_id in _governed_traces(content):
                    fixed = self._traces.get(trace_id)
                    if fixed is not None:
                        fixed.claims -= 1
                        if fixed.claims <= 0:
                            del self._traces[trace_id]
        self._admission.withdraw(admitted)

    def _named(self, group: Any, sorting: "_Sorting") -> Names | None:
        """Return what a group's resource names: None for the usual sinks, empty when it is bad."""
        try:
            return governed.sinks_of(group.resource, self._sinks)
        except ValueError as error:
            sorting.first_fault = sorting.first_fault or str(error)
            return frozenset()

    def _claim(self, parts: "dict[Names | None, _Part]") -> None:
        for names, part in parts.items():
            if names is None:
                continue
            for trace_id in part.trace_ids:
                # The one that was silent for longest is the first.
                fixed = self._traces.pop(trace_id, None) or _Fixed(names)
                fixed.claims += 1
                self._traces[trace_id] = fixed
        while len(self._traces) > GOVERNED_TRACES_MAX:
            del self._traces[next(iter(self._traces))]


@dataclass(slots=True)
class _Fixed:
    """Where a trace goes.

    Args:
        names: Its sinks.
        claims: Records that were admitted on that ground.
    """

    names: Names
    claims: int = 0


class _Part:
    """The items of a request that go to the same sinks, as a request of their own."""

    def __init__(self, request: Any) -> None:
        self.request = request
        self.trace_ids: set[bytes] = set()
        # Where the last item came from, and where it was put.
        self.group: Any = None
        self.scope: Any = None
        self.into: Any = None
        self.into_items: Any = None


class _Sorting:
    """Takes a request apart by sinks.

    Args:
        kind: Of the request.
        request: As it came.
        known: The traces that are fixed already.
    """

    def __init__(self, kind: Kind, request: Any, known: Mapping[bytes, _Fixed]) -> None:
        self.parts: dict[Names | None, _Part] = {}
        self.refused = 0
        self.first_fault = ""
        # Items were told where to go that did not say so themselves.
        self.declared = False
        self._kind = kind
        self._type = type(request)
        self._known = known
        self._fixed: dict[bytes, Names] = {}

    def fix(self, group: Any, names: Names) -> None:
        """Fix the traces in a group that are not fixed yet."""
        for _, item in _items(self._kind, group):
            if item.trace_id:
                self._fixed.setdefault(item.trace_id, names)

    def put(self, group: Any, names: Names | None) -> None:
        """Add the items of a group to the parts that they belong to.

        Args:
            group: What has a resource.
            names: What that names; None for nothing, empty for what is not to be had.
        """
        if self._kind is Kind.METRICS:
            if names is not None and not names:
                self.refused += 1
            else:
                getattr(self._part(names).request, _FIELDS[self._kind][0]).append(group)
            return
        for scope, item in _items(self._kind, group):
            goes_to = self._goes_to(item.trace_id, names)
            if goes_to is not None and not goes_to:
                self.refused += 1
            else:
                self._add(group, scope, item, goes_to, own=names is not None)

    def _goes_to(self, trace_id: bytes, names: Names | None) -> Names | None:
        if names is not None and not names:
            return names
        known = self._known.get(trace_id)
        fixed = known.names if known is not None else self._fixed.get(trace_id)
        if names is None or fixed is None or names == fixed:
            return fixed if names is None else names
        fault = (
            f"trace {trace_id.hex()} goes to {_shown(fixed)} since its first record, and this one "
            f"names {_shown(names)}"
        )
        self.first_fault = self.first_fault or fault
        return frozenset()

    def _part(self, names: Names | None) -> _Part:
        part = self.parts.get(names)
        if part is None:
            if len(self.parts) == GOVERNED_PARTS_MAX:
                raise InvalidRequest(
                    f"{governed.SINKS}: more than {GOVERNED_PARTS_MAX} sets of sinks in one request"
                )
            part = self.parts[names] = _Part(self._type())
        return part

    def _add(self, group: Any, scope: Any, item: Any, names: Names | None, *, own: bool) -> None:
        part = self._part(names)
        groups, scopes, items = _FIELDS[self._kind]
        if part.group is not group:
            part.group, part.scope = group, None
            part.into = getattr(part.request, groups).add(schema_url=group.schema_url)
            part.into.resource.CopyFrom(group.resource)
            if names is not None and not own:
                governed.declare(part.into.resource, names)
                self.declared = True
        if part.scope is not scope:
            part.scope = scope
            into = getattr(part.into, scopes).add(schema_url=scope.schema_url)
            into.scope.CopyFrom(scope.scope)
            part.into_items = getattr(into, items)
        part.into_items.append(item)
        if item.trace_id:
            part.trace_ids.add(item.trace_id)


def _groups(kind: Kind, request: Any) -> Any:
    return getattr(request, _FIELDS[kind][0])


def _items(kind: Kind, group: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each item of a group with its scope; nothing of metrics, which have no traces."""
    _, scopes, items = _FIELDS[kind]
    for scope in getattr(group, scopes) if scopes else ():
        for item in getattr(scope, items):
            yield scope, item


def _content(kind: Kind, request: Any) -> Content:
    payload = request.SerializeToString()
    if kind is Kind.METRICS:
        return Content(kind, payload, 1)
    count = sum(1 for group in _groups(kind, request) for _ in _items(kind, group))
    if kind is Kind.LOGS:
        return Content(kind, payload, count)
    found = find_edges(request) if may_hold_tokens(payload) else ((), False)
    marks = marks_of(request) if kind is Kind.MARKS else ()
    return Content(kind, payload, count, *found, marks=marks)


def _governed_traces(content: Content) -> set[bytes]:
    request = parse(content.kind, content.payload)
    return {
        item.trace_id
        for group in _groups(content.kind, request)
        if governed.sinks_of(group.resource) is not None
        for _, item in _items(content.kind, group)
        if item.trace_id
    }


def _shown(names: Names) -> str:
    return ", ".join(sorted(names))
