"""Endpoints about evidence: order, receipts, and the check of the store."""

from typing import Any, Protocol

from starlette.responses import JSONResponse, Response

from sidespand.answers import orders, receipts
from sidespand.answers.spans import find_place
from sidespand.answers.stock import Stock
from sidespand.query.documents import Document
from sidespand.web.table import Asked, Endpoint, Parameter, read_body

_ITEM = "a position (lineage:lsn), a token, or a span id or prefix of one"
_PAIR = (Parameter("a", _ITEM, required=True), Parameter("b", _ITEM, required=True))


class Checker(Protocol):
    """Checks the store, one check at a time."""

    def begin(self) -> None:
        """Begin, unless it is at work."""
        ...

    def document(self) -> dict[str, Any]:
        """Return whether it is at work, and what the last check found."""
        ...


def endpoints(stock: Stock, checker: Checker) -> list[Endpoint]:
    """Return the endpoints.

    Args:
        stock: What answers are made of.
        checker: Of the store.
    """

    def compare(asked: Asked) -> Document:
        about = orders.parse_about(asked.maybe("about"))
        evidence = orders.gathered(stock.journal).evidence
        found = orders.compare(evidence, asked.text("a"), asked.text("b"), about)
        return orders.compare_document(evidence, found)

    def explain(asked: Asked) -> Document:
        evidence = orders.gathered(stock.journal).evidence
        found = orders.explained(evidence, asked.text("a"), asked.text("b"))
        return orders.explain_document(evidence, found)

    def order(asked: Asked) -> Document:
        gathered = orders.gathered(stock.journal)
        found = orders.ordered(gathered, asked.text("trace_id"))
        return orders.order_document(gathered.evidence, found)

    def receipt(asked: Asked) -> Document:
        name, trace = asked.text("item"), asked.maybe("trace_id")
        if trace is not None:
            place = find_place(stock, name, trace)
            name = str(place.ended or place.marks[0])
        return receipts.receipt(stock.journal, name, stock.pinned)

    async def verified(_asked: Asked) -> Response:
        return JSONResponse(checker.document())

    async def verify(asked: Asked) -> Response:
        await read_body(asked.request)
        checker.begin()
        return JSONResponse(checker.document(), 202)

    return [
        Endpoint("/v1/compare", "Whether a was before b, how strong that is, and why.", compare,
                 schema="Verdict", slow=True, parameters=(
                     *_PAIR, Parameter("about", "of the commits, or of when the spans began; "
                                       "default: the stronger answer",
                                       choices=("commit", "activity")))),
        Endpoint("/v1/explain", "All that the record says of two items.", explain,
                 schema="Explanation", slow=True, parameters=_PAIR),
        Endpoint("/v1/order", "A trace in one line that contradicts nothing in the record.",
                 order, schema="Order", slow=True, parameters=(
                     Parameter("trace_id", "a trace id or a unique prefix", required=True),)),
        Endpoint("/v1/receipts/{item}", "What the journal can say of one item, or of a trace.",
                 receipt, schema="Receipt", parameters=(
                     Parameter("item", f"{_ITEM}, a trace id, or `last`"),
                     Parameter("trace_id", "of its trace, where several have a span of that id"))),
        Endpoint("/v1/verify", "What the last check of the store found.", handler=verified,
                 schema="Check"),
        Endpoint("/v1/verify", "Begin a check of the store, unless one runs.", handler=verify,
                 schema="Check", method="POST", body="Nothing"),
    ]  # fmt: skip
