"""The ``sidespan`` command: two commands of the client's own, and those of ``sidespan[daemon]``."""

import sys

# For these the standard library is enough, with or without the daemon beside it.
_OWN = {"run": "sidespan._run_command", "emit": "sidespan._emit_command"}


def main() -> int:
    """Run this process's command line and return its exit code; 2 when the command is not there."""
    argv = sys.argv[1:]
    if argv[:1] and argv[0] in _OWN:
        return _run_own(argv[0], argv[1:])
    try:
        from sidespand.cli import main as run

        # The wheel carries the commands; what they need comes with the extra.
        return run(argv)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        sys.stderr.write(
            f"sidespan: the command needs {missing}, which is not installed; "
            'run: pip install "sidespan[daemon]" (`sidespan run` and `emit` work without)\n'
        )
        return 2


def _run_own(name: str, argv: list[str]) -> int:
    from argparse import ArgumentParser
    from importlib import import_module

    command = import_module(_OWN[name])
    parser = ArgumentParser(prog=f"sidespan {name}", description=f"{command.HELP}.".capitalize())
    command.add_arguments(parser)
    try:
        status: int = command.run(parser.parse_args(argv))
    except SystemExit as left:
        # argparse leaves this way, after --help with 0.
        return left.code if isinstance(left.code, int) else 2
    return status
