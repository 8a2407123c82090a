"""The keys that every type of sink takes: which items it gets, and what is added to them."""

from collections.abc import Mapping
from typing import Any, Final

from sidespand import filters
from sidespand.filters import Filter
from sidespand.limits import RESOURCE_ADDITION_BYTES_MAX, RESOURCE_ADDITIONS_MAX
from sidespand.sinks.resources import Additions, Scalar
from sidespand.sinks.spec import Option

_OWN_PREFIX = "sidespan."


def parse_filter(value: Any) -> Filter:
    """Return a filter.

    Raises:
        ValueError: It is none; the message says where.
    """
    if not isinstance(value, str):
        raise ValueError('expected text such as \'service == "shop" and status == "error"\'')
    return filters.parse(value)


def parse_additions(value: Any) -> Additions:
    """Return attributes for every resource.

    Raises:
        ValueError: It is no table of texts, numbers and truth values, or over a limit.
    """
    if not isinstance(value, Mapping) or not 1 <= len(value) <= RESOURCE_ADDITIONS_MAX:
        raise ValueError(
            'expected a table such as {"deployment.environment.name" = "production"},'
            f" of at most {RESOURCE_ADDITIONS_MAX}"
        )
    found: dict[str, Scalar] = {}
    for key, one in value.items():
        if key.startswith(_OWN_PREFIX) or not key:
            raise ValueError(f"{key!r} is not for configurations")
        if not isinstance(one, (str, bool, int, float)):
            raise ValueError(f"{key!r}: expected text, a number, true or false")
        if isinstance(one, int) and not -(2**63) <= one < 2**63:
            raise ValueError(f"{key!r}: OTLP's integers have 64 bits")
        if len(key.encode()) + len(str(one).encode()) > RESOURCE_ADDITION_BYTES_MAX:
            raise ValueError(f"{key!r}: over {RESOURCE_ADDITION_BYTES_MAX} bytes")
        found[key] = one
    return Additions(found)


SHARED: Final[Mapping[str, Option]] = {
    "filter": Option(parse_filter),
    "resource": Option(parse_additions),
}
