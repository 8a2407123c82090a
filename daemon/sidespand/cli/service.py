"""What ``install-service`` and ``uninstall-service`` share: the files, and steps that are told."""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sidespand.cli.text import safe
from sidespand.errors import ConfigError, SidespanError

UNIT = "sidespan.service"
# The first line of what we wrote and may replace or remove.
MARK = "# Written by `sidespan install-service`; `systemctl edit sidespan` adds settings of yours."
_CHECKOUT = Path(__file__).parents[3]
_COMMAND_S_MAX = 120


class ServiceFailed(SidespanError):
    """A step of setting up or taking away the service failed; those before it were done."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a service is set up.

    Args:
        root: The directory that stands for ``/``; None for this machine as it runs.
        user: Of this user's service manager rather than the system's.
    """

    root: Path | None
    user: bool

    def path(self, text: str) -> Path:
        """Return an absolute path of the service's machine as one of this machine."""
        return Path(text) if self.root is None else self.root / text.lstrip("/")

    @property
    def unit(self) -> Path:
        """Where the unit is written."""
        if not self.user:
            return self.path(f"/etc/systemd/system/{UNIT}")
        home = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
        return self.path(f"{home}/systemd/user/{UNIT}")

    @property
    def sysusers(self) -> Path:
        """Where systemd-sysusers finds the users."""
        return self.path("/etc/sysusers.d/sidespan.conf")

    @property
    def tmpfiles(self) -> Path:
        """Where systemd-tmpfiles finds the directories."""
        return self.path("/etc/tmpfiles.d/sidespan.conf")

    @property
    def systemctl(self) -> list[str]:
        """The command that speaks to the service manager, or to the files of ``root``."""
        scope = ["--user"] if self.user else []
        return ["systemctl", *scope, *([] if self.root is None else [f"--root={self.root}"])]


def add_place(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that say where."""
    parser.add_argument(
        "--user", action="store_true", help="of your own service manager; needs no root"
    )
    parser.add_argument(
        "--root", metavar="DIR", type=Path, help="in the file tree of an image; nothing is started"
    )
    parser.add_argument("--dry-run", action="store_true", help="say each step, do none")


def place(args: argparse.Namespace) -> Place:
    """Return where, as the arguments have it.

    Raises:
        ConfigError: This user may not, or an image has no such user.
    """
    if args.user and args.root is not None:
        raise ConfigError(
            "--user and --root exclude each other: the users of an image are not there yet",
            hint="leave out one of them",
        )
    root = args.root.resolve() if args.root is not None else None
    if root is None and not args.user and not args.dry_run and os.geteuid():
        raise ConfigError(
            "a service of the system is root's to set up",
            hint="sudo it, or use --user for a service of your own",
        )
    return Place(root, args.user)


class Steps:
    """Does one thing after the other, and says each before it does it.

    Args:
        dry_run: Only say them.
    """

    def __init__(self, *, dry_run: bool) -> None:
        self._dry_run = dry_run

    def do(self, text: str, act: Callable[[], object]) -> None:
        """Say ``text``, then do it.

        Raises:
            ServiceFailed: It cannot be done.
        """
        print(safe(text), flush=True)
        if self._dry_run:
            return
        try:
            act()
        except OSError as error:
            raise ServiceFailed(
                f"{error.filename}: {error.strerror}", hint="mend it and run the same command again"
            ) from error

    def write(self, path: Path, text: str) -> None:
        """Put a text file in place of whatever is there."""
        self.do(f"write {path}", lambda: _write(path, text))

    def remove(self, path: Path) -> None:
        """Remove a file if it is there."""
        if path.exists():
            self.do(f"remove {path}", path.unlink)

    def run(self, command: Sequence[str], *, may_fail: bool = False) -> None:
        """Run a command.

        Raises:
            ServiceFailed: It is not there, or ended with another status than 0.
        """
        self.do(f"run {' '.join(command)}", lambda: _run(command, may_fail=may_fail))


def template(name: str) -> str:
    """Return one of the files that the wheel installs to ``share/sidespan/systemd``.

    Raises:
        ConfigError: It is not there.
    """
    for directory in (_CHECKOUT / "systemd", *_shared()):
        path = directory / name
        if path.is_file():
            return path.read_text(encoding="utf-8")
    raise ConfigError(
        f"share/sidespan/systemd/{name} is missing", hint="install the wheel of sidespan again"
    )


def is_ours(path: Path) -> bool:
    """Tell whether we wrote a file."""
    return path.read_text(encoding="utf-8", errors="replace").startswith(MARK)


def _shared() -> list[Path]:
    from importlib import metadata

    # Where an installer puts shared data is its own affair; it keeps a list of it.
    files = metadata.distribution("sidespan").files or []
    found = [one for one in files if one.name == UNIT and one.parent.name == "systemd"]
    return [Path(str(one.locate())).parent for one in found] + [
        Path(sys.prefix) / "share/sidespan/systemd"
    ]


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o644)


def _run(command: Sequence[str], *, may_fail: bool) -> None:
    try:
        ended = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=_COMMAND_S_MAX, check=False,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise ServiceFailed(
            f"{command[0]} is not there", hint="this machine does not run systemd; `sidespan serve`"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise ServiceFailed(f"{' '.join(command)} took over {_COMMAND_S_MAX} s") from error
    if ended.returncode and not may_fail:
        raise ServiceFailed(
            f"{' '.join(command)}: {ended.stderr.strip() or f'status {ended.returncode}'}",
            hint=f"`journalctl -u {UNIT}` tells more, if the service was started",
        )
