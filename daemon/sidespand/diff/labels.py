"""What people call the part of a value that a path names. Span data: any characters."""

from sidespand.diff.interning import Json

WHOLE = ""
_ROLE_CHARACTERS_MAX = 40
_KEY_CHARACTERS_MAX = 80


def of_member(label: str, key: str) -> str:
    """Return the name of a mapping's member: ``memory.coats``."""
    key = key[:_KEY_CHARACTERS_MAX]
    return f"{label}.{key}" if label else key


def of_element(label: str, index: int, value: Json) -> str:
    """Return the name of a list's element: ``memory[3]``, ``user message 3`` for a message."""
    role = value.get("role") if isinstance(value, dict) else None
    if isinstance(role, str) and role:
        return f"{role[:_ROLE_CHARACTERS_MAX]} message {index}"
    return f"{label}[{index}]"
