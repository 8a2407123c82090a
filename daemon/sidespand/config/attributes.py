"""Keys of a house's own attributes, by the field of a search that they fill. Pure."""

from collections.abc import Mapping
from typing import Any

from sidespand.limits import INDEX_KEYS_MAX

_KEY_CHARACTERS_MAX = 256


def attribute_keys(value: Any) -> dict[str, tuple[str, ...]]:
    """Return keys by field: of a table, or of text such as ``user=acme.user;cost=acme.usd,usd``.

    Raises:
        ValueError: It is neither, or names a field that there is not.
    """
    # The rules of a dozen dialects hang on it, and few configurations ask.
    from sidespand.ai import MAPPABLE

    table = _flat(value) if isinstance(value, Mapping) else _parsed(value)
    found: dict[str, tuple[str, ...]] = {}
    for field, keys in table.items():
        if field not in MAPPABLE:
            raise ValueError(f"{field[:32]!r} is none of {', '.join(MAPPABLE)}")
        listed = [keys] if isinstance(keys, str) else keys
        if not isinstance(listed, list) or not 1 <= len(listed) <= INDEX_KEYS_MAX:
            raise ValueError(f"{field}: expected 1 to {INDEX_KEYS_MAX} keys of attributes")
        for key in listed:
            if not isinstance(key, str) or not 1 <= len(key) <= _KEY_CHARACTERS_MAX:
                raise ValueError(f"{field}: a key is text of 1 to {_KEY_CHARACTERS_MAX} characters")
        found[field] = tuple(listed)
    return found


def _flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    # In TOML tokens.in is a table in a table unless it stands in quotation marks.
    flat: dict[str, Any] = {}
    for name, value in table.items():
        if isinstance(value, Mapping):
            flat.update(_flat(value, f"{prefix}{name}."))
        else:
            flat[prefix + name] = value
    return flat


def _parsed(text: Any) -> dict[str, Any]:
    if not isinstance(text, str):
        raise ValueError('expected a table such as { conversation = ["acme.chat_id"] }')
    found: dict[str, Any] = {}
    for part in filter(None, (one.strip() for one in text.split(";"))):
        field, equals, keys = part.partition("=")
        if not equals:
            raise ValueError("expected text such as user=acme.user;conversation=acme.chat_id")
        found[field.strip()] = [key.strip() for key in keys.split(",")]
    if not found:
        raise ValueError("expected text such as user=acme.user;conversation=acme.chat_id")
    return found
