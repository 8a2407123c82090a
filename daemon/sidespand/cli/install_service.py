"""``sidespan install-service``: writes the unit for this installation, and starts it."""

import argparse
import os
import sys
from pathlib import Path

from sidespand.cli import exits, service
from sidespand.cli.service import MARK, Place, Steps
from sidespand.errors import ConfigError

# What a unit with ProtectHome and PrivateTmp does not see.
_HIDDEN = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")  # noqa: S108
_NEEDS_QUOTES = frozenset(" \t\"'\\%$;")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    service.add_place(parser)
    parser.add_argument(
        "--exec",
        dest="program",
        metavar="PATH",
        type=Path,
        help="the `sidespan` that the service starts; default: this one",
    )
    parser.add_argument("--no-start", action="store_true", help="enable it, but do not start it")
    parser.add_argument(
        "--force", action="store_true", help="replace a unit that another hand wrote"
    )


def run(args: argparse.Namespace) -> int:
    """Write unit, users and directories, then enable and start the service.

    What this command wrote before is replaced; drop-ins and the configuration are left alone.

    Raises:
        ConfigError: It cannot be set up from here. Nothing was changed.
        ServiceFailed: A step failed; those before it were done, and may be done again.
    """
    place = service.place(args)
    program = _program(args.program, place)
    if place.unit.exists() and not service.is_ours(place.unit) and not args.force:
        raise ConfigError(
            f"{place.unit} was not written by this command",
            hint="--force replaces it; a drop-in (`systemctl edit`) outlives that",
        )
    steps = Steps(dry_run=args.dry_run)
    kind = "user/" if place.user else ""
    unit = service.template(f"{kind}{service.UNIT}").replace("/usr/bin/sidespan", program)
    steps.write(place.unit, f"{MARK}\n{unit}")
    if not place.user:
        _make_users(steps, place)
    if place.root is None:
        steps.run([*place.systemctl, "daemon-reload"])
    steps.run([*place.systemctl, "enable", service.UNIT])
    if place.root is None and not args.no_start:
        # One that ran before runs what was written now.
        steps.run([*place.systemctl, "restart", service.UNIT])
    _say_what_next(place)
    return exits.OK


def _make_users(steps: Steps, place: Place) -> None:
    root = [] if place.root is None else [f"--root={place.root}"]
    for path, name in (
        (place.sysusers, "sysusers.d/sidespan.conf"),
        (place.tmpfiles, "tmpfiles.d/sidespan.conf"),
    ):
        steps.write(path, f"{MARK}\n{service.template(name)}")
    steps.run(["systemd-sysusers", *root, "sidespan.conf"])
    steps.run(["systemd-tmpfiles", *root, "--create", "sidespan.conf"])


def _program(named: Path | None, place: Place) -> str:
    """Return ExecStart's program, quoted.

    Raises:
        ConfigError: The service could not start it.
    """
    path = named or Path(sys.argv[0])
    if named is None and (path.name != "sidespan" or not path.is_file()):
        path = Path(sys.executable).with_name("sidespan")
    path = Path(os.path.abspath(path))  # noqa: PTH100 - a link of an environment must stay one.
    here = place.path(str(path)) if named is not None else path
    if not os.access(here, os.X_OK) or not here.is_file():
        raise ConfigError(f"{here} is no program", hint="name one with --exec PATH")
    if not place.user:
        # An environment is but links to the interpreter that it was made with.
        needed = [path] if named is not None else [path, Path(sys.base_prefix)]
        for one in needed:
            hidden = next((top for top in _HIDDEN if one.is_relative_to(top)), None)
            if hidden is not None:
                raise ConfigError(
                    f"{one}: the service does not see {hidden}",
                    hint="install sidespan for everybody, such as into /opt/sidespan with the "
                    "system's python3, and run the command from there; or use --user",
                )
    text = str(path)
    if _NEEDS_QUOTES & set(text) or not text.isprintable():
        raise ConfigError(
            f"{text!r} cannot stand in a unit", hint="install sidespan to a path without spaces"
        )
    return text


def _say_what_next(place: Place) -> None:
    if place.user:
        print("it runs while you are logged in; `loginctl enable-linger` lets it run always")
        return
    print("programs that record need the group: usermod -aG sidespan USER")
    print("people who look need the other one:   usermod -aG sidespan-read USER")
