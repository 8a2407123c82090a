"""The correlation id that callers of Snakepit send, which joins work that shares no trace."""

from collections.abc import Mapping
from typing import Any

from sidespan._propagation import values

CORRELATION_ID = "sidespan.correlation_id"
CORRELATION_HEADER = "x-snakepit-correlation-id"


def correlation(carrier: Mapping[Any, Any]) -> dict[str, object]:
    """Return the correlation id that headers or metadata brought, as an attribute; else nothing.

    Raises:
        Exception: What the carrier raises.
    """
    found = values(carrier, CORRELATION_HEADER)
    return {CORRELATION_ID: found[0]} if found and found[0] else {}
