"""An agent that plans in Python, has a worker in Elixir act, which calls a tool in Node.

    python planner.py --worker HOST:PORT

What joins the three is the metadata of two HTTP calls: ``traceparent``, and ``tracestate`` with the
node's newest token.
"""

import argparse
import contextlib
import json
import sys
from collections.abc import Sequence
from http.client import HTTPConnection
from typing import Any

import sidespan

QUESTION = "Two days in Lisbon: what should I pack?"
CALL_TIMEOUT_S = 20.0


def main(arguments: Sequence[str]) -> int:
    """Run the agent once; 1 when the worker does not answer."""
    parser = argparse.ArgumentParser(description="run the agent once")
    parser.add_argument("--worker", required=True, metavar="HOST:PORT", help="where worker.exs is")
    worker = parser.parse_args(arguments).worker

    sidespan.init(service="planner")
    try:
        print(answer(QUESTION, worker))
    except OSError as error:
        print(f"planner: the worker at {worker} failed: {error}", file=sys.stderr)
        return 1
    return 0


def answer(question: str, worker: str) -> str:
    """Return the agent's answer to ``question``; its work is one trace.

    Raises:
        OSError: The worker does not answer.
    """
    agent = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "relay-planner"}
    with sidespan.span("invoke_agent relay-planner", agent, question=question) as span:
        with sidespan.span("plan") as step:
            step.set(steps=["pack"])
        # From here on the newest token names a record that holds the plan, and it travels with the
        # call below.
        sidespan.flush()
        advice = call_worker("Lisbon", 2, worker)
        reply = f"{advice['city']}: {', '.join(advice['pack'])}."
        span.set(answer=reply)
        return reply


def call_worker(city: str, days: int, worker: str) -> dict[str, Any]:
    """Return what the worker advises.

    Raises:
        OSError: It does not answer.
    """
    with sidespan.span("POST /pack", {"http.request.method": "POST"}, kind="client"):
        headers: dict[str, str] = {}
        sidespan.inject(headers)
        with contextlib.closing(HTTPConnection(worker, timeout=CALL_TIMEOUT_S)) as connection:
            connection.request("POST", "/pack", f"city={city}&days={days}", headers)
            advice: dict[str, Any] = json.load(connection.getresponse())
        return advice


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
