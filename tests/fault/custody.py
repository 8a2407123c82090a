"""A salvage, backup or restore in a process of its own: ``salvage STORE``, ``backup STORE DIR``.

``python -m tests.fault.custody damage STORE`` makes a store of several segments whose end is
damaged, ``… fill STORE`` the same without the damage.
"""

import sys
from pathlib import Path

from sidespand.journal import backup, salvage
from sidespand.journal.layout import Layout
from tests.unit.journal import damaging
from tests.unit.journal.lives import segment_files
from tests.unit.journal.upkeeping import kept

REQUESTS = 7


def fill(data_dir: Path) -> None:
    """Make a store of three segments."""
    with kept(data_dir) as store:
        store.fill(REQUESTS)


def damage(data_dir: Path) -> None:
    """Make one whose second and last segments are damaged."""
    fill(data_dir)
    for path in segment_files(data_dir)[1:]:
        damaging.overwrite(path, damaging.pages_by_kind(path)["overflow"][0], b"\xff" * 64)
        damaging.flip(path, damaging.pages_by_kind(path)["data"][0] * damaging.PAGE_BYTES)


def nothing(_name: str, _size_bytes: int) -> None:
    """Take no notice."""


def main(what: str, *places: str) -> None:
    """Do one of them, and say when it is done."""
    layouts = [Layout(Path(place)) for place in places]
    if what == "fill":
        fill(layouts[0].root)
    elif what == "damage":
        damage(layouts[0].root)
    elif what == "salvage":
        salvage.salvage(layouts[0], salvage.survey(layouts[0]))
    else:
        copy = backup.back_up if what == "backup" else backup.restore
        copy(*layouts, nothing)
        backup.finish(layouts[1])
    print("done", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
