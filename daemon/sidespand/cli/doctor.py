"""``sidespan doctor``: looks at everything that can be wrong, and says what mends it."""

import argparse
import sys
from collections.abc import Iterator

from sidespand import __version__
from sidespand.cli import exits
from sidespand.cli.findings import Finding, Patient, State
from sidespand.cli.output import print_json
from sidespand.cli.text import Screen, safe
from sidespand.config import load
from sidespand.errors import ConfigError

_MARKS = {State.GOOD: "ok", State.NOTE: "note", State.BAD: "WRONG"}
_MARK_COLUMNS = 6
_NAME_COLUMNS = 12
_TEXT_CHARACTERS_MAX = 500


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--data", metavar="DIR", help="the store; default: data_dir of the config")
    parser.add_argument("--run", metavar="DIR", help="the sockets; default: runtime_dir")
    parser.add_argument("--config", metavar="FILE", help="the configuration file")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Print what was found; return 1 when something is wrong."""
    if args.json:
        findings = list(_findings(args))
        wrong = any(one.state is State.BAD for one in findings)
        print_json({"ok": not wrong, "checks": [one.document() for one in findings]})
    else:
        wrong = _print(_findings(args))
    return exits.WRONG if wrong else exits.OK


def _findings(args: argparse.Namespace) -> Iterator[Finding]:
    from pathlib import Path

    python = ".".join(map(str, sys.version_info[:3]))
    yield Finding("version", State.GOOD, f"Sidespan {__version__} on Python {python}")
    given = {"data_dir": args.data, "runtime_dir": args.run}
    flags = {name: value for name, value in given.items() if value is not None}
    path = Path(args.config) if args.config is not None else None
    try:
        config = load(path, flags)
    except ConfigError as error:
        named = args.config or "FILE"
        yield Finding("config", State.BAD, str(error), f"sidespan check {named}")
        return
    source = str(config.source) if config.source is not None else "defaults: there is no file"
    yield Finding("config", State.GOOD, source)
    # What they need takes longer to load than to print what was found so far.
    from sidespand.cli import doctor_daemon, doctor_record, doctor_store

    patient = Patient(config)
    yield from doctor_daemon.findings(patient)
    yield from doctor_store.findings(patient)
    yield from doctor_record.findings(patient)


def _print(findings: Iterator[Finding]) -> bool:
    """Print each as it is found; return whether one is bad."""
    wrong = False
    screen = Screen()
    colours = {State.GOOD: screen.green, State.NOTE: screen.dim, State.BAD: screen.red}
    for one in findings:
        mark = colours[one.state](f"{_MARKS[one.state]:<{_MARK_COLUMNS}}")
        text = safe(one.text.replace("\n", "; "), _TEXT_CHARACTERS_MAX)
        wrong |= one.state is State.BAD
        # Some looks take seconds.
        print(f"{mark}{one.name:<{_NAME_COLUMNS}}{text}", flush=True)
        if one.next:
            print(f"{'':<{_MARK_COLUMNS + _NAME_COLUMNS}}→ {safe(one.next, _TEXT_CHARACTERS_MAX)}")
    return wrong
