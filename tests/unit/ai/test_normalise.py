from typing import Any

import pytest

from sidespand.ai import Ai, Tokens, document, normaliser
from sidespand.index.values import attributes
from tests import emitted

NORMALISE = normaliser()

# Per call of a model, in the order of the spans: input, output, cached, cache write, reasoning. By
# hand from the stub's exchanges; None is what the emitter does not say.
OPENAI = [(21, 3), (17, 5), (63, 15), (95, 9), (1536, 48), (2, None)]
EXPECTED: dict[str, list[tuple[int | None, ...]]] = {
    "openai_v2": [(*one, None, None, None) for one in OPENAI],
    "openai_v2_latest": [(*one, None, None, None) for one in OPENAI],
    "openai_genai": [
        (21, 3, None, None, None),
        (17, 5, None, None, None),
        (63, 15, None, None, None),
        (95, 9, None, None, None),
        (1536, 48, 1024, None, 32),
        (2, None, None, None, None),
    ],
    "openinference_openai": [
        (21, 3, 0, None, 0),
        (17, 5, 0, None, 0),
        (63, 15, 0, None, 0),
        (95, 9, 0, None, 0),
        (1536, 48, 1024, None, 32),
        (2, None, None, None, None),
    ],
    "traceloop_openai": [
        (21, 3, 0, None, 0),
        (17, 5, 0, None, None),
        (63, 15, 0, None, 0),
        (95, 9, 0, None, 0),
        (1536, 48, 1024, None, 32),
        (2, None, 0, None, None),
    ],
    "traceloop_openai_legacy": [
        (21, 3, 0, None, None),
        (63, 15, 0, None, None),
        (95, 9, 0, None, None),
        (1536, 48, 1024, None, None),
        (2, None, 0, None, None),
    ],
    "pydantic_ai": [
        (57, 5, None, None, None),
        (58, 7, None, None, None),
        (120, 20, None, 100, None),
        (55, 13, None, None, None),
        (77, 8, None, None, None),
        (140, 6, 100, None, None),
    ],
}


def _read(capture: str) -> list[tuple[str, Ai | None]]:
    return [(span.name, NORMALISE(attributes(span.attributes))) for span in emitted.spans(capture)]


def _counts(tokens: Tokens) -> tuple[int | None, ...]:
    return tokens.input, tokens.output, tokens.cached, tokens.cache_write, tokens.reasoning


@pytest.mark.parametrize("capture", sorted(EXPECTED))
def test_tokens_are_those_that_the_model_counted(capture: str) -> None:
    """Each dialect's counts come out as one: inclusive, with the parts that were told."""
    found = [ai.tokens for _, ai in _read(capture) if ai is not None and ai.tokens is not None]
    assert [_counts(tokens) for tokens in found] == EXPECTED[capture]
    assert not any(tokens.inferred for tokens in found)


def test_the_newest_shape_tells_of_a_cached_prompt_as_it_was_billed() -> None:
    """Each call of the Anthropic captures, by hand: what was cached is inside the input."""
    read = [ai for _, ai in _read("anthropic_genai") if ai is not None and ai.tokens is not None]
    # The SDK's own spans count the same calls again, by an earlier shape; it names no zeros.
    calls = [ai.tokens for ai in read if ai.dialect == "otel-genai" and ai.tokens.cache_write == 0]
    assert [_counts(tokens)[:4] for tokens in calls] == [
        (23, 4, 0, 0), (531, 6, 512, 0), (310, 42, 0, 0), (380, 18, 0, 0),
    ]  # fmt: skip
    written = {_counts(ai.tokens)[:2] for ai in read if ai.tokens and ai.tokens.cache_write}
    assert written == {(2060, 7), (2318, 8)}
    assert not any(ai.tokens.inferred for ai in read if ai.tokens)


@pytest.mark.parametrize("capture", ["openinference_anthropic", "traceloop_anthropic"])
def test_a_cached_prompt_is_counted_once_where_the_emitter_counts_it_inside(capture: str) -> None:
    """What was read from the cache and written to it is part of the input, not on top of it."""
    found = [
        ai.tokens
        for _, ai in _read(capture)
        if ai is not None and ai.tokens and ai.dialect in ("openinference", "traceloop")
    ]
    assert [one.input for one in found] == [23, 531, 310, 380, 2060, 2318]
    assert sum(one.cached or 0 for one in found) == 512 + 2048
    assert sum(one.cache_write or 0 for one in found) == 2048 + 256


def test_a_cached_prompt_counted_beside_the_input_is_added_once() -> None:
    """Exclusive counts, as Anthropic's API has them, become the inclusive total, and are marked."""
    ai = NORMALISE(
        {
            "gen_ai.provider.name": "anthropic",
            "gen_ai.operation.name": "chat",
            "gen_ai.usage.input_tokens": 14,
            "gen_ai.usage.cache_read.input_tokens": 2048,
            "gen_ai.usage.cache_creation.input_tokens": 256,
            "gen_ai.usage.output_tokens": 8,
        }
    )
    assert ai is not None
    assert ai.tokens == Tokens(14 + 2048 + 256, 8, 2048, 256, None, inferred=True)


@pytest.mark.parametrize(
    ("capture", "dialects"),
    [
        ("openai_v2", {"otel-1.36"}),
        ("openai_v2_latest", {"otel-1.37"}),
        ("openai_genai", {"otel-1.37"}),
        ("anthropic_genai", {"otel-genai", "otel-1.37"}),
        ("openinference_openai", {"openinference"}),
        ("traceloop_openai", {"traceloop"}),
        ("traceloop_openai_legacy", {"traceloop"}),
        ("pydantic_ai", {"otel-1.36", "otel-1.37"}),
    ],
)
def test_a_span_is_read_by_the_convention_that_it_speaks(capture: str, dialects: set[str]) -> None:
    """What no convention marks says nothing of agents."""
    assert {ai.dialect for _, ai in _read(capture) if ai is not None} == dialects
    assert all(ai is None for name, ai in _read(capture) if name == "weather turn")


def test_steps_of_a_run_have_their_kind_and_their_names() -> None:
    """Agents, models and tools of pydantic-ai come out with what joins them."""
    steps = [(ai.kind, ai.agent, ai.tool, ai.tool_call_id) for _, ai in _read("pydantic_ai") if ai]
    assert steps[:4] == [
        ("llm", "lookup", "", ""),
        ("tool", "lookup", "find_port", "pyd_ai_tool_call_id__find_port"),
        ("llm", "lookup", "", ""),
        ("agent", "lookup", "", ""),
    ]
    assert {ai.conversation_id for _, ai in _read("pydantic_ai") if ai} == {
        "conversation-1",
        "conversation-2",
    }


def test_spans_of_rpcs_say_nothing_of_agents() -> None:
    """An emitter that knows of no models leaves every span without a step."""
    assert [ai for _, ai in _read("otel_grpc_server") if ai is not None] == []


def test_only_calls_of_models_are_no_aggregates() -> None:
    """Usage on any other step sums up that of others."""
    usage = {"gen_ai.usage.input_tokens": 5, "gen_ai.usage.cost": 0.5}
    call = NORMALISE({"gen_ai.operation.name": "chat", **usage})
    agent = NORMALISE({"gen_ai.operation.name": "invoke_agent", **usage})
    assert call is not None
    assert agent is not None
    assert (call.aggregate, agent.aggregate) == (False, True)
    assert (call.cost_usd, agent.cost_usd) == (0.5, 0.5)


def test_our_own_steps_have_kinds_that_the_conventions_lack() -> None:
    """What the clients call a decision, a prompt or a parse is one."""
    kinds = {
        kind: NORMALISE({"sidespan.kind": kind, "gen_ai.prompt.version": "3"})
        for kind in ("decision", "prompt", "parse", "new-kind")
    }
    assert [ai.kind for ai in kinds.values() if ai] == ["decision", "prompt", "parse", "step"]
    assert all(ai.prompt_version == "3" for ai in kinds.values() if ai)


def test_the_keys_of_a_house_go_before_the_conventions() -> None:
    """A configured map fills any field, also of a span that speaks no convention."""
    read = normaliser(
        {
            "conversation": ("acme.chat",),
            "tokens.in": ("acme.in",),
            "kind": ("acme.step",),
            "user": ("acme.who", "acme.user"),
        }
    )
    plain = read({"acme.chat": "c-1", "acme.user": "ada"})
    assert plain is not None
    assert (plain.kind, plain.conversation_id, plain.user_id) == ("", "c-1", "ada")
    call = read(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.conversation.id": "other",
            "acme.chat": "c-2",
            "acme.in": 9,
            "acme.step": "tool",
        }
    )
    assert call is not None
    assert call.tokens is not None
    assert (call.kind, call.conversation_id, call.tokens.input) == ("tool", "c-2", 9)


@pytest.mark.parametrize(
    "value",
    ["many", "", None, -1, 2**60, 1.5, float("nan"), float("inf"), True, [1], {"a": 1}, b"1"],
)
def test_a_count_of_another_type_is_passed_over(value: Any) -> None:
    """Nothing that a peer sends as a number of tokens or a cost is believed unless it is one."""
    ai = NORMALISE({"gen_ai.system": "x", "gen_ai.usage.input_tokens": value})
    assert ai is not None
    assert ai.tokens is None


def test_the_document_of_a_step_is_json() -> None:
    """Nested counts are maps, reasons to stop a list."""
    ai = NORMALISE(
        {"gen_ai.system": "x", "gen_ai.usage.input_tokens": 3,
         "gen_ai.response.finish_reasons": ["stop"]}
    )  # fmt: skip
    assert ai is not None
    found = document(ai)
    assert found["tokens"]["input"] == 3
    assert found["finish_reasons"] == ["stop"]
