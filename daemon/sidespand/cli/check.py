"""``sidespan check``: tells every fault of a configuration file, and changes nothing."""

import argparse
import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from sidespand.cli import exits
from sidespand.cli.output import print_error, print_json, print_note
from sidespand.cli.text import safe
from sidespand.config import Config
from sidespand.config.load import assemble, read
from sidespand.config.variables import references
from sidespand.errors import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("file", metavar="CONFIG", type=Path, help="the configuration file")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Print every fault at once; return 2 when there is one.

    A file that is named but cannot be opened here is a warning, and so is a variable that is not
    set: the configuration may be meant for another machine, or another user.
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
        written = read(path)
    except ConfigError as error:
        found.faults.append(str(error).removeprefix(f"{path}: "))
        return
    unset = dict(_unset(written))
    # What would stand there is not known; its own text stands for it.
    outer = os.environ | {name: f"${{env:{name}}}" for name in unset.values()}
    # The file is judged, not this moment: no flags, no environment but what the file names.
    make = partial(assemble, flags={}, variables={}, outer=outer)
    try:
        _judge_files(make(written, path, sinks=registry.parse), found)
    except ConfigError as error:
        faults = str(error).removeprefix(f"{path}: ").split("\n")
        found.faults.extend(one for one in faults if one.partition(": ")[0] not in unset)
        _remove(written, [one.partition(":")[0] for one in faults])
        # What is left may still say which files are read; where it does not, that is all.
        with contextlib.suppress(ConfigError):
            _judge_files(make(written, path, sinks=lambda _: None), found)
    found.warnings.extend(
        f"{key}: the variable {name} is not set here, and the daemon does not start without it"
        for key, name in unset.items()
    )


def _remove(tree: dict[str, Any], paths: list[str]) -> None:
    """Take keys out of a file's tables; of sinks and tenants the whole table."""
    tree.pop("sinks", None)
    for path in paths:
        names = path.partition("[")[0].split(".")
        if names[:2] == ["receivers", "tenants"]:
            names = names[:3]
        table: Any = tree
        for name in names[:-1]:
            table = table.get(name) if isinstance(table, dict) else None
        if isinstance(table, dict):
            table.pop(names[-1], None)


def _unset(written: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the keys whose variable is not set here, with its name."""
    for key, name, needed in references(written):
        if needed and name not in os.environ:
            yield key, name


def _judge_files(loaded: Config, found: _Found) -> None:
    # What the doors and the daemon's log would read at the start; nothing is written.
    for load in _readers(loaded):
        try:
            load()
        except ConfigError as error:
            away = isinstance(error.__cause__, FileNotFoundError | PermissionError)
            (found.warnings if away else found.faults).extend(str(error).split("\n"))


def _readers(loaded: Config) -> Iterator[Callable[[], object]]:
    if loaded.secret_files:
        from sidespand import scrubbing

        yield from (partial(scrubbing.load, (path,)) for path in loaded.secret_files)
    token_files = [tenant for tenant in loaded.tenants if tenant.token_file is not None]
    if loaded.tls_cert_file is not None or token_files:
        from sidespand.receiver import credentials

        yield partial(credentials.http_tls, loaded)
        yield from (partial(credentials.read_tokens, tenant) for tenant in token_files)
