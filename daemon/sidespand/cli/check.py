"""``sidespan check``: tells every fault of a configuration file, and changes nothing."""

import argparse
import tomllib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from sidespand import config
from sidespand.cli import exits
from sidespand.cli.output import print_error, print_json, print_note
from sidespand.cli.text import safe
from sidespand.config import Config, SinkConfig
from sidespand.errors import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("file", metavar="CONFIG", type=Path, help="the configuration file")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Print every fault at once; return 2 when there is one.

    A file that is named but cannot be opened here is a warning: the configuration may be meant for
    another machine, or another user.
    """
    found = _Found([], [])
    _judge(args.file, found)
    if args.json:
        print_json({"file": str(args.file), "ok": not found.faults, **found._asdict()})
    else:
        for warning in found.warnings:
            print_note(warning)
        if found.faults:
            hint = "`sidespan config init -` prints every key with its default"
            print_error(ConfigError("\n".join([f"{args.file}:", *found.faults]), hint=hint))
        else:
            print(f"{safe(str(args.file))}: ok")
    return exits.ERROR if found.faults else exits.OK


class _Found(NamedTuple):
    faults: list[str]
    warnings: list[str]


def _judge(path: Path, found: _Found) -> None:
    from sidespand.sinks import registry

    try:
        # The file is judged, not this moment: no flags, no environment.
        read = config.load(path, environment={})
        sinks = read.sinks
        _judge_files(read, found)
    except ConfigError as error:
        found.faults.extend(str(error).removeprefix(f"{path}: ").split("\n"))
        sinks = tuple(_well_formed_sinks(path))
    try:
        registry.parse(sinks)
    except ConfigError as error:
        found.faults.extend(str(error).split("\n"))


def _judge_files(read: Config, found: _Found) -> None:
    # What the doors and the daemon's log would read at the start; nothing is written.
    for load in _readers(read):
        try:
            load()
        except ConfigError as error:
            away = isinstance(error.__cause__, FileNotFoundError | PermissionError)
            (found.warnings if away else found.faults).extend(str(error).split("\n"))


def _readers(read: Config) -> Iterator[Callable[[], object]]:
    if read.secret_files:
        from sidespand import scrubbing

        yield from (partial(scrubbing.load, (path,)) for path in read.secret_files)
    token_files = [tenant for tenant in read.tenants if tenant.token_file is not None]
    if read.tls_cert_file is not None or token_files:
        from sidespand.receiver import credentials

        yield partial(credentials.http_tls, read)
        yield from (partial(credentials.read_tokens, tenant) for tenant in token_files)


def _well_formed_sinks(path: Path) -> Iterator[SinkConfig]:
    # What is wrong with the others is among the faults that loading found.
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    tables = tree.get("sinks")
    for name, table in tables.items() if isinstance(tables, dict) else ():
        if isinstance(table, dict) and isinstance(table.get("type"), str):
            common = ("type", "required", "capture")
            options = {key: value for key, value in table.items() if key not in common}
            yield SinkConfig(name, table["type"], options)
