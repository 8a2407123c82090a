"""Carriers made of a configuration: by the worker, and by a command where no worker runs."""

import functools
import random
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from pathlib import Path

from sidespand.config import Config
from sidespand.errors import ConfigError
from sidespand.journal.layout import Layout
from sidespand.journal.reader import JournalReader
from sidespand.scrubbing import Secrets
from sidespand.sinks import registry
from sidespand.sinks.carrier import Carrier
from sidespand.sinks.cursor import CursorFile
from sidespand.sinks.dead_letters import FILE_NAME, DeadLetters
from sidespand.sinks.policy import Policy, load_salt
from sidespand.sinks.registry import Plan
from sidespand.sinks.tap import Tap

_CAPTURE_FILE_NAME = "capture"
_CURSOR_FILE_NAME = "cursor.json"
_NO_CONTENT = frozenset({_CAPTURE_FILE_NAME, _CURSOR_FILE_NAME, FILE_NAME})


class Carriers:
    """Makes carriers for one store.

    Args:
        config: Checked.
        reader: Of the journal.
        secrets: What goes nowhere.

    Raises:
        ConfigError: The directory of the sinks cannot be made.
    """

    def __init__(self, config: Config, reader: JournalReader, secrets: Secrets) -> None:
        self.places = _made(Layout(config.data_dir).sinks_dir)
        self.tap = Tap(config.tap_path) if config.tap_path is not None else None
        self._reader = reader
        self._secrets = secrets
        self._salt = load_salt(self.places / "spill.salt")

    def make(self, plan: Plan) -> Carrier:
        """Return a carrier that has not begun; must be called on the event loop that will deliver.

        Raises:
            ConfigError: The sink cannot be made.
        """
        place = self.places / plan.name
        sink = registry.build(plan, place, functools.cache(self._reader.generation))
        _tell_capture(place, plan)
        return Carrier(
            plan.name,
            sink,
            self._reader,
            CursorFile(place / _CURSOR_FILE_NAME),
            uniform=random.uniform,
            wanted=plan.wanted,
            additions=plan.additions,
            policy=Policy(plan.name, plan.capture, self._secrets, self._salt),
            tap=self.tap,
        )

    async def close(self) -> None:
        """Let go of the tap; every carrier is closed already."""
        if self.tap is not None:
            await self.tap.close()


def left_behind(places: Path, names: AbstractSet[str]) -> Iterator[DeadLetters]:
    """Yield the dead letters of sinks that are configured no more.

    Args:
        places: The directory of the sinks' directories.
        names: Of the sinks there are.
    """
    for file in sorted(places.glob(f"*/{FILE_NAME}")):
        if file.parent.name not in names:
            yield DeadLetters(file.parent)


def keeping(places: Path, names: AbstractSet[str]) -> list[str]:
    """Return the sinks that are configured no more and keep files beside their dead letters.

    Their type is unknown here, so nobody erases what was redacted from these.

    Args:
        places: The directory of the sinks' directories.
        names: Of the sinks there are.
    """
    return sorted(
        place.name
        for place in places.iterdir()
        if place.is_dir()
        and place.name not in names
        and any(one.name not in _NO_CONTENT and one.suffix != ".lock" for one in place.iterdir())
    )


def _tell_capture(place: Path, plan: Plan) -> None:
    # For `sidespan status`, which judges by what runs and not by what a file says now.
    try:
        (place / _CAPTURE_FILE_NAME).write_text(plan.capture, encoding="ascii")
    except OSError as error:
        raise ConfigError(f"sinks.{plan.name}: cannot write {place}: {error.strerror}") from error


def _made(directory: Path) -> Path:
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ConfigError(
            f"data_dir: cannot make {directory}: {error.strerror}",
            hint="data_dir must be writable by the user that runs the daemon",
        ) from error
    return directory
