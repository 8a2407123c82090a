"""Parsers of single values: from TOML's types, or from the text of a flag or variable. Pure.

Each raises ValueError with what it expected; the caller adds the key.
"""

import grp
import ipaddress
import pwd
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sidespand.config.model import Address
from sidespand.limits import GIB, KIB, MIB

_SIZE = re.compile(r"(\d+)\s*(B|KiB|MiB|GiB)?")
_SIZE_UNITS = {None: 1, "B": 1, "KiB": KIB, "MiB": MIB, "GiB": GIB}
_PERCENT = re.compile(r"(\d{1,3}(?:\.\d+)?)\s*%")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
_DURATION_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_REFERENCE = re.compile(r"[!-~]{1,255}")
_PORT_MAX = 65535
_MODE = re.compile(r"0?[0-7]{3}")
_OWNER_MAY_WRITE = 0o600
# uid_t is 32 bits, of which the last value means none.
_ID_MAX = 2**32 - 2
_ORIGIN = re.compile(r"https?://(?:[a-z0-9._-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::[0-9]{1,5})?")
_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]")


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


def duration_or_off(value: Any) -> float | None:
    """Return seconds, as ``duration_s``; None for ``"off"``."""
    try:
        return None if value == "off" else duration_s(value)
    except ValueError as error:
        raise ValueError(f'{error}, or "off"') from None


def count(value: Any) -> int:
    """Return a whole number, 0 or more."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError("expected a whole number")
    return value


def fraction(value: Any) -> float:
    """Return a part of a whole, below 1.0: ``0.1`` or ``"10%"``."""
    match = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    part = float(match[1]) / 100 if match is not None else value
    if isinstance(part, bool) or not isinstance(part, int | float) or not 0 <= part < 1:
        raise ValueError('expected a part such as "10%" or 0.1, below the whole')
    return float(part)


def boolean(value: Any) -> bool:
    """Return a truth value: TOML's own, or ``"true"`` and ``"false"``."""
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return bool(value == "true")
    raise ValueError("expected true or false")


def absolute_path(value: Any) -> Path:
    """Return an absolute path; ``~`` is the user's home."""
    if not isinstance(value, str | Path) or not str(value) or "\0" in str(value):
        raise ValueError("expected a path")
    try:
        return Path(value).expanduser().absolute()
    except RuntimeError as error:
        raise ValueError("expected a path; that user has no home") from error


def absolute_paths(value: Any) -> tuple[Path, ...]:
    """Return absolute paths: a list, or text with colons between."""
    paths = value.split(":") if isinstance(value, str) else value
    if not isinstance(paths, list):
        raise ValueError('expected a list of paths such as ["/etc/sidespan/secrets/provider"]')
    return tuple(absolute_path(path) for path in paths)


def socket_mode(value: Any) -> int:
    """Return the permissions of a socket: ``"0660"``. A TOML number would be taken for decimal."""
    if not isinstance(value, str) or not _MODE.fullmatch(value):
        raise ValueError('expected a mode in octal, as text such as "0660"')
    mode = int(value, 8)
    if mode & _OWNER_MAY_WRITE != _OWNER_MAY_WRITE:
        raise ValueError("expected a mode that lets the daemon's own user read and write")
    return mode


def user_id(value: Any) -> int:
    """Return a uid: a number, or the name of a user of this host."""
    return _account_id(value, "user", lambda name: pwd.getpwnam(name).pw_uid)


def group_id(value: Any) -> int:
    """Return a gid: a number, or the name of a group of this host."""
    return _account_id(value, "group", lambda name: grp.getgrnam(name).gr_gid)


def _account_id(value: Any, kind: str, find: Callable[[str], int]) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:11])
    if isinstance(value, int) and not isinstance(value, bool):
        if not 0 <= value <= _ID_MAX:
            raise ValueError(f"expected a {kind} id from 0 to {_ID_MAX}")
        return value
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError(f"expected the name or number of a {kind}")
    try:
        return find(value)
    except (KeyError, UnicodeEncodeError):
        raise ValueError(f"expected the name or number of a {kind} of this host") from None


def host_names(value: Any) -> tuple[str, ...]:
    """Return lower-case host names without ports: a list, or text with commas between."""
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, list) or not all(
        isinstance(name, str) and _HOST.fullmatch(name.strip()) for name in names
    ):
        raise ValueError('expected host names without ports, such as ["traces.example"]')
    return tuple(name.strip().lower() for name in names)


def origins(value: Any) -> tuple[str, ...]:
    """Return web origins as browsers write them: a list, or text with commas between."""
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, list) or not all(
        isinstance(name, str) and _ORIGIN.fullmatch(name.strip()) for name in names
    ):
        raise ValueError('expected origins such as ["https://traces.example:8443"]')
    return tuple(name.strip() for name in names)


def node_ref(value: Any) -> str:
    """Return a node reference: 1 to 255 printable ASCII characters without spaces."""
    return _reference(value, "node://worker@host/1")


def node_instance_id(value: Any) -> str:
    """Return what names one installation, or one life, of a node; characters as ``node_ref``."""
    return _reference(value, "0b2a7f0c-6f0e-4f0a-9a53-2f1f3c1f9d11")


def node_role(value: Any) -> str:
    """Return what a node is for; characters as ``node_ref``."""
    return _reference(value, "worker")


def deployment_ref(value: Any) -> str:
    """Return the deployment that a node belongs to; characters as ``node_ref``."""
    return _reference(value, "deployment://shop/production")


def cluster_ref(value: Any) -> str:
    """Return the cluster that a node belongs to; characters as ``node_ref``."""
    return _reference(value, "cluster://eu-1")


def anchor_ref(value: Any) -> str:
    """Return what an export is anchored to; characters as ``node_ref``."""
    return _reference(value, "release://shop/2026-11-21")


def listen_address(value: Any) -> Address | None:
    """Return an address of this host, or None for ``"off"``. Port 0 lets the kernel choose."""
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
    return Address(str(address), int(port))


def _reference(value: Any, example: str) -> str:
    if not isinstance(value, str) or not _REFERENCE.fullmatch(value):
        raise ValueError(
            f'expected 1 to 255 printable ASCII characters without spaces, such as "{example}"'
        )
    return value


def one_of(*choices: str) -> Any:
    """Return a parser that accepts exactly ``choices``."""

    def parse(value: Any) -> str:
        if value not in choices:
            raise ValueError("expected " + " or ".join(f'"{choice}"' for choice in choices))
        return str(value)

    return parse
