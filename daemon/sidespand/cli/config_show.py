"""``sidespan config show``: what the daemon would run with, without any secret."""

import argparse
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sidespand import config
from sidespand.cli import exits
from sidespand.cli.output import print_fields, print_json
from sidespand.config import Address, Config
from sidespand.config.load import read
from sidespand.config.variables import references

_REDACTED = "[REDACTED]"
# A sink's options are its own: what may carry a secret is not shown, whoever wrote the sink.
_SECRET_WORDS = ("header", "token", "password", "secret", "key", "credential", "auth")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the action's arguments."""
    parser.add_argument("--config", metavar="FILE", type=Path, help="the configuration file")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Print every key with the value that holds: environment over file over default.

    What comes from ``${env:NAME}`` may be a secret: its name is shown.

    Raises:
        ConfigError: The configuration cannot be used.
    """
    settings = config.load(args.config)
    written = read(settings.source) if settings.source is not None else {}
    document = dict(_values(settings, written))
    if args.json:
        print_json(document)
    else:
        print_fields(
            (path, "-" if value is None else str(value)) for path, value in document.items()
        )
    return exits.OK


def _values(settings: Config, written: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    from sidespand.config.keys import KEYS

    for key in KEYS:
        value = getattr(settings, key.field)
        text = _at(written, key.path)
        if key.variable not in os.environ and any(references(text)):
            yield key.path, text
            continue
        yield key.path, f"{value:04o}" if key.field == "socket_mode" else _plain(value)
    for tenant in settings.tenants:
        for name, value in tenant._asdict().items():
            if name != "name" and value:
                yield f"receivers.tenants.{tenant.name}.{name}", _plain(value)
    for sink in settings.sinks:
        yield f"sinks.{sink.name}.type", sink.type
        if sink.capture is not None:
            yield f"sinks.{sink.name}.capture", str(sink.capture)
        table = written["sinks"][sink.name]
        for name, value in _redacted({one: table[one] for one in sink.options}).items():
            yield f"sinks.{sink.name}.{name}", value


def _at(tree: Any, path: str) -> Any:
    for name in path.split("."):
        tree = tree.get(name) if isinstance(tree, Mapping) else None
    return tree


def _plain(value: Any) -> Any:
    if isinstance(value, Address | Path):
        return str(value)
    return [_plain(one) for one in value] if isinstance(value, tuple) else value


def _redacted(options: Mapping[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for name, value in options.items():
        if _may_be_secret(name):
            shown[name] = _REDACTED
        elif isinstance(value, Mapping):
            shown[name] = _redacted(value)
        else:
            shown[name] = _without_user(value)
    return shown


def _may_be_secret(name: str) -> bool:
    return any(word in name.lower() for word in _SECRET_WORDS)


def _without_user(value: Any) -> Any:
    # A URL may name a user and a password before its host.
    if not isinstance(value, str) or "://" not in value:
        return value
    scheme, _, rest = value.partition("://")
    authority, slash, path = rest.partition("/")
    user, at, host = authority.rpartition("@")
    return f"{scheme}://{_REDACTED if user else ''}{at}{host}{slash}{path}"
