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
INSTRUCTIONS = "You pack suitcases. Look at the weather first."
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
    memory: dict[str, Any] = {"steps": [], "forecast": None}
    with sidespan.agent("packing-planner", question=question) as span:
        # What becomes of it within this span is the difference that the page and `diff` show.
        span.state("memory", memory)
        memory["steps"] = plan(question)
        # From here on the node's newest token names something that is on disk, and it travels with
        # the call below: whoever reads the worker's spans can tell that the plan came before them.
        sidespan.flush()
        messages = [message("user", type="text", content=question)]
        messages.append(ask_model(messages, tools=memory["steps"]))
        (request,) = messages[-1]["parts"]
        memory["forecast"] = forecast = call_tool(request, worker)
        result = {"type": "tool_call_response", "id": request["id"], "response": forecast}
        messages.append(message("tool", **result))
        reply: str = ask_model(messages)["parts"][0]["content"]
        span.set(answer=reply)
        return reply


@sidespan.span("plan")
def plan(question: str) -> list[str]:
    """Return the tools that the question may need."""
    steps = ["get_forecast"] if "pack" in question else []
    sidespan.current().set(steps=steps)
    return steps


def message(role: str, **part: object) -> dict[str, Any]:
    """Return a message of one part, in the shape of the GenAI conventions."""
    return {"role": role, "parts": [part]}


def ask_model(messages: Sequence[dict[str, Any]], tools: Sequence[str] = ()) -> dict[str, Any]:
    """Return what the model says: a message with a tool to call, or with a text."""
    with sidespan.llm(MODEL, provider="scripted", messages=messages) as span:
        reply = scripted_model(messages, tools)
        sidespan.add_event("first token", {"messages": len(messages)})
        reason = "tool_call" if tools else "stop"
        span.set(
            {
                "gen_ai.system_instructions": [{"type": "text", "content": INSTRUCTIONS}],
                "gen_ai.output.messages": [{**reply, "finish_reason": reason}],
                "gen_ai.response.finish_reasons": [reason],
                "gen_ai.usage.input_tokens": len(json.dumps(messages).split()),
                "gen_ai.usage.output_tokens": len(json.dumps(reply).split()),
            }
        )
        return reply


def scripted_model(messages: Sequence[dict[str, Any]], tools: Sequence[str]) -> dict[str, Any]:
    """Say what a model would, after a moment."""
    time.sleep(0.02)
    if tools:
        arguments = {"city": "Lisbon", "days": 2}
        call = {"type": "tool_call", "id": "call-1", "name": tools[0], "arguments": arguments}
        return message("assistant", **call)
    forecast = messages[-1]["parts"][0]["response"]
    rain = [day["day"] for day in forecast["days"] if day["rain_percent"] >= RAIN_PERCENT]
    warm = max(day["high_celsius"] for day in forecast["days"])
    coat = f"a rain jacket for {', '.join(rain)}" if rain else "no rain jacket"
    text = f"Up to {warm} °C in {forecast['city']}: light clothes, and {coat}."
    return message("assistant", type="text", content=text)


def call_tool(request: dict[str, Any], worker: str) -> dict[str, Any]:
    """Have the worker run a tool and return its result.

    Raises:
        grpc.RpcError: The worker does not answer.
    """
    name, arguments = request["name"], request["arguments"]
    with (
        sidespan.tool(name, arguments=arguments, call_id=request["id"]) as span,
        grpc.insecure_channel(worker) as channel,
    ):
        traced = grpc.intercept_channel(channel, sidespan.grpc.client_interceptor())
        call = traced.unary_unary(
            "/tools.Toolbox/Run",
            request_serializer=lambda body: json.dumps(body).encode(),
            response_deserializer=json.loads,
        )
        body = {"tool": name, "arguments": arguments}
        result: dict[str, Any] = call(body, timeout=CALL_TIMEOUT_S, wait_for_ready=True)
        span.result(result)
        return result


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
