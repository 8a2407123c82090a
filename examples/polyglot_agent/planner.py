"""A small agent, traced with sidespan: it plans, asks a model, has a tool run, and answers.

    python planner.py --worker HOST:PORT

The model is scripted, so the example runs offline and says the same each time. The worker is
another process with another SDK (worker.py); what joins the two is the metadata of one gRPC call.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from typing import Any

import grpc

import sidespan
import sidespan.grpc

MODEL = "scripted-1"
QUESTION = "I have two days in Lisbon. What should I pack?"
CALL_TIMEOUT_S = 20.0
# From here on it counts as rain.
RAIN_PERCENT = 50


def main(arguments: Sequence[str]) -> int:
    """Run the agent once; 1 when the worker does not answer."""
    parser = argparse.ArgumentParser(description="run the agent once")
    parser.add_argument("--worker", required=True, metavar="HOST:PORT", help="where worker.py is")
    worker = parser.parse_args(arguments).worker

    sidespan.init(service="planner")
    try:
        print(answer(QUESTION, worker))
    except grpc.RpcError as error:
        print(f"planner: the worker at {worker} failed: {error}", file=sys.stderr)
        return 1
    return 0


def answer(question: str, worker: str) -> str:
    """Return the agent's answer to ``question``; its work is one trace.

    Raises:
        grpc.RpcError: The worker does not answer.
    """
    agent = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "packing-planner"}
    with sidespan.span("invoke_agent packing-planner", agent, question=question) as span:
        steps = plan(question)
        # From here on the node's newest token names something that is on disk, and it travels with
        # the call below: whoever reads the worker's spans can tell that the plan came before them.
        sidespan.flush()
        request = ask_model([question], tools=steps)["tool_call"]
        forecast = call_tool(request["name"], request["arguments"], worker)
        reply: str = ask_model([question, json.dumps(forecast)])["text"]
        span.set(answer=reply)
        return reply


@sidespan.span("plan")
def plan(question: str) -> list[str]:
    """Return the tools that the question may need."""
    steps = ["get_forecast"] if "pack" in question else []
    sidespan.current().set(steps=steps)
    return steps


def ask_model(messages: Sequence[str], tools: Sequence[str] = ()) -> dict[str, Any]:
    """Return what the model says: a tool to call, or a text."""
    request = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "scripted",
        "gen_ai.request.model": MODEL,
    }
    with sidespan.span(f"chat {MODEL}", request, kind="client") as span:
        reply = scripted_model(messages, tools)
        sidespan.add_event("first token", {"messages": len(messages)})
        span.set(
            {
                "gen_ai.response.finish_reasons": [
                    "tool_calls" if "tool_call" in reply else "stop"
                ],
                "gen_ai.usage.input_tokens": sum(len(message.split()) for message in messages),
                "gen_ai.usage.output_tokens": len(json.dumps(reply).split()),
            }
        )
        return reply


def scripted_model(messages: Sequence[str], tools: Sequence[str]) -> dict[str, Any]:
    """Say what a model would, after a moment."""
    time.sleep(0.02)
    if tools:
        arguments = {"city": "Lisbon", "days": 2}
        return {"tool_call": {"name": tools[0], "arguments": arguments}}
    forecast = json.loads(messages[-1])
    rain = [day["day"] for day in forecast["days"] if day["rain_percent"] >= RAIN_PERCENT]
    warm = max(day["high_celsius"] for day in forecast["days"])
    coat = f"a rain jacket for {', '.join(rain)}" if rain else "no rain jacket"
    return {"text": f"Up to {warm} °C in {forecast['city']}: light clothes, and {coat}."}


def call_tool(name: str, arguments: dict[str, Any], worker: str) -> dict[str, Any]:
    """Have the worker run a tool and return its result.

    Raises:
        grpc.RpcError: The worker does not answer.
    """
    tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name}
    with (
        sidespan.span(f"execute_tool {name}", tool, arguments=arguments) as span,
        grpc.insecure_channel(worker) as channel,
    ):
        traced = grpc.intercept_channel(channel, sidespan.grpc.client_interceptor())
        call = traced.unary_unary(
            "/tools.Toolbox/Run",
            request_serializer=lambda body: json.dumps(body).encode(),
            response_deserializer=json.loads,
        )
        request = {"tool": name, "arguments": arguments}
        result: dict[str, Any] = call(request, timeout=CALL_TIMEOUT_S, wait_for_ready=True)
        span.set(result=result)
        return result


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
