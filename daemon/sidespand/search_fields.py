"""The fields of the query grammar, what each takes, and the words that some are limited to."""

from typing import Final, NamedTuple


class Field(NamedTuple):
    """One field.

    Args:
        name: As it is written before the colon.
        kind: ``word``, ``number``, ``text``, ``id``, ``choice``, ``time``, ``scope`` or ``order``.
        help: One phrase for people.
    """

    name: str
    kind: str
    help: str


# What a span does in the run of an agent, then OpenTelemetry's kinds of spans.
AI_KINDS: Final = (
    "agent", "workflow", "llm", "embedding", "tool", "retrieval", "rerank", "memory", "plan",
    "guardrail", "eval", "prompt", "decision", "parse", "state", "step",
)  # fmt: skip
SPAN_KINDS: Final = ("internal", "server", "client", "producer", "consumer")
KINDS: Final = (*AI_KINDS, *SPAN_KINDS)
STATUSES: Final = ("ok", "error", "unset", "open", "abandoned")
STATES: Final = ("open", "abandoned", "error", "root")
SCOPES: Final = ("span", "root", "trace", "conversation")
SORTS: Final = ("start", "dur", "tokens", "cost", "spans", "errors", "updated")
HAS: Final = (
    "error", "cost", "tokens", "model", "tool", "agent", "conversation", "user", "prompt.version",
    "correlation", "request", "ttft", "content", "state", "events", "links", "logs", "parent",
)  # fmt: skip
# Fields that are followed by the key of an attribute.
KEYED: Final = ("attr", "resource")

FIELDS: Final = (
    Field("kind", "choice", "what a step is: llm, tool, agent …, or client, server …"),
    Field("model", "word", "the model that answered, or was asked"),
    Field("provider", "word", "who serves the model"),
    Field("name", "word", "name of a span"),
    Field("service", "word", "service.name of the program"),
    Field("agent", "word", "name of the agent"),
    Field("tool", "word", "name of the tool"),
    Field("status", "choice", "ok, error, unset, open or abandoned"),
    Field("error", "word", "type of an error, such as TimeoutError"),
    Field("conversation", "word", "id of the conversation"),
    Field("user", "word", "id of the user"),
    Field("prompt.version", "word", "version of the prompt"),
    Field("correlation", "word", "correlation id"),
    Field("request", "word", "the provider's id of the answer"),
    Field("dur", "number", "duration: >2s, <150ms, >=1m"),
    Field("cost", "number", "US dollars, as reported"),
    Field("tokens.in", "number", "input tokens, cached ones included: >8k"),
    Field("tokens.out", "number", "output tokens, reasoning included"),
    Field("tokens.cached", "number", "input tokens read from a cache"),
    Field("tokens.reasoning", "number", "output tokens that were thought"),
    Field("trace", "id", "id of a trace, or its first digits"),
    Field("span", "id", "id of a span, or its first digits"),
    Field("node", "word", "the node that recorded it"),
    Field("attr", "word", "attr.KEY: an attribute of a span"),
    Field("resource", "word", "resource.KEY: an attribute of the program"),
    Field("text", "text", "words in names, attributes and content"),
    Field("has", "word", "it is there at all: error, cost, state, attr.KEY …"),
    Field("is", "choice", "open, abandoned, error or root"),
    Field("since", "time", "started at or after: 10m, 2h, 2026-11-21T10:00"),
    Field("until", "time", "started before"),
    Field("scope", "scope", "what the terms are asked of: span, root, trace, conversation"),
    Field("sort", "order", "start, dur, tokens, cost, spans, errors, updated; - for descending"),
)
