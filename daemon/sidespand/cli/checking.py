"""Checks a copy of a store as ``sidespan verify`` does, in a child that damage may end."""

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from sidespand.errors import SidespanError

if TYPE_CHECKING:
    from sidespand.journal.layout import Layout
    from sidespand.model import Position


def check(target: "Layout") -> list[dict[str, Any]]:
    """Return the findings of ``verify``.

    Raises:
        SidespanError: It could not be checked at all.
    """
    command = [sys.executable, "-m", "sidespand", "verify", "--json", str(target.root)]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    try:
        findings: list[dict[str, Any]] = json.loads(done.stdout)["findings"]
    except ValueError as error:
        raise SidespanError(
            f"{target.root}: the copy cannot be checked: {done.stderr.strip()}",
            hint="run the same command once more",
        ) from error
    return findings


def end(target: "Layout") -> "Position | None":
    """Return where the log of a copy ends; None where that cannot be told."""
    from sidespand.journal.reader import JournalReader

    reader = JournalReader(target.root)
    try:
        return reader.tail()
    except SidespanError:
        return None
    finally:
        reader.close()
