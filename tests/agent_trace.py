"""A run of an agent as OTLP requests: messages, a tool, state, a log, and a large value."""

import json
import os
import time
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

LARGE = "the large value ü " * 10_000
WORD = "zanzibar"


class AgentRun:
    """One trace: an agent that asks a model, runs a tool and asks again.

    Attributes:
        trace_id: 16 bytes.
        agent, first, tool, second: Ids of its spans, 8 bytes each.
    """

    def __init__(self) -> None:
        self.trace_id = os.urandom(16)
        self.agent, self.first, self.tool, self.second = (os.urandom(8) for _ in range(4))
        self._start_ns = time.time_ns() - 10_000_000

    def spans(self) -> bytes:
        """Return its spans as one request."""
        request = ExportTraceServiceRequest()
        resource = request.resource_spans.add()
        name = resource.resource.attributes.add()
        name.key, name.value.string_value = "service.name", "packer"
        spans = resource.scope_spans.add().spans
        asked = {"role": "user", "parts": [{"type": "text", "content": f"Pack for {WORD}"}]}
        call = {"type": "tool_call", "id": "call-1", "name": "weather", "arguments": {"at": "z"}}
        called = {"role": "assistant", "parts": [call], "finish_reason": "tool_call"}
        heard = {"type": "tool_call_response", "id": "call-1", "response": "30 °C"}
        result = {"role": "tool", "parts": [heard]}
        answer = {"role": "assistant", "parts": [{"type": "text", "content": "No coat."}]}
        model = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai",
                 "gen_ai.request.model": "gpt-4o", "gen_ai.response.model": "gpt-4o-2024-08-06",
                 "gen_ai.usage.input_tokens": 20, "gen_ai.usage.output_tokens": 5}  # fmt: skip
        self._add(spans, self.agent, b"", "invoke_agent packer", {
            "gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "packer",
            "gen_ai.conversation.id": "trip-1",
            "sidespan.state.memory.before": '{"coats": 1, "notes": []}',
            "sidespan.state.memory.after": '{"coats": 0, "notes": ["warm"]}',
        })  # fmt: skip
        self._add(spans, self.first, self.agent, "chat gpt-4o", {
            **model, "gen_ai.input.messages": json.dumps([asked]),
            "gen_ai.output.messages": json.dumps([called]),
        })  # fmt: skip
        self._add(spans, self.tool, self.agent, "execute_tool weather", {
            "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "weather",
            "gen_ai.tool.call.id": "call-1", "gen_ai.tool.call.arguments": '{"at": "z"}',
            "gen_ai.tool.call.result": '"30 °C"', "large": LARGE,
        })  # fmt: skip
        self._add(spans, self.second, self.agent, "chat gpt-4o", {
            **model, "gen_ai.input.messages": json.dumps([asked, called, result]),
            "gen_ai.output.messages": json.dumps([answer]),
        })  # fmt: skip
        return request.SerializeToString()

    def logs(self) -> bytes:
        """Return a log record of its tool as a request."""
        request = ExportLogsServiceRequest()
        log = request.resource_logs.add().scope_logs.add().log_records.add()
        log.trace_id, log.span_id = self.trace_id, self.tool
        log.time_unix_nano, log.severity_number = self._start_ns, 9
        log.body.string_value = "asked the weather"
        return request.SerializeToString()

    def _add(
        self,
        spans: Any,
        span_id: bytes,
        parent: bytes,
        name: str,
        attributes: dict[str, str | int],
    ) -> None:
        number = len(spans)
        start_ns = self._start_ns + number * 1_000_000
        span = spans.add(
            trace_id=self.trace_id, span_id=span_id, parent_span_id=parent, name=name, kind=1,
            start_time_unix_nano=start_ns, end_time_unix_nano=start_ns + 900_000,
        )  # fmt: skip
        for key, value in attributes.items():
            attribute = span.attributes.add(key=key)
            if isinstance(value, int):
                attribute.value.int_value = value
            else:
                attribute.value.string_value = value
