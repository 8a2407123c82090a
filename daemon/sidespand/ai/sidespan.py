"""What our own clients add to OpenTelemetry's conventions: steps that these have no operation for.

Source: client/sidespan/_genai.py.
"""

from dataclasses import replace
from typing import Final

from sidespand.ai.otel import CURRENT

SIDESPAN: Final = replace(
    CURRENT,
    name="sidespan",
    marks=frozenset(("sidespan.kind",)),
    kind=("sidespan.kind",),
    kinds={
        "decision": "decision", "prompt": "prompt", "parse": "parse", "plan": "plan",
        "state": "state", "eval": "eval", "guardrail": "guardrail", "memory": "memory",
        "rerank": "rerank", "workflow": "workflow",
    },
)  # fmt: skip
