"""The command line. Importing it is cheap: each command's modules load when it runs."""

from sidespand.cli.command import main

__all__ = ["main"]
