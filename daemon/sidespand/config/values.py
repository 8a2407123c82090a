"""Parsers of single values: from TOML's types, or from the text of a flag or variable. Pure.

Each raises ValueError with what it expected; the caller adds the key.
"""

import ipaddress
import re
from pathlib import Path
from typing import Any

from sidespand.config.model import Address
from sidespand.limits import GIB, KIB, MIB

_SIZE = re.compile(r"(\d+)\s*(B|KiB|MiB|GiB)?")
_SIZE_UNITS = {None: 1, "B": 1, "KiB": KIB, "MiB": MIB, "GiB": GIB}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
_DURATION_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_NODE_REF = re.compile(r"[!-~]{1,255}")
_PORT_MAX = 65535


def size_bytes(value: Any) -> int:
    """Return a byte count: ``67108864`` or ``"64MiB"``."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError('expected a size such as "64MiB" or a number of bytes')
    return int(match[1]) * _SIZE_UNITS[match[2]]


def duration_s(value: Any) -> float:
    """Return seconds: ``"500ms"``, ``"90s"``, ``"1h"``."""
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError('expected a duration such as "500ms", "90s" or "1h"')
    return float(match[1]) * _DURATION_UNITS[match[2]]


def boolean(value: Any) -> bool:
    """Return a truth value: TOML's own, or ``"true"`` and ``"false"``."""
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return bool(value == "true")
    raise ValueError("expected true or false")


def directory(value: Any) -> Path:
    """Return an absolute path; ``~`` is the user's home."""
    if not isinstance(value, str | Path) or not str(value) or "\0" in str(value):
        raise ValueError("expected a path")
    try:
        return Path(value).expanduser().absolute()
    except RuntimeError as error:
        raise ValueError("expected a path; that user has no home") from error


def node_ref(value: Any) -> str:
    """Return a node reference: 1 to 255 printable ASCII characters without spaces."""
    if not isinstance(value, str) or not _NODE_REF.fullmatch(value):
        raise ValueError('expected 1 to 255 printable characters, such as "node://worker@host/1"')
    return value


def listen_address(value: Any) -> Address | None:
    """Return a loopback address, or None for ``"off"``. Port 0 lets the kernel choose."""
    expected = 'expected "off" or an address such as "127.0.0.1:4317"'
    if value == "off":
        return None
    if not isinstance(value, str):
        raise ValueError(expected)
    host, colon, port = value.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > _PORT_MAX:
        raise ValueError(expected)
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host.strip("[]"))
    except ValueError:
        raise ValueError(expected) from None
    if not address.is_loopback:
        raise ValueError(
            "other addresses than loopback need authentication, which this version does not have"
        )
    return Address(str(address), int(port))


def one_of(*choices: str) -> Any:
    """Return a parser that accepts exactly ``choices``."""

    def parse(value: Any) -> str:
        if value not in choices:
            raise ValueError("expected " + " or ".join(f'"{choice}"' for choice in choices))
        return str(value)

    return parse
