"""A trace through MCP: by hand in ``_meta``, and with the real package by OpenTelemetry."""

import asyncio
import json
import subprocess
import sys
import textwrap
from types import SimpleNamespace
from typing import Any

import pytest
from mcp.client.client import Client
from mcp.server.mcpserver import Context, MCPServer

import sidespan
from sidespan._runtime import runtime
from sidespan.mcp import extract_meta, inject_meta
from sidespan.testing import capture
from tests.unit.client.conftest import Captured

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"


def test_what_is_injected_is_extracted(captured: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through a JSON-RPC message, with the token, beside what else is in there."""
    monkeypatch.setattr(runtime, "token", lambda: "1-new")
    given = {"progressToken": 7, "tracestate": "old=1"}
    with sidespan.span("call", kind="client") as s:
        message = {
            "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": {"name": "search", "_meta": inject_meta(given)},
        }  # fmt: skip
    received = json.loads(json.dumps(message))["params"]["_meta"]

    assert given == {"progressToken": 7, "tracestate": "old=1"}
    assert received == {
        "progressToken": 7,
        "traceparent": f"00-{s.trace_id}-{s.span_id}-01",
        "tracestate": "sidespan=1-new",
    }
    parent = extract_meta(received)
    assert parent is not None
    assert (parent.span_id, parent.trace_state, parent.is_remote) == (
        s.span_id, "sidespan=1-new", True,
    )  # fmt: skip


def test_without_a_span_nothing_is_added() -> None:
    """What was there stays."""
    assert inject_meta() == {}
    assert inject_meta({"progressToken": 7, "traceparent": PARENT}) == {
        "progressToken": 7, "traceparent": PARENT,
    }  # fmt: skip


class Raising:
    def model_dump(self) -> Any:
        """Raise."""
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("meta", "found"),
    [
        ({"traceparent": PARENT}, True),
        (SimpleNamespace(traceparent=PARENT, tracestate="a=1"), True),
        (SimpleNamespace(model_dump=lambda: {"traceparent": PARENT}), True),
        (None, False),
        ({}, False),
        ({"traceparent": 5}, False),
        ({"traceparent": "nonsense"}, False),
        ("text", False),
        (Raising(), False),
    ],
)
def test_what_a_message_brings(meta: object, *, found: bool) -> None:
    """Mappings and the objects of MCP libraries are read; anything else is no parent."""
    assert (extract_meta(meta) is not None) is found


def test_the_real_package_carries_it() -> None:
    """A tool of a real server continues the trace of a real client's call."""
    server = MCPServer("cook")

    @server.tool()
    def cook(ctx: Context) -> str:
        parent = extract_meta(ctx.request_context.meta)
        with sidespan.span("cook", kind="server", parent=parent) as served:
            return served.trace_id

    async def main() -> str:
        async with Client(server) as client:
            with sidespan.span("call", kind="client"):
                result = await client.call_tool("cook", {}, meta=inject_meta())
        return str(result.content[0].text)

    with capture() as spans:
        trace_id = asyncio.run(main())

    assert trace_id == spans.named("call").trace_id
    assert spans.named("cook").parent_span_id == spans.named("call").span_id


# The package has OpenTelemetry built in; one line records it.
PROGRAM = """
    import asyncio, json, sys
    import sidespan.otel
    from sidespan.testing import capture
    from mcp.client.client import Client
    from mcp.server.mcpserver import MCPServer

    server = MCPServer("cook")

    @server.tool()
    def cook() -> str:
        return "done"

    async def main():
        async with Client(server) as client:
            await client.call_tool("cook", {}, meta={"traceparent": sys.argv[1]})

    sidespan.otel.register(service="planner")
    with capture() as spans:
        asyncio.run(main())
        served = spans.named("tools/call cook")
        print(json.dumps([served.kind, served.trace_id, served.parent_span_id]))
"""


@pytest.mark.slow
def test_the_real_package_is_recorded_by_one_line() -> None:
    """The span of its server is a child of what the message brought, and nothing else is said."""
    finished = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM), PARENT],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip

    assert json.loads(finished.stdout) == ["server", TRACE, SPAN]
    assert finished.stderr == ""
