"""Arguments that several commands share."""

import argparse
from collections.abc import Callable
from pathlib import Path

_COUNT_MAX = 10_000


def add_store(parser: argparse.ArgumentParser) -> None:
    """Add what every reading command takes."""
    parser.add_argument("--data", metavar="DIR", help="the store; default: data_dir of the config")
    parser.add_argument("--config", metavar="FILE", type=Path, help="the configuration file")
    parser.add_argument("--json", action="store_true", help="print JSON")


def add_utc(parser: argparse.ArgumentParser) -> None:
    """Add the choice between local time and UTC."""
    parser.add_argument("--utc", action="store_true", help="print times in UTC")


def add_all(parser: argparse.ArgumentParser) -> None:
    """Add the way around the bounds of a search."""
    parser.add_argument("--all", action="store_true", help="read the whole journal in any case")


def count_from(least: int) -> Callable[[str], int]:
    """Return a parser of counts that are ``least`` or more, and bounded."""

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and least <= int(text[:9]) <= _COUNT_MAX):
            raise argparse.ArgumentTypeError(f"expected a number from {least} to {_COUNT_MAX}")
        return int(text)

    return parse
