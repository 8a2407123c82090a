"""What changed around a span: of a program's state, of the messages that a model was given."""

from collections.abc import Iterator, Sequence
from typing import Any

from sidespand.ai import states
from sidespand.answers.cutting import Cutter, join
from sidespand.answers.recordings import Recording, Recordings
from sidespand.answers.spans import find_place, logs_of, messages_of, snapshots
from sidespand.answers.stock import Stock
from sidespand.diff.changes import Change, Diff, diff
from sidespand.errors import InvalidRequest, NotFound
from sidespand.index.rows import Place, Skeleton
from sidespand.query.documents import Document

PREVIOUS = "previous"
# Bits of a skeleton's column of flags.
_HAS_CONTENT = 1
_HAS_STATE = 2


def difference(stock: Stock, place: Place, of: str, against: str | None) -> Document:
    """Return what changed from another span, or within this one.

    ``state``: without ``against`` from the snapshots before the span's work to those after it; with
    it from the other's last snapshots to this one's. ``messages``: from all that the other call was
    given and answered to what this one was given; without ``against`` the other is the previous.

    Args:
        stock: With an index.
        place: Of the span.
        of: ``state`` or ``messages``.
        against: ``previous``, a span id or prefix, or None.

    Raises:
        InvalidRequest: ``of`` is neither. Not retryable.
        NotFound: There is no such span, or it has none of these. Not retryable.
    """
    recordings = Recordings(stock)
    mine = recordings.span(place)
    if of == "state":
        _expect(states.of(mine.span.attributes), mine, "snapshot of state")
        if against is None:
            before, after = (_states(mine, when) for when in ("before", "after"))
            return _document(of, _side(mine, "before"), _side(mine, "after"), before, after)
        other = recordings.span(_other(stock, mine, against, _HAS_STATE))
        _expect(states.of(other.span.attributes), other, "snapshot of state")
        sides = _side(other, "after"), _side(mine, "after")
        return _document(of, *sides, _last(other), _last(mine))
    if of == "messages":
        given = _messages(stock, recordings, mine, ("system", "input"))
        _expect(given, mine, "message that a model was given")
        other = recordings.span(_other(stock, mine, against or PREVIOUS, _HAS_CONTENT))
        said = _messages(stock, recordings, other, ("system", "input", "output"))
        _expect(said, other, "message of a model")
        sides = _side(other, "input and output"), _side(mine, "input")
        return _document(of, *sides, said, given)
    raise InvalidRequest('of: expected "state" or "messages"')


def _expect(found: Sequence[object], recording: Recording, what: str) -> None:
    # Without it everything would look dropped, or nothing changed.
    if not found:
        raise NotFound(
            f"span {recording.span.span_id.hex()} has no {what}",
            hint="s.state(name, value) takes snapshots; docs/privacy.md tells what keeps messages",
        )


def _other(stock: Stock, mine: Recording, against: str, flag: int) -> Place:
    span = mine.span
    if against != PREVIOUS:
        return find_place(stock, against, span.trace_id.hex())
    skeleton = stock.index.skeleton(span.trace_id)
    found = None if skeleton is None else _previous(skeleton, span.span_id.hex(), flag)
    if found is None:
        what = "a snapshot of state" if flag == _HAS_STATE else "a model's messages"
        raise NotFound(f"no span with {what} was recorded before {span.span_id.hex()}")
    return find_place(stock, found, span.trace_id.hex())


def _previous(skeleton: Skeleton, span_id: str, flag: int) -> str | None:
    # The last one recorded before it; of calls of a model the last of the same agent, if any.
    columns = skeleton.columns
    rows = range(len(columns["span_id"]))
    me = next((row for row in rows if columns["span_id"][row] == span_id), None)
    if me is None:
        return None

    def earlier() -> Iterator[int]:
        for row in rows:
            if columns["order"][row] >= columns["order"][me] or not columns["flags"][row] & flag:
                continue
            kind = skeleton.strings[columns["ai_kind"][row]]
            if flag == _HAS_STATE or kind == "llm":
                yield row

    best = max(
        earlier(),
        key=lambda row: (
            flag == _HAS_CONTENT and columns["agent"][row] == columns["agent"][me],
            columns["order"][row],
        ),
        default=None,
    )
    return None if best is None else str(columns["span_id"][best])


def _states(recording: Recording, when: str) -> dict[str, Any]:
    return {state.name: value for state, value in snapshots(recording.span) if state.when == when}


def _last(recording: Recording) -> dict[str, Any]:
    return _states(recording, "before") | _states(recording, "after")


def _messages(
    stock: Stock, recordings: Recordings, recording: Recording, parts: tuple[str, ...]
) -> list[Document]:
    span = recording.span
    place = Place(span.trace_id, span.span_id, None, (), None)
    found = messages_of(span, logs_of(stock, recordings, place))
    # Whether an answer was finished is no part of what is said again.
    return [
        {"role": message["role"], "parts": message["parts"]}
        for part in parts
        for message in found[part]
    ]


def _side(recording: Recording, what: str) -> Document:
    span = recording.span
    return {
        "trace_id": span.trace_id.hex(),
        "span_id": span.span_id.hex(),
        "name": span.name,
        "position": str(span.stamp.position),
        "what": what,
        "keys": [one.key for one in states.of(span.attributes)],
    }


def _document(of: str, source: Document, target: Document, before: Any, after: Any) -> Document:
    found: Diff = diff(before, after)
    cutter = Cutter()
    return {
        "of": of,
        "from": source,
        "to": target,
        "changes": [_change(cutter, number, one) for number, one in enumerate(found.changes)],
        "truncated": found.truncated,
    }


def _change(cutter: Cutter, number: int, change: Change) -> Document:
    path = f"/changes/{number}"
    return {
        "op": change.op.value,
        "path": list(change.path),
        "label": change.label,
        "before": cutter.value(join(path, "before"), change.before),
        "after": cutter.value(join(path, "after"), change.after),
        "source": change.source,
        "hunks": [
            {"op": one.op, "text": one.text, "characters": one.characters} for one in change.hunks
        ],
    }
