"""Endpoints about one span: all of it, its large values, what changed around it."""

import re

from starlette.responses import Response

from sidespand.answers import differences, spans
from sidespand.answers.cutting import encoded
from sidespand.answers.stock import Stock
from sidespand.errors import InvalidRequest
from sidespand.limits import CONTENT_PART_BYTES_MAX
from sidespand.query.documents import Document
from sidespand.web.pool import Pool
from sidespand.web.table import Asked, Endpoint, Parameter

_SPAN = Parameter("span", "a span id, or a unique prefix of 6 digits or more")
_TRACE = Parameter("trace_id", "of its trace, where several traces have a span of that id")
_RANGE = re.compile(r"bytes=(\d{0,12})-(\d{0,12})")


def endpoints(stock: Stock, pool: Pool) -> list[Endpoint]:
    """Return the endpoints.

    Args:
        stock: What answers are made of.
        pool: Where contents are read.
    """

    def span(asked: Asked) -> Document:
        place = spans.find_place(stock, asked.text("span"), asked.maybe("trace_id"))
        return spans.span_answer(stock, place)

    def diff(asked: Asked) -> Document:
        place = spans.find_place(stock, asked.text("span"), asked.maybe("trace_id"))
        return differences.difference(stock, place, asked.text("of"), asked.maybe("against"))

    async def content(asked: Asked) -> Response:
        def read() -> tuple[bytes, bool]:
            place = spans.find_place(stock, asked.text("span"), asked.maybe("trace_id"))
            text, is_text = spans.content(stock, place, asked.text("field"))
            return encoded(text), is_text

        body, is_text = await pool.run(read)
        kind = "text/plain" if is_text else "application/json"
        return ranged(body, kind, asked.request.headers.get("range"))

    return [
        Endpoint("/v1/spans/{span}", "One span with its messages, snapshots, logs and stamp.",
                 span, schema="SpanAnswer", parameters=(_SPAN, _TRACE)),
        Endpoint("/v1/spans/{span}/content", "The whole of a large value, or a range of it.",
                 handler=content, schema="text/plain", parameters=(
                     _SPAN, _TRACE,
                     Parameter("field", "the path that `$content` names", required=True))),
        Endpoint("/v1/spans/{span}/diff", "What changed: of state, or of a model's messages.",
                 diff, schema="Diff", parameters=(
                     _SPAN, _TRACE,
                     Parameter("of", "of what", required=True, choices=("state", "messages")),
                     Parameter("against", "`previous`, or another span of the trace; without it "
                               "state is compared within the span, messages with `previous`"))),
    ]  # fmt: skip


def ranged(body: bytes, kind: str, wanted: str | None) -> Response:
    """Return a body, or the one range of it that a Range header asks for.

    Source: RFC 9110, section 14: what is no single range of bytes is as none.

    Raises:
        InvalidRequest: A part of over CONTENT_PART_BYTES_MAX is asked for. Not retryable.
    """
    # A browser must show it as it is, never guess.
    headers = {"accept-ranges": "bytes", "content-disposition": "inline"}
    match = _RANGE.fullmatch(wanted.strip()) if wanted is not None else None
    if match is None or match[0] == "bytes=-":
        _require_part(len(body))
        return Response(body, media_type=f"{kind}; charset=utf-8", headers=headers)
    if match[1]:
        first = int(match[1])
        last = min(int(match[2]), len(body) - 1) if match[2] else len(body) - 1
    else:
        first, last = max(0, len(body) - int(match[2])), len(body) - 1
    if first > last:
        headers["content-range"] = f"bytes */{len(body)}"
        return Response(status_code=416, headers=headers)
    _require_part(last - first + 1)
    headers["content-range"] = f"bytes {first}-{last}/{len(body)}"
    part = body[first : last + 1]
    return Response(part, 206, headers, media_type=f"{kind}; charset=utf-8")


def _require_part(size: int) -> None:
    if size > CONTENT_PART_BYTES_MAX:
        raise InvalidRequest(f"range: ask for {CONTENT_PART_BYTES_MAX} bytes at most")
