"""An agent that leaves something for every view: messages, tools, state, a failure, large values.

It runs in a process of its own and finds the daemon by SIDESPAN_SOCKET; it prints its trace id.
"""

import json
import sys
from typing import Any

import sidespan

MODEL = "scripted-1"
SYSTEM = "You pack suitcases. Answer in one sentence, and name each thing once."
QUESTION = "I have two days in Lisbon and one in Porto. What should I pack?"
ANSWER = "Light clothes for Lisbon, and a rain jacket for Porto."
# Beyond what an answer of the API holds whole; the marks at both ends tell that all of it came.
REPORT = f"first word {'the forecast repeats itself é ' * 5000}last word"

Message = dict[str, Any]


def text(role: str, content: str) -> Message:
    """Return a message of one text."""
    return {"role": role, "parts": [{"type": "text", "content": content}]}


def asked(call_id: str, name: str, arguments: Message) -> Message:
    """Return an answer that asks for a tool."""
    call = {"type": "tool_call", "id": call_id, "name": name, "arguments": arguments}
    return {"role": "assistant", "parts": [call]}


def answered(call_id: str, response: object) -> Message:
    """Return the message that carries a tool's result back."""
    part = {"type": "tool_call_response", "id": call_id, "response": response}
    return {"role": "tool", "parts": [part]}


def ask(messages: list[Message], output: Message, tokens: tuple[int, int, int]) -> None:
    """Let the scripted model answer, which is one span."""
    with sidespan.llm(MODEL, provider="scripted", messages=messages) as call:
        call.set(
            {
                "gen_ai.system_instructions": [{"type": "text", "content": SYSTEM}],
                "gen_ai.output.messages": [{**output, "finish_reason": "stop"}],
                "gen_ai.response.model": MODEL,
                "gen_ai.usage.input_tokens": tokens[0],
                "gen_ai.usage.output_tokens": tokens[1],
                "gen_ai.usage.cache_read.input_tokens": tokens[2],
                "gen_ai.usage.cost": 0.0042,
            }
        )
        call.add_event("first token", {"after_ms": 3})


def run() -> str:
    """Run the agent once and return its trace id."""
    memory: dict[str, Any] = {"plan": ["ask for the weather"], "coats": 0, "notes": "nothing yet"}
    messages = [text("user", QUESTION)]
    with sidespan.agent("packer", conversation="conv-1") as agent:
        agent.set({"user.id": "user-7"})
        with sidespan.span("plan", city="Lisbon") as plan:
            plan.state("memory", memory)
            memory["plan"] = ["ask for the weather", "pack"]
        call = asked("call-1", "forecast", {"cities": ["Lisbon", "Porto"], "days": 3})
        ask(messages, call, (128, 12, 0))
        sidespan.flush()
        with sidespan.tool(
            "forecast", arguments=call["parts"][0]["arguments"], call_id="call-1"
        ) as tool:
            tool.state("memory", memory)
            forecast = {
                "Lisbon": {"sky": "clear", "high": 24},
                "Porto": {"sky": "rain", "high": 17},
            }
            memory |= {"coats": 1, "forecast": forecast, "notes": "Porto: rain, so take a coat"}
            tool.result(forecast)
            tool.set(report=REPORT)
        try:
            with sidespan.tool("book_train", arguments={"to": "Porto"}, call_id="call-2"):
                raise ConnectionError("the timetable did not answer")
        except ConnectionError:
            del memory["plan"]
        messages += [call, answered("call-1", forecast)]
        ask(messages, text("assistant", ANSWER), (402, 31, 128))
        with sidespan.span("remember") as remember:
            remember.state("memory", {**memory, "coats": 0})
            remember.state("memory", memory)
    return agent.trace_id


def main() -> int:
    """Run the agent, wait until its spans are on disk, and print the trace id."""
    sidespan.init(service="packer")
    trace_id = run()
    if not sidespan.flush(20):
        print(sidespan.status().last_error, file=sys.stderr)
        return 1
    print(json.dumps({"trace_id": trace_id}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
