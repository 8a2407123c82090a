"""Runs pydantic-ai agents on its test models, with the instrumentation that pydantic-ai brings."""

from exchanges import PORT, WEATHER, WEATHER_RESULT
from pydantic_ai import Agent, RunContext
from pydantic_ai.messages import (
    ModelMessage,
    ModelResponse,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
)
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.models.instrumented import InstrumentationSettings
from pydantic_ai.models.test import TestModel
from pydantic_ai.usage import RequestUsage
from telemetry import exporting


def main() -> None:
    """Run each agent once; each run is one export."""
    with exporting() as flush:
        Agent.instrument_all(InstrumentationSettings(include_content=True))
        for situation in (test_model, delegation):
            situation()
            flush()


def test_model() -> None:
    """Let the test model call every tool; its token counts are its own estimate."""
    agent = Agent(TestModel(custom_output_text="4318."), name="lookup", instructions="Be brief.")

    @agent.tool_plain
    def find_port(protocol: str) -> int:
        """Return the port of a protocol."""
        return 4318 if protocol else 0

    agent.run_sync(PORT, run_id="run-lookup", conversation_id="conversation-1")


def delegation() -> None:
    """Let a planner ask a forecaster: two agents, two model calls each, with cached tokens."""
    forecaster = Agent(
        FunctionModel(_forecaster, model_name="forecaster-model"),
        name="forecaster",
        instructions="Use the tool.",
    )
    planner = Agent(
        FunctionModel(_planner, model_name="planner-model"),
        name="planner",
        instructions="Ask the forecaster.",
    )

    @forecaster.tool_plain
    def get_weather(city: str) -> str:
        """Return the weather of a city."""
        assert city == "Lisbon"
        return WEATHER_RESULT

    @planner.tool
    async def ask_forecaster(context: RunContext[object], question: str) -> str:
        """Hand a question to the forecaster."""
        asked = await forecaster.run(
            question,
            usage=context.usage,
            run_id="run-forecaster",
            conversation_id="conversation-2",
        )
        return asked.output

    planner.run_sync(WEATHER, run_id="run-planner", conversation_id="conversation-2")


def _planner(messages: list[ModelMessage], _info: AgentInfo) -> ModelResponse:
    if isinstance(messages[-1].parts[0], ToolReturnPart):
        return ModelResponse(
            [TextPart("Take a hat.")],
            usage=RequestUsage(input_tokens=140, output_tokens=6, cache_read_tokens=100),
        )
    return ModelResponse(
        [
            ThinkingPart("The forecaster knows."),
            ToolCallPart("ask_forecaster", {"question": WEATHER}, tool_call_id="call_planner_1"),
        ],
        usage=RequestUsage(input_tokens=120, output_tokens=20, cache_write_tokens=100),
    )


def _forecaster(messages: list[ModelMessage], _info: AgentInfo) -> ModelResponse:
    if isinstance(messages[-1].parts[0], ToolReturnPart):
        return ModelResponse(
            [TextPart("Clear, 21 degrees.")], usage=RequestUsage(input_tokens=77, output_tokens=8)
        )
    return ModelResponse(
        [ToolCallPart("get_weather", {"city": "Lisbon"}, tool_call_id="call_forecaster_1")],
        usage=RequestUsage(input_tokens=55, output_tokens=13),
    )


main()
