"""The ``sidespan`` command: hands over to the CLI that ``sidespan[daemon]`` brings."""

import sys


def main() -> int:
    """Run this process's command line and return its exit code; 2 without the daemon."""
    try:
        from sidespand.cli import main as run

        # The wheel carries the commands; what they need comes with the extra.
        return run(sys.argv[1:])
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        sys.stderr.write(
            f"sidespan: the command needs {missing}, which is not installed; "
            'run: pip install "sidespan[daemon]"\n'
        )
        return 2
