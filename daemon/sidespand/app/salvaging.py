"""A salvage by a command: it owns the store, repairs it, and has the log tell of what is lost."""

from collections.abc import Iterator
from contextlib import contextmanager

from sidespand.app.housekeeper import retention_of
from sidespand.app.opening import node_identity, open_journal
from sidespand.clock import SystemClock
from sidespand.config import Config
from sidespand.errors import ConfigError
from sidespand.journal.layout import Layout
from sidespand.journal.opening import refuse_copies
from sidespand.journal.upkeep import Upkeep
from sidespand.lock import FileLock
from sidespand.model import Position


@contextmanager
def owned(layout: Layout) -> Iterator[None]:
    """Hold the store's lock, so that no daemon writes it meanwhile.

    Raises:
        InUse: One does.
        StoreUnreadable: It is a backup, or an unfinished copy, which nothing writes to.
        ConfigError: This user may not write there.
    """
    refuse_copies(layout)
    try:
        lock = FileLock(layout.lock_path, f"the store in {layout.root}", "data_dir")
    except OSError as error:
        raise ConfigError(
            f"data_dir: cannot write in {layout.root}: {error.strerror}",
            hint="run it as the user that runs the daemon",
        ) from error
    try:
        yield
    finally:
        lock.release()


async def declare(config: Config) -> Position:
    """Open a repaired store in a generation of its own, and let its log tell of what is lost.

    Returns:
        Where the log ends then. Should this be cut short, the next start does it.

    Raises:
        StoreMoved: The store is a copy, which tells of it once it was started with leave.
        SidespanError: As the store says; what was repaired is.
    """
    clock = SystemClock()
    journal = open_journal(
        config, node_identity(config, clock), clock, committed=lambda _: None, fatal=lambda _: None
    )
    journal.start()
    upkeep = Upkeep(journal, retention_of(config), clock)
    try:
        await upkeep.resume()
        return journal.position
    finally:
        upkeep.close()
        journal.close()
