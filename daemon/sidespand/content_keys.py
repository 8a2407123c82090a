"""Which attributes, by their keys, hold what people and models said rather than facts about it.

Prompts, completions, arguments and results of tools, retrieved documents and texts of errors are
content; names of models, counts of tokens, roles, ids and reasons to stop are not. A family of keys
that carries content is content as a whole, but for the members that are known not to be: a key that
a later version of an emitter adds to it is left out rather than kept.
Sources: OpenTelemetry GenAI semantic conventions up to 1.41 and their successor repository,
    openinference-semantic-conventions 0.1.42, opentelemetry-semantic-conventions-ai 0.5.1
    (Traceloop), AgentTrace, Vercel AI SDK 6, Langfuse 5, Logfire and pydantic-ai, MLflow.
"""

import re
from functools import lru_cache
from typing import Final

_INDEX = r"\.\d+"
# Facts about a message or about a call in it, which stay.
_MESSAGE_FACTS = (
    rf"(?:message\.)?(?:(?:contents|tool_calls){_INDEX}\.)?(?:message_content\.|tool_call\.)?"
    r"(?:function\.)?(?:role|name|id|type|tool_call_id|finish_reason)"
)
_CONTENT: Final = re.compile(
    "|".join(
        (
            # GenAI
            r"gen_ai\.(?:input|output)\.messages",
            r"gen_ai\.system_instructions",
            r"gen_ai\.tool\.(?:definitions|message|call\.(?:arguments|result))",
            r"gen_ai\.(?:prompt|completion|event\.content)",
            rf"gen_ai\.(?:prompt|completion){_INDEX}(?!\.{_MESSAGE_FACTS}$)(?:\..*)?",
            r"gen_ai\.prompt\.variable\..*",
            r"gen_ai\.retrieval\.(?:documents|query\.text)(?:\..*)?",
            r"gen_ai\.memory\.(?:content|query|records?|value)(?:\..*)?",
            r"gen_ai\.evaluation\.explanation",
            r"gen_ai\.content\..*",
            r"mcp\.request\.argument(?:s|\..*)?",
            # OpenInference
            r"(?:input|output)\.value",
            rf"llm\.(?:input|output)_messages{_INDEX}(?!\.{_MESSAGE_FACTS}$)(?:\..*)?",
            r"llm\.(?:input|output)_messages",
            r"llm\.(?:prompts|completions|choices|tools|function_call)(?:\..*)?",
            r"llm\.prompt_template\.(?:template|variables)(?:\..*)?",
            r"retrieval\.documents(?:\..*)?",
            r"reranker\.(?:query|input_documents|output_documents)(?:\..*)?",
            r"embedding\.(?:text|vector|embeddings(?:\..*)?)",
            r"tool\.(?:parameters|json_schema|description)",
            r"tool_call\.function\.arguments(?:\..*)?",
            r"message\.contents?(?:\..*)?",
            r"message_content\.(?:text|image|audio)(?:\..*)?",
            r"document\.(?:content|metadata)",
            r"(?:image|audio)\.(?:url|transcript)",
            # Traceloop
            r"traceloop\.entity\.(?:input|output)",
            r"traceloop\.prompt\.template(?:_variables)?(?:\..*)?",
            rf"llm\.request\.functions{_INDEX}\.(?!name$).*",
            r"llm\.headers",
            # AgentTrace
            r"(?:agenttrace\.|run\.|span\.)?(?:input_data|output_data)(?:\..*)?",
            # Vercel AI SDK
            r"ai\.prompt(?:\..*)?",
            r"ai\.(?:response|result)\.(?:text|object|toolCalls|reasoning|files)(?:\..*)?",
            r"ai\.toolCall\.(?:args|result|input|output)",
            r"ai\.(?:values?|embeddings?|schema|documents|ranking)(?:\..*)?",
            # Langfuse
            r"langfuse\.(?:observation|trace)\.(?:input|output)(?:\..*)?",
            # Logfire and pydantic-ai
            r"pydantic_ai\.(?:all_messages|new_messages|variable.*)",
            r"all_messages_events|final_result|model_request_parameters|logfire\.msg",
            r"tool_(?:arguments|response|result)|(?:request|response)_data",
            # MLflow
            r"mlflow\.span(?:Inputs|Outputs)",
            # Bodies and the texts of errors, wherever they come from
            r"(?:prompt|completion|messages?|content|body)",
            r"http\.(?:request|response)\.body(?:\.content)?",
            r"exception\.(?:message|stacktrace)|error\.message",
        )
    ),
    re.DOTALL | re.IGNORECASE,
)
_CONTENT_EVENT: Final = re.compile(
    r"gen_ai\.(?:system|user|assistant|tool)\.message|gen_ai\.choice"
    r"|(?:gen_ai|llm)\.content\..*",
    re.DOTALL | re.IGNORECASE,
)
# Longer keys are not remembered: peers choose them.
_REMEMBERED_CHARACTERS_MAX = 128


def is_content_key(key: str) -> bool:
    """Tell whether the value of an attribute with this key, in any case, is content."""
    if len(key) > _REMEMBERED_CHARACTERS_MAX:
        return _CONTENT.fullmatch(key) is not None
    return _is_content_key(key)


def is_content_event(name: str) -> bool:
    """Tell whether an event of this name exists to carry content.

    Its attributes outside ``gen_ai.`` are content then, whatever they are called.
    """
    return _CONTENT_EVENT.fullmatch(name) is not None


@lru_cache(maxsize=4096)
def _is_content_key(key: str) -> bool:
    return _CONTENT.fullmatch(key) is not None
