"""Endpoints over many spans at once: sums, what happened over time, values that were seen, SQL."""

from starlette.responses import Response

from sidespand.answers import lists
from sidespand.answers.stock import Stock
from sidespand.errors import InvalidRequest
from sidespand.index import documents
from sidespand.limits import API_BUCKETS_MAX, API_SQL_ROWS_MAX
from sidespand.query.documents import Document
from sidespand.web.encoding import encoded
from sidespand.web.pool import Pool
from sidespand.web.table import Asked, Endpoint, Parameter, read_body
from sidespand.web.traces import QUERY

_BY = (
    "model", "tool", "agent", "service", "kind", "provider", "name", "conversation", "user",
    "prompt.version",
)  # fmt: skip


def endpoints(stock: Stock, pool: Pool) -> list[Endpoint]:
    """Return the endpoints.

    Args:
        stock: What answers are made of.
        pool: Where statements in SQL are worked on.
    """

    def strip(asked: Asked) -> Document:
        query = lists.parsed(asked.text("q"))
        found = documents.strip(stock.index.strip(query, asked.number("buckets")))
        return lists.with_index(stock, found)

    def stats(asked: Asked) -> Document:
        query = lists.parsed(asked.text("q"))
        found = documents.stats(stock.index.stats(query, asked.text("by")))
        return lists.with_index(stock, found)

    def complete(asked: Asked) -> Document:
        field = asked.maybe("field")
        if field is None:
            return lists.fields_answer()
        found = stock.index.complete(field, asked.text("prefix"), asked.number("limit"))
        return documents.completions(found)

    async def sql(asked: Asked) -> Response:
        body = await read_body(asked.request)
        statement, limit = body.get("sql"), body.get("limit", 1000)
        if not isinstance(statement, str) or not statement.strip():
            raise InvalidRequest("sql: expected a SELECT statement")
        if not isinstance(limit, int) or not 1 <= limit <= API_SQL_ROWS_MAX:
            raise InvalidRequest(f"limit: expected a number from 1 to {API_SQL_ROWS_MAX}")

        def answer() -> bytes:
            found = documents.table(stock.index.sql(statement, limit))
            return encoded(lists.with_index(stock, found))

        return Response(await pool.run(answer), media_type="application/json")

    return [
        Endpoint("/v1/strip", "What happened over time: traces, errors, tokens, cost, latency.",
                 strip, schema="Strip", parameters=(
                     QUERY,
                     Parameter("buckets", "parts of the time", "integer", default=60, least=1,
                               most=API_BUCKETS_MAX))),
        Endpoint("/v1/complete", "Values that were seen in a field; without one, the fields.",
                 complete, schema="Completions", parameters=(
                     Parameter("field", "a field of the query grammar"),
                     Parameter("prefix", "what the values begin with", default=""),
                     Parameter("limit", "values", "integer", default=20, least=1, most=200))),
        Endpoint("/v1/stats", "Sums over the spans that match a query, by a field.", stats,
                 schema="Stats", parameters=(
                     QUERY, Parameter("by", "the field", required=True, choices=_BY))),
        Endpoint("/v1/sql", "The answer to one SELECT over the index.", handler=sql,
                 schema="Table", method="POST", body="Statement"),
    ]  # fmt: skip
