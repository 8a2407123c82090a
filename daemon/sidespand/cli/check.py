"""``sidespan check``: tells every fault of a configuration file, and changes nothing."""

import argparse
import tomllib
from collections.abc import Iterator
from pathlib import Path

from sidespand import config
from sidespand.cli import exits
from sidespand.cli.output import print_error, print_json
from sidespand.cli.text import safe
from sidespand.config import SinkConfig
from sidespand.errors import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("file", metavar="CONFIG", type=Path, help="the configuration file")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Print every fault at once; return 2 when there is one."""
    faults = list(_faults(args.file))
    if args.json:
        print_json({"file": str(args.file), "ok": not faults, "faults": faults})
    elif faults:
        hint = "`sidespan config init -` prints every key with its default"
        print_error(ConfigError("\n".join([f"{args.file}:", *faults]), hint=hint))
    else:
        print(f"{safe(str(args.file))}: ok")
    return exits.ERROR if faults else exits.OK


def _faults(path: Path) -> Iterator[str]:
    from sidespand.sinks import registry

    try:
        # The file is judged, not this moment: no flags, no environment.
        sinks = config.load(path, environment={}).sinks
    except ConfigError as error:
        yield from str(error).removeprefix(f"{path}: ").split("\n")
        sinks = tuple(_well_formed_sinks(path))
    try:
        registry.parse(sinks)
    except ConfigError as error:
        yield from str(error).split("\n")


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
