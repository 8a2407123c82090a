"""Endpoints about traces: lists, trees, columns."""

from sidespand.answers import lists, traces
from sidespand.answers.stock import Stock
from sidespand.limits import API_ROWS_MAX
from sidespand.query.documents import Document
from sidespand.search_fields import SORTS
from sidespand.web.table import Asked, Endpoint, Parameter

QUERY = Parameter("q", "a query; docs/search.md has its grammar", default="")
_PAGE = (
    QUERY,
    Parameter("sort", f"one of {', '.join(SORTS)}; - before it for the greatest first"),
    Parameter("limit", "rows of a page", "integer", default=50, least=1, most=API_ROWS_MAX),
    Parameter("after", "`next` of the page before"),
)
_TRACE = Parameter("trace", "a trace id, a unique prefix, the id of a span in it, or `last`")


def endpoints(stock: Stock) -> list[Endpoint]:
    """Return the endpoints.

    Args:
        stock: What answers are made of.
    """

    def listed(asked: Asked) -> Document:
        return lists.traces_answer(
            stock, asked.text("q"), asked.maybe("sort"), asked.number("limit"), asked.maybe("after")
        )

    def spans(asked: Asked) -> Document:
        return lists.spans_answer(
            stock, asked.text("q"), asked.maybe("sort"), asked.number("limit"), asked.maybe("after")
        )

    return [
        Endpoint("/v1/traces", "The traces that match a query, the newest first.", listed,
                 schema="TracePage", parameters=_PAGE),
        Endpoint("/v1/spans", "The spans that match a query, the newest recorded first.", spans,
                 schema="SpanPage", parameters=_PAGE),
        Endpoint("/v1/traces/{trace}", "One trace as a tree of its spans.",
                 lambda asked: traces.trace_answer(stock, asked.text("trace")),
                 schema="Trace", parameters=(_TRACE,)),
        Endpoint("/v1/traces/{trace}/skeleton", "One trace in columns, of any size.",
                 lambda asked: traces.skeleton_answer(stock, asked.text("trace")),
                 schema="Skeleton", parameters=(_TRACE,)),
        Endpoint("/v1/open", "The spans that are open now.",
                 lambda _: lists.open_answer(stock), schema="OpenSpans"),
    ]  # fmt: skip
