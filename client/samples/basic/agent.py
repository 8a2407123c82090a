"""An agent that plans, thinks and calls a tool: ``python client/samples/basic/agent.py``."""

import sidespan


@sidespan.tool("search", durable=True)  # its start is on disk before it runs
def search(query: str) -> str:
    """Pretend to look something up."""
    return f"{query}: rain on Sunday"


def main() -> None:
    """Run once, and say what became of the spans."""
    sidespan.init(service="basic-agent")

    with sidespan.agent("packing") as agent:
        agent.state("memory", memory := {"coats": 0})

        with sidespan.llm("scripted-1", messages=[{"role": "user", "content": "pack"}]) as call:
            call.response({"usage": {"prompt_tokens": 12, "completion_tokens": 3}})

        found = search("weekend")
        with sidespan.decision("take a coat", options=["yes", "no"]) as decision:
            choice = "yes" if "rain" in found else "no"
            decision.choose(choice, reason=found)
        memory["coats"] += choice == "yes"

        # What the next process is given: traceparent, and tracestate with the node's newest token.
        headers: dict[str, str] = {}
        sidespan.inject(headers)
        print(headers)

    print("on disk" if sidespan.flush(1.0) else sidespan.status().last_error)


if __name__ == "__main__":
    main()
