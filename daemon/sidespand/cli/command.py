"""Chooses the command, and turns how it ended into an exit status."""

import argparse
import importlib
import io
import os
import re
import sys
from typing import Any, NoReturn, Protocol, cast

from sidespand.cli import commands, exits, output
from sidespand.cli.text import columns_shown
from sidespand.errors import NotFound, SidespanError


class UsageError(SidespanError):
    """The arguments make no command."""


class CommandModule(Protocol):
    """What a command's module offers."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the command's arguments."""
        ...

    def run(self, args: argparse.Namespace) -> int:
        """Do it; return the exit status.

        Raises:
            SidespanError: It could not be done; the message was not printed yet.
        """
        ...


_NEGATED = re.compile(r'-(?:[A-Za-z][\w./@$-]*:.+|".*)', re.DOTALL)
_ORDER = re.compile(r"-[a-z][a-z_.]*")
_SESSIONS = ("list", "view", "tail", "stats")


class _Formatter(argparse.HelpFormatter):
    def __init__(self, prog: str) -> None:
        # One is made for each argument; told no width, each loads ``shutil`` to ask the terminal.
        super().__init__(prog, width=columns_shown() - 2)


class _Parser(argparse.ArgumentParser):
    def __init__(self, **given: Any) -> None:
        super().__init__(**{"formatter_class": _Formatter, **given})

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, hint=f"`{self.prog} --help` lists the arguments")


def main(argv: list[str]) -> int:
    """Run one command.

    Args:
        argv: The arguments, without the program's name.

    Returns:
        0 for success, 1 when what was asked for is not recorded or does not hold, 2 for wrong usage
        or an error, 3 for evidence that contradicts itself,
        130 after Ctrl-C, 141 when the reader of our output went away.
    """
    _open_standard_streams()
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal that lacks a character shows its escape instead of ending the command.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        status = _run(argv)
        sys.stdout.flush()
    except NotFound as error:
        output.print_error(error)
        return exits.NOT_FOUND
    except SidespanError as error:
        output.print_error(error)
        return exits.ERROR
    except BrokenPipeError:
        # The interpreter flushes once more as it exits; let that go nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exits.BROKEN_PIPE
    except OSError as error:
        what = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        output.print_error(SidespanError(what))
        return exits.ERROR
    except KeyboardInterrupt:
        return exits.INTERRUPTED
    return status


def _open_standard_streams() -> None:
    # A segment that got one of these numbers would be written to by any library that warns. What
    # our parent closed is /dev/null from here on.
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest number that is free is this one.
            os.open(os.devnull, os.O_RDWR)
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


def _run(argv: list[str]) -> int:
    if not argv:
        raise UsageError("no command was given", hint="`sidespan --help` lists the commands")
    if argv[0] in ("-h", "--help", "help"):
        print("\n".join(commands.overview()))
        return exits.OK
    if argv[0] == "--version":
        from sidespand import __version__

        print(f"sidespan {__version__}")
        return exits.OK
    name, rest, module = _chosen(argv)
    text = commands.SUMMARIES[name]
    parser = _Parser(prog=f"sidespan {name}", description=f"{text}.".capitalize())
    # Only the module of the command that runs is imported.
    chosen = cast("CommandModule", importlib.import_module(f"sidespand.cli.{module}"))
    chosen.add_arguments(parser)
    # Terms of a query may stand between flags, and one with - before it is none.
    with_query = parser.get_default("query_terms") is not None
    parse = parser.parse_intermixed_args if with_query else parser.parse_args
    try:
        args = parse(_told_apart(rest) if with_query else rest)
    except SystemExit:
        # argparse leaves this way after --help, and never otherwise here.
        return exits.OK
    return chosen.run(args)


def _told_apart(words: list[str]) -> list[str]:
    """Return arguments so that argparse takes ``-model:x`` for no flag, nor ``--sort -dur``."""
    found: list[str] = []
    for word in words:
        if found and found[-1] == "--sort" and _ORDER.fullmatch(word):
            found[-1] = f"--sort={word}"
        else:
            # What holds a space is no flag to argparse.
            found.append(f" {word}" if _NEGATED.fullmatch(word) else word)
    return found


def _chosen(argv: list[str]) -> tuple[str, list[str], str]:
    """Return the command, its arguments, and the name of its module."""
    name, rest = argv[0], argv[1:]
    if name == "--dir" or name.startswith("--dir="):
        # The decision tracer's command has it before the subcommand.
        count = 2 if name == "--dir" else 1
        given, name, rest = argv[:count], "".join(argv[count : count + 1]), argv[count + 1 :]
        if name not in _SESSIONS:
            raise UsageError(
                f"--dir goes with {', '.join(_SESSIONS)}",
                hint="`sidespan list --help` tells what it names",
            )
        rest = [*given, *rest]
    if name not in commands.SUMMARIES:
        from difflib import get_close_matches

        near = get_close_matches(name, list(commands.SUMMARIES), 1)
        meant = f", did you mean {near[0]}?" if near else ""
        raise UsageError(
            f"there is no command {name!r}{meant}", hint="`sidespan --help` lists the commands"
        )
    of_sessions = any(one == "--dir" or one.startswith("--dir=") for one in rest)
    if name in _SESSIONS and (of_sessions or name in ("list", "view")):
        return name, rest, f"sessions_{name}"
    return name, rest, name.replace("-", "_")
