"""Records of what agents do, for measurements: as many as it takes, each span an id of its own.

A trace is ten spans: an agent, three model calls with prompts and token counts, three runs of
tools, three ordinary requests; ten attributes each, about 420 bytes.
"""

import random
from collections.abc import Iterator
from typing import Any

from opentelemetry.proto.trace.v1.trace_pb2 import Span, TracesData

from sidespand.model import Content, Kind, Record
from tests.journals import records

START_NS = 1_790_000_000_000_000_000
SPANS_PER_TRACE = 10
TRACES_PER_RECORD = 10
SPANS_PER_RECORD = SPANS_PER_TRACE * TRACES_PER_RECORD
_STEP_NS = 40_000_000
_WORDS = [
    "refund",
    "order",
    "customer",
    "agent",
    "please",
    "lookup",
    "weather",
    "invoice",
    "policy",
    "shipping",
    "model",
    "answer",
    "context",
    "window",
    "search",
    "result",
    "lisbon",
    "city",
    "delay",
    "credit",
    "lamp",
    "door",
    "harbour",
    "ticket",
]
_MODELS = ("gpt-4o-2025-01-01", "gpt-4o-mini", "o4-mini", "claude-sonnet-4-5")
_TOOLS = ("search", "lookup", "refund")
# Said once in this many traces: what is looked for is rare.
RARE_EVERY = 5000


def agent_records(spans: int, seed: int = 7) -> Iterator[Record]:
    """Yield records of ``spans`` spans in all, in log order.

    Args:
        spans: A multiple of SPANS_PER_RECORD.
        seed: The same records come of the same.
    """
    source = random.Random(seed)
    pool = [_Template(source, number) for number in range(64)]
    lsn = 1
    for number in range(spans // SPANS_PER_RECORD):
        payload = pool[number % len(pool)].made(source, number)
        yield records([Content(Kind.SPANS, payload, SPANS_PER_RECORD)], next_lsn=lsn)[0]
        lsn += SPANS_PER_RECORD


class _Template:
    """A request whose ids, times and names of conversations are drawn anew each time."""

    def __init__(self, source: random.Random, number: int) -> None:
        self._message = TracesData()
        resource_spans = self._message.resource_spans.add()
        for key, value in (
            ("service.name", f"service-{number % 7}"),
            ("host.name", "host-1"),
            ("process.pid", str(1000 + number % 20)),
        ):
            resource_spans.resource.attributes.add(key=key).value.string_value = value
        scope = resource_spans.scope_spans.add()
        self._traces = [_Trace(scope.spans, source, number) for _ in range(TRACES_PER_RECORD)]

    def made(self, source: random.Random, number: int) -> bytes:
        """Return the request of a number, encoded."""
        for index, trace in enumerate(self._traces):
            trace.renew(source, number * TRACES_PER_RECORD + index)
        return self._message.SerializeToString()


class _Trace:
    def __init__(self, spans: Any, source: random.Random, number: int) -> None:
        self._spans: list[Span] = []
        self._conversations: list[Any] = []
        self._prompts: list[Any] = []
        self._requests: list[Any] = []
        for index in range(SPANS_PER_TRACE):
            span = spans.add(kind=1)
            self._spans.append(span)
            if index == SPANS_PER_TRACE - 1:
                self._agent(span, source, number)
            else:
                (self._llm, self._tool, self._plain)[index % 3](span, source, number)

    def renew(self, source: random.Random, number: int) -> None:
        """Make another trace of it."""
        trace_id, root = source.randbytes(16), source.randbytes(8)
        start_ns = START_NS + number * _STEP_NS
        for index, span in enumerate(self._spans):
            is_root = index == SPANS_PER_TRACE - 1
            span.trace_id = trace_id
            span.span_id = root if is_root else source.randbytes(8)
            span.parent_span_id = b"" if is_root else root
            span.start_time_unix_nano = start_ns + (0 if is_root else index * 1_000_000)
            length_ns = int(source.lognormvariate(18, 1.2))
            span.end_time_unix_nano = span.start_time_unix_nano + length_ns
            span.status.code = 2 if source.random() < 0.002 else 0
        for value in self._conversations:
            value.string_value = f"conversation-{number // 3}"
        for index, value in enumerate(self._requests):
            value.string_value = f"chatcmpl-{number:x}-{index}"
        words = source.choices(_WORDS, k=24)
        if number % RARE_EVERY == 0:
            words[5] = "quicksilver"
        said = " ".join(words)
        for value in self._prompts:
            value.string_value = (
                f'[{{"role":"user","parts":[{{"type":"text","content":"{said}"}}]}}]'
            )

    def _llm(self, span: Span, source: random.Random, _number: int) -> None:
        span.name = "chat gpt-4o"
        _text(span, "gen_ai.operation.name", "chat")
        _text(span, "gen_ai.provider.name", "openai")
        _text(span, "gen_ai.request.model", "gpt-4o")
        _text(span, "gen_ai.response.model", source.choice(_MODELS))
        for key, most in (("input_tokens", 5000), ("output_tokens", 500)):
            value = span.attributes.add(key=f"gen_ai.usage.{key}").value
            value.int_value = source.randrange(most)
        self._requests.append(_text(span, "gen_ai.response.id", ""))
        self._conversations.append(_text(span, "gen_ai.conversation.id", ""))
        _text(span, "user.id", f"user-{source.randrange(5000)}")
        self._prompts.append(_text(span, "gen_ai.input.messages", ""))

    def _tool(self, span: Span, source: random.Random, _number: int) -> None:
        tool = source.choice(_TOOLS)
        span.name = f"execute_tool {tool}"
        _text(span, "gen_ai.operation.name", "execute_tool")
        _text(span, "gen_ai.tool.name", tool)
        _text(span, "gen_ai.tool.call.id", f"call-{source.randrange(10**9)}")
        _text(span, "gen_ai.tool.call.arguments", f'{{"q":"{source.choice(_WORDS)}"}}')
        for index in range(6):
            _text(span, f"app.key{index}", f"value {source.randrange(100)}")

    def _plain(self, span: Span, source: random.Random, number: int) -> None:
        span.name = f"GET /orders/{number % 50}"
        for index in range(10):
            _text(span, f"http.key{index}", f"v{source.randrange(1000)}")

    def _agent(self, span: Span, source: random.Random, number: int) -> None:
        span.name = "invoke_agent planner"
        _text(span, "gen_ai.operation.name", "invoke_agent")
        _text(span, "gen_ai.agent.name", f"planner-{number % 5}")
        for index in range(8):
            _text(span, f"app.key{index}", f"value {source.randrange(100)}")


def _text(span: Span, key: str, value: str) -> Any:
    found = span.attributes.add(key=key).value
    found.string_value = value
    return found
