"""Spans for what agents do, with the names of OpenTelemetry's GenAI semantic conventions."""

from collections.abc import AsyncIterable, Iterable, Mapping
from typing import Any, Self, TypeVar

from sidespan._context import SpanContext
from sidespan._extra import Extra
from sidespan._factory import chosen
from sidespan._runtime import runtime
from sidespan._span import Span

OPERATION = "gen_ai.operation.name"
# What the conventions have no operation for.
KIND = "sidespan.kind"

# Parameters of a request, which ``llm`` takes by their own names.
_REQUEST = frozenset(
    {
        "encoding_formats", "frequency_penalty", "max_tokens", "presence_penalty", "seed",
        "stop_sequences", "stream", "temperature", "top_k", "top_p",
    }
)  # fmt: skip

_Span = TypeVar("_Span", bound=Span)


class LlmSpan(Span):
    """A call of a model. Made by ``llm()``."""

    __slots__ = ("_prices", "_seen", "_streams")

    def __init__(
        self,
        name: str,
        given: Mapping[str, object],
        kind: int,
        parent: SpanContext | None,
        extra: Extra | None,
    ) -> None:
        super().__init__(name, given, kind, parent, extra)
        self._prices: Mapping[str, float] = {}
        self._seen: dict[str, object] = {}
        self._streams = False

    def response(self, response: object, /) -> Self:
        """Record what a model's response says of itself; ``usage`` lists the kinds it knows."""
        if self.recording:
            from sidespan._usage import usage

            self.tell(usage(response))
        return self

    def stream(self, chunks: Iterable[Any] | AsyncIterable[Any], /) -> Any:
        """Return ``chunks`` as an iterator of the same kind, which this span follows.

        It records the time to the first chunk, their number, and what they say of tokens. The span
        ends with the stream, also when its block has been left before. Whatever else ``chunks``
        can do, the iterator passes on.
        """
        if not self.recording:
            return chunks
        from sidespan._stream import follow

        self._streams = True
        self.set({"gen_ai.request.stream": True})
        return follow(self, chunks)

    def tell(self, found: Mapping[str, object]) -> None:
        """Record what was found in a response, and what that costs."""
        from sidespan._usage import cost

        try:
            self._seen |= found
            self.set(self._seen)
            if self._prices:
                self.set(cost(self._seen, self._prices))
        except Exception as error:
            runtime.note(error)

    def end(self, error: BaseException | None = None, /) -> None:
        """End now, or with the stream that it follows."""
        if error is not None or not self._streams:
            super().end(error)

    def end_with_stream(self, error: BaseException | None = None, /) -> None:
        """End: the stream has."""
        self._streams = False
        super().end(error)

    def _again(self) -> "LlmSpan":
        extra = self._extra.again() if self._extra is not None else None
        made = LlmSpan(self._name, self._given, self._kind, self._parent, extra)
        made._prices = self._prices
        return made


class ToolSpan(Span):
    """A call of a tool. Made by ``tool()``."""

    __slots__ = ()

    def result(self, value: object, /) -> Self:
        """Record what the tool returned."""
        return self.set({"gen_ai.tool.call.result": value})


class RetrievalSpan(Span):
    """A search. Made by ``retrieval()``."""

    __slots__ = ()

    def documents(self, found: object, /) -> Self:
        """Record what was found, best first; each a mapping, with ``id`` and ``score`` say."""
        return self.set({"gen_ai.retrieval.documents": found})


class DecisionSpan(Span):
    """A choice. Made by ``decision()``."""

    __slots__ = ()

    def choose(self, option: object, /, reason: object = None) -> Self:
        """Record what was chosen, and why."""
        given = {} if reason is None else {"sidespan.decision.reason": reason}
        return self.set({"sidespan.decision.choice": option, **given})


class PromptSpan(Span):
    """The making of a prompt. Made by ``prompt_render()``."""

    __slots__ = ()

    def rendered(self, text: object, /) -> Self:
        """Record the prompt."""
        return self.set({"sidespan.prompt.text": text})


class ParseSpan(Span):
    """The reading of a model's answer. Made by ``output_parse()``."""

    __slots__ = ()

    def parsed(self, value: object, /) -> Self:
        """Record what was read."""
        return self.set({"sidespan.parse.value": value})


def llm(
    model: str,
    /,
    *,
    provider: str | None = None,
    operation: str = "chat",
    messages: object = None,
    prices: Mapping[str, float] | None = None,
    **named: Any,
) -> LlmSpan:
    """Make the span of a call of a model, of kind client, named ``<operation> <model>``.

    Args:
        model: As it is asked for.
        provider: As the conventions spell it: ``openai``, ``anthropic``, ``aws.bedrock``,
            ``gcp.gemini`` …
        operation: ``chat``, ``generate_content``, ``text_completion`` or ``embeddings``.
        messages: What is asked. Recorded as it is when given; nothing is recorded of itself.
        prices: US dollars for a million tokens, by ``input``, ``output``, ``cache_read``,
            ``cache_write``; with them ``response`` and ``stream`` record ``gen_ai.usage.cost``.
        **named: ``temperature``, ``max_tokens``, ``top_p``, ``top_k``, ``seed``,
            ``stop_sequences``, ``frequency_penalty``, ``presence_penalty``, ``encoding_formats``
            and ``stream`` become ``gen_ai.request.*``; the rest as in ``span``.
    """
    given = {
        OPERATION: operation,
        "gen_ai.request.model": model,
        "gen_ai.provider.name": provider,
        "gen_ai.input.messages": messages,
        **{f"gen_ai.request.{key}": named.pop(key) for key in _REQUEST & named.keys()},
    }
    made = _step(LlmSpan, f"{operation} {model}", given, {"kind": "client", **named})
    made._prices = prices or {}  # noqa: SLF001 - Not an argument of every span.
    return made


def tool(
    name: str,
    /,
    *,
    arguments: object = None,
    call_id: str | None = None,
    description: str | None = None,
    **named: Any,
) -> ToolSpan:
    """Make the span of a tool's run, named ``execute_tool <name>``.

    Args:
        name: Of the tool.
        arguments: What it is called with; recorded when given.
        call_id: Of the model's request for it: joins the two.
        description: What the tool is for.
        **named: As in ``span``.
    """
    given = {
        OPERATION: "execute_tool",
        "gen_ai.tool.name": name,
        "gen_ai.tool.type": named.pop("type", "function"),
        "gen_ai.tool.call.id": call_id,
        "gen_ai.tool.description": description,
        "gen_ai.tool.call.arguments": arguments,
    }
    return _step(ToolSpan, f"execute_tool {name}", given, named)


def retrieval(
    source: str, /, *, query: str | None = None, top_k: int | None = None, **named: Any
) -> RetrievalSpan:
    """Make the span of a search, of kind client, named ``retrieval <source>``.

    Args:
        source: Id of what is searched.
        query: What for; recorded when given.
        top_k: How many documents at most.
        **named: As in ``span``.
    """
    given = {
        OPERATION: "retrieval",
        "gen_ai.data_source.id": source,
        "gen_ai.retrieval.query.text": query,
        "gen_ai.retrieval.top_k": top_k,
    }
    return _step(RetrievalSpan, f"retrieval {source}", given, {"kind": "client", **named})


def agent(
    name: str,
    /,
    *,
    agent_id: str | None = None,
    version: str | None = None,
    description: str | None = None,
    conversation: str | None = None,
    **named: Any,
) -> Span:
    """Make the span of an agent's run, named ``invoke_agent <name>``.

    Args:
        name: Of the agent.
        agent_id: Of the agent.
        version: Of the agent.
        description: What it is for.
        conversation: Id of the conversation that the run belongs to.
        **named: As in ``span``.
    """
    given = {
        OPERATION: "invoke_agent",
        "gen_ai.agent.name": name,
        "gen_ai.agent.id": agent_id,
        "gen_ai.agent.version": version,
        "gen_ai.agent.description": description,
        "gen_ai.conversation.id": conversation,
    }
    return _step(Span, f"invoke_agent {name}", given, named)


def decision(
    name: str, /, *, question: object = None, options: object = None, **named: Any
) -> DecisionSpan:
    """Make the span of a choice, named ``decision <name>``.

    Args:
        name: Of what is decided.
        question: What is asked; recorded when given.
        options: What there is to choose from; recorded when given.
        **named: As in ``span``.
    """
    given = {
        KIND: "decision",
        "sidespan.decision.question": question,
        "sidespan.decision.options": options,
    }
    return _step(DecisionSpan, f"decision {name}", given, named)


def prompt_render(
    name: str,
    /,
    *,
    version: str | None = None,
    variables: Mapping[str, object] | None = None,
    **named: Any,
) -> PromptSpan:
    """Make the span of a prompt's making, named ``prompt_render <name>``.

    Args:
        name: Of the template.
        version: Of the template.
        variables: What is put in; recorded when given.
        **named: As in ``span``.
    """
    given: dict[str, object] = {
        KIND: "prompt",
        "gen_ai.prompt.name": name,
        "gen_ai.prompt.version": version,
    }
    for key, value in (variables or {}).items():
        given[f"gen_ai.prompt.variable.{key}"] = value
    return _step(PromptSpan, f"prompt_render {name}", given, named)


def output_parse(name: str, /, *, schema: object = None, **named: Any) -> ParseSpan:
    """Make the span of reading a model's answer, named ``output_parse <name>``.

    An exception that leaves its block marks it as failed, as in every span.

    Args:
        name: Of what is read.
        schema: What the answer should look like; recorded when given.
        **named: As in ``span``.
    """
    return _step(
        ParseSpan, f"output_parse {name}", {KIND: "parse", "sidespan.parse.schema": schema}, named
    )


def _step(
    made: type[_Span], name: str, given: Mapping[str, object], named: Mapping[str, Any]
) -> _Span:
    """Return a span without the attributes that nobody gave."""
    if runtime.undecided:
        runtime.decide()
    return chosen(made, name, {k: v for k, v in given.items() if v is not None}, **named)
