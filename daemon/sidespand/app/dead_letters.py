"""Dead letters, delivered again: by the worker that has their sink, or where none runs by us."""

from collections.abc import Collection, Sequence
from typing import Any

from sidespand import scrubbing
from sidespand.app.carriers import Carriers
from sidespand.config import Config
from sidespand.errors import InvalidRequest, NotFound
from sidespand.journal.reader import JournalReader
from sidespand.lock import FileLock
from sidespand.model import Delivered, Retry
from sidespand.sinks import registry
from sidespand.sinks.carrier import Carrier
from sidespand.sinks.dead_letters import Key

_REFUSALS_SHOWN_MAX = 20


async def replay(carrier: Carrier, keys: Collection[Key] | None) -> dict[str, Any]:
    """Deliver dead letters once more, oldest first; those that the sink takes are removed.

    Capture level and additions are those of the configuration now. It ends where the sink cannot be
    reached.

    Args:
        carrier: Of the sink.
        keys: Which letters; None for all.

    Returns:
        ``replayed``, ``refused`` and ``without_bytes`` count letters; ``refusals`` has the first
        ones with the sink's reason; ``stopped`` is why it ended early, or None.

    Raises:
        OSError, InUse: The letters that were taken could not be removed: they are there still.
    """
    done: set[Key] = set()
    refusals: list[dict[str, str]] = []
    refused = without_bytes = 0
    stopped = None
    for letter in carrier.dead_letters.letters():
        if keys is not None and letter.key not in keys:
            continue
        if letter.record.payload is None:
            without_bytes += 1
            continue
        outcome = await carrier.replay(letter.record)
        if isinstance(outcome, Retry):
            stopped = outcome.reason
            break
        if isinstance(outcome, Delivered):
            done.add(letter.key)
            continue
        refused += 1
        if len(refusals) < _REFUSALS_SHOWN_MAX:
            refusals.append({"position": str(letter.key), "reason": outcome.reason})
    await carrier.remove_dead_letters(done)
    return {
        "replayed": len(done),
        "refused": refused,
        "without_bytes": without_bytes,
        "refusals": refusals,
        "stopped": stopped,
    }


async def replay_beside(
    carriers: Sequence[Carrier], name: str, keys: Collection[Key] | None
) -> dict[str, Any]:
    """Do it for a sink of a running worker.

    Raises:
        NotFound: It has no such sink.
    """
    for carrier in carriers:
        if carrier.name == name:
            return await replay(carrier, keys)
    raise NotFound(f"no sink {name[:64]!r} is configured", hint="`sidespan status` lists the sinks")


async def replay_alone(config: Config, name: str, keys: Collection[Key] | None) -> dict[str, Any]:
    """Do it for a store whose worker does not run.

    Raises:
        InUse: It runs. Nothing was delivered.
        NotFound: No such sink is configured.
        SidespanError: As the store and the sink say.
    """
    worker = FileLock(
        config.data_dir / "WORKER.lock", f"the cursors in {config.data_dir}", "data_dir"
    )
    try:
        plans = [plan for plan in registry.parse(config.sinks) if plan.name == name]
        reader = JournalReader(config.data_dir)
        try:
            carriers = Carriers(config, reader, scrubbing.load(config.secret_files))
            made = [carriers.make(plan) for plan in plans]
            try:
                return await replay_beside(made, name, keys)
            finally:
                for carrier in made:
                    await carrier.close()
                await carriers.close()
        finally:
            reader.close()
    finally:
        worker.release()


def parse_keys(given: Any) -> frozenset[Key] | None:
    """Return the letters that a request names; None for all.

    Args:
        given: None, or a list of ``[lineage, first_lsn, last_lsn]``, the last two as text.

    Raises:
        InvalidRequest: It is neither.
    """
    if given is None:
        return None
    try:
        return frozenset(Key(str(one[0]), int(one[1]), int(one[2])) for one in given)
    except (ValueError, TypeError, IndexError, KeyError) as error:
        raise InvalidRequest("letters: expected lineage, first and last LSN of each") from error
