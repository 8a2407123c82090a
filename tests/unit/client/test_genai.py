"""The typed helpers write the names of the conventions, and streams are followed to their end."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace
from typing import Any, Self

import pytest

import sidespan
from sidespan.testing import Capture, capture

PRICES = {"input": 2.0, "output": 10.0, "cache_read": 0.5}
CHUNKS: list[dict[str, Any]] = [
    {"id": "c-1", "model": "m-2", "choices": [{"delta": {"content": "a"}}]},
    {"id": "c-1", "model": "m-2", "choices": [{"finish_reason": "stop"}]},
    {"id": "c-1", "usage": {"prompt_tokens": 1000, "completion_tokens": 100}},
]


@pytest.fixture
def spans() -> Iterator[Capture]:
    """Record into memory."""
    with capture() as captured:
        yield captured


def test_a_model_call(spans: Capture) -> None:
    """Request, response, tokens and cost are on one client span."""
    with sidespan.llm(
        "gpt-x", provider="openai", messages=[{"role": "user"}], temperature=0.2, prices=PRICES, n=1
    ) as call:
        call.response(
            SimpleNamespace(
                id="r-1",
                model="gpt-x-2",
                choices=[SimpleNamespace(finish_reason="stop")],
                usage=SimpleNamespace(
                    prompt_tokens=1_000,
                    completion_tokens=100,
                    prompt_tokens_details=SimpleNamespace(cached_tokens=400),
                ),
            )
        )

    (span,) = spans.spans
    assert (span.name, span.kind) == ("chat gpt-x", "client")
    assert span.attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "gpt-x",
        "gen_ai.provider.name": "openai",
        "gen_ai.input.messages": [{"role": "user"}],
        "gen_ai.request.temperature": 0.2,
        "n": 1,
        "gen_ai.response.id": "r-1",
        "gen_ai.response.model": "gpt-x-2",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": 1_000,
        "gen_ai.usage.output_tokens": 100,
        "gen_ai.usage.cache_read.input_tokens": 400,
        "gen_ai.usage.cost": (600 * 2.0 + 400 * 0.5 + 100 * 10.0) / 1e6,
    }


def test_the_other_steps(spans: Capture) -> None:
    """Each has its operation or kind, its name, and what it was given."""
    with sidespan.agent("packer", conversation="c-9"):
        with sidespan.tool("forecast", arguments={"city": "Lisbon"}, call_id="t-1") as tool:
            tool.result({"rain": True})
        with sidespan.retrieval("docs", query="coats", top_k=3) as found:
            found.documents([{"id": "d-1", "score": 0.9}])
        with sidespan.decision("coat", options=["yes", "no"]) as choice:
            choice.choose("yes", reason="rain")
        with sidespan.prompt_render("ask", version="2", variables={"city": "Lisbon"}) as prompt:
            prompt.rendered("What of Lisbon?")
        with sidespan.output_parse("answer", schema="Answer") as parse:
            parse.parsed({"ok": 1})

    found_attributes = {span.name: span.attributes for span in spans.spans}
    assert found_attributes == {
        "execute_tool forecast": {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": "forecast",
            "gen_ai.tool.type": "function",
            "gen_ai.tool.call.id": "t-1",
            "gen_ai.tool.call.arguments": {"city": "Lisbon"},
            "gen_ai.tool.call.result": {"rain": True},
        },
        "retrieval docs": {
            "gen_ai.operation.name": "retrieval",
            "gen_ai.data_source.id": "docs",
            "gen_ai.retrieval.query.text": "coats",
            "gen_ai.retrieval.top_k": 3,
            "gen_ai.retrieval.documents": [{"id": "d-1", "score": 0.9}],
        },
        "decision coat": {
            "sidespan.kind": "decision",
            "sidespan.decision.options": ["yes", "no"],
            "sidespan.decision.choice": "yes",
            "sidespan.decision.reason": "rain",
        },
        "prompt_render ask": {
            "sidespan.kind": "prompt",
            "gen_ai.prompt.name": "ask",
            "gen_ai.prompt.version": "2",
            "gen_ai.prompt.variable.city": "Lisbon",
            "sidespan.prompt.text": "What of Lisbon?",
        },
        "output_parse answer": {
            "sidespan.kind": "parse",
            "sidespan.parse.schema": "Answer",
            "sidespan.parse.value": {"ok": 1},
        },
        "invoke_agent packer": {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": "packer",
            "gen_ai.conversation.id": "c-9",
        },
    }
    top = spans.named("invoke_agent packer")
    assert {span.parent_span_id for span in spans.spans if span is not top} == {top.span_id, ""}


def answer() -> Iterator[dict[str, Any]]:
    """Stream an answer."""
    yield from CHUNKS


async def answer_async() -> AsyncIterator[dict[str, Any]]:
    """Stream an answer."""
    for chunk in CHUNKS:
        await asyncio.sleep(0)
        yield chunk


def assert_followed(spans: Capture) -> None:
    """Check what a stream to its end leaves behind."""
    (span,) = spans.spans
    told = dict(span.attributes)
    assert 0 <= told.pop("gen_ai.response.time_to_first_chunk") < 60
    assert told == {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "m",
        "gen_ai.request.stream": True,
        "gen_ai.response.id": "c-1",
        "gen_ai.response.model": "m-2",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": 1000,
        "gen_ai.usage.output_tokens": 100,
        "gen_ai.usage.cost": 0.003,
        "sidespan.stream.items": 3,
    }


def test_a_stream_is_followed(spans: Capture) -> None:
    """Chunks pass unchanged; the span has what they say and ends with them."""
    with sidespan.llm("m", prices=PRICES) as call:
        assert list(call.stream(answer())) == CHUNKS
    assert_followed(spans)


def test_a_stream_that_is_returned_keeps_its_span_open(spans: Capture) -> None:
    """The block is left first; the span still ends with the last chunk."""

    def ask() -> Iterator[dict[str, Any]]:
        with sidespan.llm("m", prices=PRICES) as call:
            stream: Iterator[dict[str, Any]] = call.stream(answer())
            return stream

    stream = ask()
    assert spans.spans == []
    assert not sidespan.current().recording
    assert list(stream) == CHUNKS
    assert_followed(spans)


def test_an_async_stream_is_followed(spans: Capture) -> None:
    """As a plain one."""

    async def main() -> list[dict[str, Any]]:
        async with sidespan.llm("m", prices=PRICES) as call:
            return [chunk async for chunk in call.stream(answer_async())]

    assert asyncio.run(main()) == CHUNKS
    assert_followed(spans)


class Provider:
    """A stream as providers' packages have it: a context manager with methods of its own."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self._chunks = iter(CHUNKS)

    def __enter__(self) -> Self:
        self.log.append("entered")
        return self

    def __exit__(self, *_: object) -> None:
        self.log.append("left")

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return self._chunks

    def close(self) -> None:
        """Let go."""
        self.log.append("closed")

    def final_text(self) -> str:
        """Return the whole text."""
        return "a"


def test_a_providers_stream_can_do_what_it_could(spans: Capture) -> None:
    """Its block is entered and left, and its own methods are there."""
    provider = Provider()
    call = sidespan.llm("m").start()
    with call.stream(provider) as stream:
        assert next(stream) == CHUNKS[0]
        assert stream.final_text() == "a"
        with pytest.raises(AttributeError):
            _ = stream.nothing

    assert provider.log == ["entered", "left"]
    assert spans.spans[0].attributes["sidespan.stream.exhausted"] is False


def test_a_stream_that_fails_marks_its_span(spans: Capture) -> None:
    """The error goes on unchanged."""

    def broken() -> Iterator[int]:
        yield 1
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError, match="gone"):
        list(sidespan.llm("m").start().stream(broken()))
    assert spans.spans[0].message == "ConnectionError: gone"


def test_what_is_no_stream_is_returned_as_it_is(spans: Capture) -> None:
    """The host's own mistake stays the host's."""
    call = sidespan.llm("m").start()
    assert call.stream(5) == 5  # type: ignore[arg-type]
    call.end()
    assert len(spans.spans) == 1


def test_off_the_helpers_cost_nobody_anything() -> None:
    """Every method is there and does nothing; a stream is the host's own."""
    chunks = answer()
    with sidespan.llm("m") as call:
        assert call.response({"usage": {"prompt_tokens": 1}}).stream(chunks) is chunks
    with sidespan.tool("t") as tool, sidespan.decision("d") as choice:
        tool.result(1)
        choice.choose(2)
    assert sidespan.status() == sidespan.Status()


def test_a_decorated_helper_keeps_its_kind(spans: Capture) -> None:
    """Each call is a span of that kind, with its prices."""

    @sidespan.llm("m", prices=PRICES)
    def ask() -> str:
        call = sidespan.current()
        assert isinstance(call, sidespan.LlmSpan)
        call.response(CHUNKS[2])
        return "a"

    assert [ask(), ask()] == ["a", "a"]
    assert [span.attributes["gen_ai.usage.cost"] for span in spans.spans] == [0.003, 0.003]
