"""``sidespan uninstall-service``: takes the systemd service away, and with --purge what it kept."""

import argparse
import os
import shutil
import sys
from functools import partial
from pathlib import Path

from sidespand.cli import exits, service
from sidespand.cli.command import UsageError
from sidespand.cli.output import print_note
from sidespand.cli.service import Place, Steps
from sidespand.errors import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    service.add_place(parser)
    parser.add_argument(
        "--purge", action="store_true", help="remove the store, too, with all that was recorded"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")


def run(args: argparse.Namespace) -> int:
    """Stop and disable the service and remove what ``install-service`` wrote.

    Drop-ins, the configuration and the store stay unless ``--purge`` is given; the user and the
    groups stay in any case, so that no other account ever gets their numbers.

    Raises:
        ConfigError: The unit is not ours to remove. Nothing was changed.
        ServiceFailed: A step failed; those before it were done, and may be done again.
    """
    place = service.place(args)
    if place.unit.exists() and not service.is_ours(place.unit):
        raise ConfigError(
            f"{place.unit} was not written by `sidespan install-service`",
            hint="remove it as it was installed, such as with the package manager",
        )
    kept = [path for path in _kept(place) if path.exists() or path.is_symlink()]
    if args.purge and kept and not (args.dry_run or args.yes) and not _confirmed(kept):
        print_note("nothing was changed")
        return exits.OK
    steps = Steps(dry_run=args.dry_run)
    if place.unit.exists():
        now = ["--now"] if place.root is None else []
        steps.run([*place.systemctl, "disable", *now, service.UNIT])
    steps.remove(place.unit)
    if not place.user:
        steps.remove(place.sysusers)
        steps.remove(place.tmpfiles)
    if place.root is None:
        steps.run([*place.systemctl, "daemon-reload"])
        # A unit that failed before it was removed is remembered until then.
        steps.run([*place.systemctl, "reset-failed", service.UNIT], may_fail=True)
    if args.purge:
        for path in kept:
            steps.do(f"remove {path} and all below it", partial(_remove, path))
    elif kept:
        print(f"kept: {', '.join(map(str, kept))}; --purge removes them")
    return exits.OK


def _kept(place: Place) -> list[Path]:
    """Return what a service keeps where it does by default; a store elsewhere is never touched."""
    drop_ins = place.unit.with_name(f"{service.UNIT}.d")
    if not place.user:
        names = (
            "/etc/sidespan", "/run/sidespan", "/var/lib/sidespan", "/var/lib/private/sidespan",
            "/var/lib/sidespan-anchor", "/var/lib/private/sidespan-anchor",
        )  # fmt: skip
        return [drop_ins, *map(place.path, names)]
    from sidespand.config.keys import default_data_dir, default_runtime_dir

    # The user's own places, also where the command is run by sudo's or a service's environment.
    environment = {key: value for key, value in os.environ.items() if "DIRECTORY" not in key}
    config = Path(environment.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "sidespan"
    paths = (config, default_runtime_dir(environment), default_data_dir(environment))
    return [drop_ins, *(place.path(str(path)) for path in paths)]


def _confirmed(kept: list[Path]) -> bool:
    for path in kept:
        print(path)
    if not sys.stdin.isatty():
        raise UsageError("nobody is there to ask", hint="--yes removes without asking")
    print("remove that with all that was recorded, for good? [y/N] ", end="", flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _remove(path: Path) -> None:
    # With a dynamic user it is a link.
    if path.is_symlink():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)
