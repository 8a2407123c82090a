"""What is exported is read back as it was, and a page holds span data as text alone."""

import html.parser
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidespand.exchange import documents, read_lines, spans, write_html, write_lines, write_otlp
from sidespand.hlc import Hlc
from sidespand.model import Position
from sidespand.query.documents import span_document
from sidespand.query.span import Abandonment, Event, Link, Span, Stamp, State
from sidespand.query.spans import attributes_of
from sidespand.query.traces import assemble
from tests.unit.exchange import files
from tests.unit.exchange.corpus import HOSTILE

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_SCALARS = (
    _TEXT | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False,
    allow_infinity=False)
)  # fmt: skip
_VALUES = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
_ATTRIBUTES = st.dictionaries(_TEXT, _VALUES, max_size=4)
_TIMES = st.integers(1, 2**63)
_STAMP = Stamp(Position(0, bytes(range(8)), 7), 3, Hlc(10**18, 2))


@st.composite
def _spans(draw: st.DrawFn) -> Span:
    return Span(
        trace_id=draw(st.binary(min_size=16, max_size=16)),
        span_id=draw(st.binary(min_size=8, max_size=8)),
        parent_span_id=draw(st.just(b"") | st.just(b"\x01" * 8)),
        name=draw(_TEXT),
        kind=draw(st.sampled_from(["unspecified", "internal", "server", "client", "producer"])),
        service="",
        start_ns=draw(_TIMES),
        end_ns=draw(st.just(0) | _TIMES),
        status=draw(st.sampled_from(["unset", "ok", "error"])),
        status_message=draw(_TEXT),
        attributes=draw(_ATTRIBUTES),
        events=tuple(
            draw(st.lists(st.builds(Event, _TIMES, _TEXT, _ATTRIBUTES), max_size=2))
        ),
        links=tuple(
            draw(st.lists(st.builds(Link, st.just(b"\x05" * 16), st.just(b"\x06" * 8), _TEXT,
                                    _ATTRIBUTES), max_size=2))
        ),
        trace_state=draw(_TEXT),
        resource=draw(_ATTRIBUTES),
        scope=draw(_TEXT),
        stamp=_STAMP,
    )  # fmt: skip


def _read(content: bytes) -> list[Any]:
    return [
        (span, group.resource, scoped.scope.name)
        for part in files.parts(content)[2]
        if part.request is not None
        for group in part.request.resource_spans
        for scoped in group.scope_spans
        for span in scoped.spans
    ]


@pytest.mark.slow
@settings(max_examples=40)
@given(st.lists(_spans(), min_size=1, max_size=4, unique_by=lambda span: span.span_id))
def test_otlp_is_read_back_as_it_was(given_spans: list[Span]) -> None:
    """As JSON and as protobuf, every field of every span."""
    expected = {span.span_id: spans.to_otlp(span) for span in given_spans}

    for write in (write_otlp.json_lines, write_otlp.messages):
        read = _read(b"".join(write(given_spans)))
        assert {span.span_id: span for span, _, _ in read} == expected


@pytest.mark.slow
@given(_spans())
def test_lines_are_read_back_as_they_were(span: Span) -> None:
    """With resource and scope."""
    (line,) = write_lines.json_lines([span], lambda _lineage, _generation: "node://a")
    ((read, resource, scope),) = _read(line)

    assert read == spans.to_otlp(span)
    assert resource.attributes == spans.request([span]).resource_spans[0].resource.attributes
    assert scope == span.scope
    assert json.loads(line)["stamp"]["lsn"] == "7"


@pytest.mark.slow
@given(_spans(), st.sampled_from(State))
def test_a_document_is_read_back_as_it_was(span: Span, state: State) -> None:
    """What the API says of a span is the span."""
    abandonment = Abandonment(_STAMP.position, 5, "its process is gone", 12, None)
    whole = replace(span, state=state, abandonment=abandonment)
    document = json.loads(json.dumps(span_document(whole, lambda _lineage, _generation: "")))

    assert documents.from_document(document) == whole


def test_values_that_json_lacks_stay_in_protobuf() -> None:
    """Bytes, large integers and the other floats."""
    values = {"bytes": b"\x00\xff", "large": 2**62, "nothing": None, "text": "\x00\x1b"}
    pairs = read_lines.building.pairs(values)

    assert attributes_of(pairs) == values


def test_large_spans_have_lines_of_their_own() -> None:
    """A reader takes each line whole."""
    base = files.spans(files.lines(files.agenttrace()))
    assert base
    big = [_plain(number, "x" * 900_000) for number in range(4)]

    assert len(list(write_otlp.json_lines(big))) == 4


class _Page(html.parser.HTMLParser):
    """Collects what a browser would find."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("text", HOSTILE)
def test_a_page_holds_hostile_text_as_text(text: str) -> None:
    """In every field, keys too, nothing of it becomes a tag, an attribute or a control."""
    span = _plain(1, text, key=text, name=text)
    trace = write_html.Trace(span.trace_id, assemble([span]))
    page = "".join(write_html.page([trace], 10**18))
    parsed = _Page()
    parsed.feed(page)

    assert parsed.tags <= {
        "html", "meta", "title", "style", "h1", "p", "code", "details", "summary", "b", "i", "svg",
        "rect", "dl", "dt", "dd", "pre",
    }  # fmt: skip
    assert not {one for one in parsed.attributes if one.startswith("on")} | (
        parsed.attributes & {"src", "href", "style", "action"}
    )
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", page)


def test_a_page_asks_nobody() -> None:
    """No script, no address; and the page forbids both itself."""
    span = _plain(1, "see https://example.com")
    trace = write_html.Trace(span.trace_id, assemble([span]))
    page = "".join(write_html.page([trace], 10**18))

    assert "<script" not in page
    assert "default-src 'none'" in html.unescape(page)
    assert not re.search(r"""(?:src|href|url)\s*[=(]""", page)


def _plain(number: int, value: str, *, key: str = "key", name: str = "name") -> Span:
    return next(_all_plain(number, value, key, name))


def _all_plain(number: int, value: str, key: str, name: str) -> Iterator[Span]:
    yield Span(
        trace_id=b"\x01" * 16, span_id=number.to_bytes(8, "big"), parent_span_id=b"", name=name,
        kind="internal", service=value[:50], start_ns=1, end_ns=2, status="error",
        status_message=value[:50], attributes={key: value}, events=(Event(1, name, {key: value}),),
        links=(), trace_state="", resource={key: value[:50]}, scope="", stamp=_STAMP,
    )  # fmt: skip
