"""Opens the store for a command that reads it; whether the daemon runs does not matter."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sidespand.journal.reader import JournalReader


def data_dir(args: argparse.Namespace) -> Path:
    """Return the directory of the store that the arguments name.

    Raises:
        ConfigError: The configuration cannot be used.
    """
    flags = {"data_dir": args.data} if args.data is not None else {}
    if flags and args.config is None:
        # A fault of the daemon's configuration need not stop who names the store.
        return Path(args.data).expanduser().absolute()
    from sidespand.config import load

    return load(args.config, flags).data_dir


class Store:
    """A store under reading.

    Args:
        data_dir: Its directory.
        reader: Open; whoever opened it closes it.
    """

    def __init__(self, data_dir: Path, reader: "JournalReader") -> None:
        self.data_dir = data_dir
        self.reader = reader
        self._node_refs: dict[tuple[bytes, int], str] = {}

    def node_ref(self, lineage: bytes, boot_generation: int) -> str:
        """Return who recorded a generation; empty when its record was trimmed."""
        key = (lineage, boot_generation)
        if key not in self._node_refs:
            body = self.reader.generation(lineage, boot_generation)
            self._node_refs[key] = str(body.get("source_node_ref", ""))
        return self._node_refs[key]


@contextmanager
def opened(args: argparse.Namespace) -> Iterator[Store]:
    """Open the store that the arguments name, and let go of it afterwards.

    Raises:
        ConfigError: The configuration cannot be used.
        StoreUnreadable: There is no store, or it is damaged. Nothing was changed.
        StoreTooNew: A later version wrote it. Nothing was changed.
    """
    from sidespand.journal.reader import JournalReader

    directory = data_dir(args)
    reader = JournalReader(directory)
    try:
        yield Store(directory, reader)
    finally:
        reader.close()
