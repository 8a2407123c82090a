"""Checkpoints of a running journal: what they cover, who vouches, and that they cost no ack."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sidespand.app.checkpointer import Checkpointer
from sidespand.evidence.note import Signer
from sidespand.journal.store import JournalStore
from sidespand.model import Admitted, Kind, NodeIdentity
from sidespand.telemetry import Telemetry
from tests.checkpoints import checked
from tests.journals import NODE_REF, PEER, content, eventually, opened, records_of, run
from tests.otlp import encoded
from tests.unit.journal.faults import file_size_limit

IDENTITY = NodeIdentity(NODE_REF, "instance-1")
NODE_KEY = Signer.generate("test@host")


class Node:
    """A journal and its checkpointer, without doors."""

    def __init__(self, store: JournalStore, checkpointer: Checkpointer) -> None:
        self.store = store
        self.checkpointer = checkpointer
        self.telemetry = Telemetry()

    async def append(self) -> None:
        """Record one span."""
        await self.store.append(Admitted((content(encoded(1)),)), PEER)

    async def counted(self, *, checkpoints: int | None = None, failures: int | None = None) -> None:
        """Return once there have been so many."""

        def reached() -> bool:
            made, failed, _ = self.figures
            return checkpoints in (None, made) and failures in (None, failed)

        await eventually(reached, f"{checkpoints} checkpoints, {failures} failures")

    @property
    def figures(self) -> tuple[float, float, float]:
        """Checkpoints, failures, and records that are not covered."""
        read = self.telemetry.registry.get_sample_value
        names = ("checkpoints_total", "checkpoint_failures_total", "uncovered_records")
        checkpoints, failures, uncovered = (read(f"sidespan_journal_{name}") for name in names)
        assert checkpoints is not None
        assert failures is not None
        assert uncovered is not None
        return checkpoints, failures, uncovered


@asynccontextmanager
async def working(
    data_dir: Path, interval_s: float, node_key: Signer | None = None
) -> AsyncIterator[Node]:
    """Yield a journal whose commits wake a checkpointer; both end in order."""
    nodes: list[Node] = []
    async with opened(data_dir, lambda _: nodes[0].checkpointer.advance()) as store:
        telemetry = Telemetry()
        node = Node(store, Checkpointer(store, IDENTITY, node_key, telemetry, interval_s))
        node.telemetry = telemetry
        nodes.append(node)
        await node.checkpointer.start()
        yield node
        await node.checkpointer.close()


def test_a_clean_end_is_covered(tmp_path: Path) -> None:
    """The last record is a checkpoint of all before it, by a key that the node's key certifies."""

    async def test() -> None:
        for _ in range(2):
            async with working(tmp_path, 3600.0, NODE_KEY) as node:
                await node.append()

    run(test())
    found = records_of(tmp_path)
    signed = checked(found, NODE_KEY.verifier)

    assert [one.checkpoint.size for one in signed] == [5, 10]
    assert [one.header.kind for one in found] == [
        Kind.LINEAGE, Kind.GEN, Kind.KEY, Kind.SESSION, Kind.SPANS, Kind.CHECKPOINT,
        Kind.GEN, Kind.KEY, Kind.SESSION, Kind.SPANS, Kind.CHECKPOINT,
    ]  # fmt: skip
    keys = {one.key.statement.verifier for one in signed}
    assert len(keys) == 2
    origin = f"test@host/{found[0].header.lineage.hex()}"
    assert {key.name for key in keys} == {origin}


def test_without_a_node_key_the_log_says_so(tmp_path: Path) -> None:
    """Nobody certified the key, and checkpoints are on the log's own word."""

    async def test() -> None:
        async with working(tmp_path, 3600.0):
            pass

    run(test())
    (signed,) = checked(records_of(tmp_path), None)

    assert signed.key.by is None


def test_an_idle_log_stays_as_it_is(tmp_path: Path) -> None:
    """Each checkpoint covers something that is no checkpoint: it never asks for the next one."""

    async def test() -> None:
        async with working(tmp_path, 0.0) as node:
            for number in range(1, 6):
                await node.counted(checkpoints=number)
                await node.append()

    run(test())
    found = records_of(tmp_path)
    sizes = [one.checkpoint.size for one in checked(found, None)]

    assert found[-1].header.kind is Kind.CHECKPOINT
    for earlier, later in zip([0, *sizes], sizes, strict=False):
        covered = {one.header.kind for one in found[earlier:later]}
        assert covered - {Kind.CHECKPOINT}


def test_what_a_checkpoint_does_not_cover_is_counted(tmp_path: Path) -> None:
    """Everything at first, and the newest checkpoint's own record in the end."""

    async def test() -> None:
        async with working(tmp_path, 3600.0) as node:
            await node.append()
            assert node.figures == (0, 0, 5)
            await node.checkpointer.close()
            assert node.figures == (1, 0, 1)

    run(test())


def test_a_burst_shares_one_checkpoint(tmp_path: Path) -> None:
    """Within the interval nothing is signed, however many commits there are."""

    async def test() -> None:
        async with working(tmp_path, 3600.0) as node:
            for _ in range(50):
                await node.append()
            assert node.figures[0] == 0

    run(test())
    assert len(checked(records_of(tmp_path), None)) == 1


class BrokenSigner(Signer):
    """A key that fails while it is told to."""

    broken = True

    def line(self, text: str) -> str:
        """Return the signature line, or fail."""
        if self.broken:
            raise RuntimeError("no entropy")
        return super().line(text)


def test_a_failure_to_sign_harms_no_ack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Records go on to be acked; it is said once, and the next checkpoint covers them."""
    monkeypatch.setattr("sidespand.app.checkpointer.Signer", BrokenSigner)
    monkeypatch.setattr(BrokenSigner, "broken", True)

    async def test() -> None:
        async with working(tmp_path, 0.0) as node:
            for number in range(1, 4):
                await node.counted(failures=number)
                await node.append()
            assert node.figures[0] == 0
            monkeypatch.setattr(BrokenSigner, "broken", False)

    run(test())
    found = records_of(tmp_path)
    (signed,) = checked(found, None)

    assert signed.checkpoint.size == len(found) - 1
    assert [one.message for one in caplog.records].count(
        "no checkpoint could be made: no entropy"
    ) == 1


def test_a_failed_commit_of_a_checkpoint_is_no_storm(tmp_path: Path) -> None:
    """A disk that refuses the record is not asked again until the log has grown."""

    async def test() -> None:
        async with working(tmp_path, 0.05) as node:
            await node.counted(checkpoints=1)
            await node.append()
            with file_size_limit(8192):
                await node.counted(failures=1)
                assert not node.checkpointer.is_due
            await node.append()
            await node.counted(checkpoints=2, failures=1)

    run(test())
    found = records_of(tmp_path)
    assert found[-1].header.kind is Kind.CHECKPOINT
    assert checked(found, None)[-1].checkpoint.size == len(found) - 1
