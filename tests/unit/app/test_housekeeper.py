"""When the recorder looks at its store."""

import os
from pathlib import Path

import pytest

from sidespand.app import housekeeper
from sidespand.app.housekeeper import Housekeeper
from sidespand.clock import SystemClock
from sidespand.config import load
from sidespand.journal.store import JournalStore
from sidespand.limits import MIB
from sidespand.model import Admitted, Content, Kind
from sidespand.telemetry import Telemetry
from tests.journals import PEER, eventually, opened, run

SEGMENTS = 12


@pytest.mark.slow
def test_a_segment_that_begins_has_the_store_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not grow until the next look in turn, which here would be in an hour."""
    monkeypatch.setattr(housekeeper, "UPKEEP_S", 3600.0)
    file = tmp_path / "sidespan.toml"
    file.write_text(
        '[journal]\nsegment_bytes = "1MiB"\nretention_bytes = "4MiB"\ndisk_free_min = 0.0\n'
    )
    data_dir = tmp_path / "data"
    config = load(file, {"data_dir": str(data_dir)})
    keepers: list[Housekeeper] = []

    async def fill(store: JournalStore) -> None:
        lived = {store.segments[-1]}
        while len(lived) < SEGMENTS:
            content = Content(Kind.SPANS, os.urandom(MIB // 3), 1)
            await store.append(Admitted((content,)), PEER)
            lived.add(store.segments[-1])
            await eventually(lambda: len(store.segments) <= 4, "the store to fit")

    async def test() -> None:
        async with opened(data_dir, lambda _: [one.advance() for one in keepers]) as store:
            keeper = Housekeeper(store, config, SystemClock(), Telemetry())
            keepers.append(keeper)
            await keeper.start()
            try:
                await fill(store)
            finally:
                await keeper.close()

    run(test())
