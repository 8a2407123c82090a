"""``sidespan diff``: what a span changed of state, or what became of a model's messages.

The engine and the document are those of ``/v1/spans/{span}/diff``.
"""

import argparse
from typing import TYPE_CHECKING, Any, Self

from sidespand.cli import answers, api, arguments, diff_lines, exits
from sidespand.cli.command import UsageError
from sidespand.cli.output import print_json, print_note
from sidespand.errors import InvalidRequest, NotFound

if TYPE_CHECKING:
    from sidespand.answers.stock import Stock
    from sidespand.index.reader import IndexReader

_STATE, _MESSAGES = "state", "messages"
# Bits of a skeleton's column of flags.
_FLAGS = {_STATE: 2, _MESSAGES: 1}
_MODEL_CALL = "llm"
_LAST = "last"
_SPANS = 50


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    answers.add_reading(parser)
    parser.add_argument(
        "a", metavar="SPAN|TRACE|last", help="of a trace each span that has something to compare"
    )
    parser.add_argument(
        "b", metavar="SPAN", nargs="?", help="what changed from the first span to this one"
    )
    parser.add_argument(
        "--of",
        choices=(_STATE, _MESSAGES),
        help="snapshots of state, or what models were given; default: state where there is any",
    )
    parser.add_argument(
        "--against",
        metavar="previous|SPAN",
        help="compare with the one before, or with this one; without it state is compared"
        " within the span, messages with the call before",
    )
    count = arguments.count_from(1)
    parser.add_argument(
        "-n", dest="count", metavar="N", type=count, default=_SPANS,
        help=f"spans of a trace; default {_SPANS}",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Print what changed.

    Raises:
        NotFound: There is no such span, or nothing of it to compare. Not retryable.
    """
    if args.b is not None and args.against is not None:
        raise UsageError("two spans leave nothing for --against", hint="leave one of them out")
    with answers.opened(args) as asked, _Comparing(args, asked) as comparing:
        trace = comparing.trace(args.b or args.a)
        span = None if args.b is None and args.a == _LAST else _span_of(trace, args.b or args.a)
        against = args.against if args.b is None else args.a
        of = args.of or _of(trace, span)
        if span is not None:
            document = comparing.difference(trace["trace_id"], span, of, against)
            lines = list(diff_lines.lines(document))
        else:
            found = _each(comparing, trace, of, against, args.count)
            document = {"trace_id": trace["trace_id"], "of": of, "diffs": found}
            lines = [line for one in found for line in (*diff_lines.lines(one), "")][:-1]
    if args.json:
        print_json(document)
    else:
        print("\n".join(lines))
    return exits.OK


class _Comparing:
    """Asks the daemon, else the files of the store; a context manager."""

    def __init__(self, args: argparse.Namespace, asked: answers.Answers) -> None:
        self._args = args
        self._asked = asked
        self._stock: Stock | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._stock is not None:
            self._stock.journal.close()

    def trace(self, name: str) -> dict[str, Any]:
        """Return the columns of the trace that a name leads to."""

        def local(index: "IndexReader") -> dict[str, Any]:
            from sidespand.answers.traces import skeleton_answer

            return skeleton_answer(self._opened(index), name)

        return self._asked.ask(f"/v1/traces/{api.part(name)}/skeleton", {}, local)

    def difference(
        self, trace_id: str, span_id: str, of: str, against: str | None
    ) -> dict[str, Any]:
        """Return what changed around one span."""

        def local(index: "IndexReader") -> dict[str, Any]:
            from sidespand.answers.differences import difference
            from sidespand.answers.spans import find_place

            stock = self._opened(index)
            return difference(stock, find_place(stock, span_id, trace_id), of, against)

        given = {"trace_id": trace_id, "of": of, "against": against}
        return self._asked.ask(f"/v1/spans/{api.part(span_id)}/diff", given, local)

    def _opened(self, index: "IndexReader") -> "Stock":
        if self._stock is None:
            from sidespand import ai
            from sidespand.answers.stock import Stock
            from sidespand.cli import store
            from sidespand.journal.reader import JournalReader

            journal = JournalReader(store.data_dir(self._args))
            self._stock = Stock(journal, ai.normaliser({}), index)
        return self._stock


def _span_of(trace: dict[str, Any], name: str) -> str | None:
    """Return the span that a name stands for; None where it stands for the whole trace."""
    digits = name.lower()
    if trace["trace_id"].startswith(digits):
        return None
    found = [one for one in trace["columns"]["span_id"] if one.startswith(digits)]
    if not found:
        raise NotFound(
            f"trace {trace['trace_id']} has no span {name}",
            hint=f"`sidespan diff {trace['trace_id']}` compares each of its spans",
        )
    if len(found) != 1:
        raise InvalidRequest(f"{name} is ambiguous: {', '.join(found)}", hint="give more digits")
    return str(found[0])


def _of(trace: dict[str, Any], span: str | None) -> str:
    columns = trace["columns"]
    return (
        _STATE
        if any(
            flags & _FLAGS[_STATE] and span in (None, span_id)
            for span_id, flags in zip(columns["span_id"], columns["flags"], strict=True)
        )
        else _MESSAGES
    )


def _each(
    comparing: _Comparing, trace: dict[str, Any], of: str, against: str | None, count: int
) -> list[dict[str, Any]]:
    """Return what changed around each span of a trace that can be compared, in display order."""
    columns, strings = trace["columns"], trace["strings"]
    rows = zip(columns["span_id"], columns["flags"], columns["ai_kind"], strict=True)
    spans = [
        span_id
        for span_id, flags, kind in rows
        if flags & _FLAGS[of] and (of == _STATE or strings[kind] == _MODEL_CALL)
    ]
    if not spans:
        what = "snapshot of state" if of == _STATE else "call of a model with messages"
        raise NotFound(
            f"trace {trace['trace_id']} has no {what}", hint="`sidespan show` lists its spans"
        )
    found = []
    for span_id in spans[:count]:
        try:
            found.append(comparing.difference(trace["trace_id"], span_id, of, against))
        except NotFound as error:
            # The first of a run has none before it.
            if len(spans) == 1:
                raise
            print_note(str(error))
    if len(spans) > count:
        print_note(f"{len(spans) - count} more can be compared: -n {len(spans)}")
    return found
