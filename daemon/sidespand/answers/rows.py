"""What the index answers with, as JSON, where ``index.documents`` alone does not suffice. Pure."""

from collections.abc import Sequence

from sidespand import ai
from sidespand.ai import Ai, Tokens
from sidespand.index.rows import Lag, Skeleton
from sidespand.query.documents import Document


def skeleton_document(skeleton: Skeleton, gaps: Sequence[Document] = ()) -> Document:
    """Return a trace in columns."""
    return {
        "trace_id": skeleton.trace_id.hex(),
        "position": str(skeleton.position),
        "count": len(skeleton.columns["span_id"]),
        "start_ns": str(skeleton.start_ns),
        "end_ns": None if skeleton.end_ns is None else str(skeleton.end_ns),
        "strings": list(skeleton.strings),
        "columns": {name: list(column) for name, column in skeleton.columns.items()},
        "edges": [dict(edge) for edge in skeleton.edges],
        "gaps": list(gaps),
    }


def index_document(lag: Lag) -> Document:
    """Return how far the index is behind the journal."""
    return {"state": lag.state, "lag_ms": round(lag.seconds * 1000), "lag_items": lag.items}


def ai_document(found: Ai | None) -> Document | None:
    """Return what a step of an agent is; null for a span that says nothing of agents."""
    if found is None:
        return None
    return {**ai.document(found), "tokens": (found.tokens or Tokens())._asdict()}
