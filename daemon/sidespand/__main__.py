"""``python -m sidespand``: the worker process, or the command line."""

import sys


def main() -> int:
    """Run what the arguments ask for; return the exit status."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["worker"]:
        from sidespand.app.worker import main as worker

        return worker(arguments[1:])
    from sidespand.cli import main as command

    return command(arguments)


if __name__ == "__main__":
    sys.exit(main())
