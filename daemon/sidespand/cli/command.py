"""Chooses the command, and turns how it ended into an exit status."""

import argparse
import importlib
import io
import os
import sys
from typing import NoReturn, Protocol, cast

from sidespand import __version__
from sidespand.cli import exits, output
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


# Each name is that of its module, too.
_COMMANDS = {
    "serve": "run the daemon in the foreground",
    "demo": "record a small example and show what became of it",
    "status": "say what the store holds and who writes it",
    "ls": "list the newest traces",
    "show": "show a trace as a tree, with each span's stamp",
    "tail": "print the newest spans, and follow them with -f",
    "lineage": "list the log series of the store, and why each began",
    "receipt": "print what the journal can say of a span, a position or a trace",
    "prove": "write a file that shows offline where a record stands in the log",
    "verify": "check a store, a proof bundle or an exported file, offline",
    "compare": "say whether one item was before another, and what that rests on",
    "explain": "say all that the record says of the order of two items",
    "order": "put a trace in an order that the record does not contradict",
    "violations": "list what in the record contradicts its own rules",
    "import": "hand a file of OTLP/JSON lines to the daemon, each line once",
    "deadletter": "list, show, deliver again or drop what sinks refused",
    "redact": "take the content of records out of the node, for good",
    "keys": "make the node's key, or print what others pin to trust it",
    "run": "run a command in a span, and hand it the trace",
    "emit": "record one finished span, and print its traceparent",
    "env": "print the variables that point an SDK at this daemon",
    "check": "check a configuration file",
    "config": "write a configuration file with every key",
}


class _Parser(argparse.ArgumentParser):
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


def _run(argv: list[str]) -> int:
    parser = _Parser(prog="sidespan", description="The flight recorder for AI agents on this node.")
    parser.add_argument("--version", action="version", version=f"sidespan {__version__}")
    subparsers = parser.add_subparsers(metavar="COMMAND", dest="command")
    chosen: CommandModule | None = None
    for name, text in _COMMANDS.items():
        subparser = subparsers.add_parser(name, help=text, description=text)
        # Only the module of the command that runs is imported.
        if argv[:1] == [name]:
            chosen = cast("CommandModule", importlib.import_module(f"sidespand.cli.{name}"))
            chosen.add_arguments(subparser)
    try:
        args = parser.parse_args(argv)
    except SystemExit:
        # argparse leaves this way after --help and --version, and never otherwise here.
        return exits.OK
    if chosen is None:
        parser.error("no command was given")
    return chosen.run(args)
