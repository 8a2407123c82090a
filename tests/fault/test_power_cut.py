"""Promise 1: a power cut takes nothing back that was acked, on the file systems that we name.

The file system is told to forget all that was not flushed (ioctl_xfs_goingdown(2), which ext4 has
too), in the middle of commits, rolls and trims; then it is mounted as after a boot.
"""

import random
from collections.abc import Mapping
from pathlib import Path

import pytest

from sidespand.journal.layout import Layout
from tests.daemon import Daemon, wait_until
from tests.disks import formatted
from tests.fault.examine import examining
from tests.fault.load import Load, stop, wait_for_acks
from tests.fault.power import ATTRIBUTES, CONFIG, TRIMMING, eatmydata, end
from tests.results import counted

pytestmark = pytest.mark.slow

CLIENTS = 3
TRIM_S_MAX = 20.0


def wait_for_trim(data_dir: Path) -> None:
    """Return as soon as the oldest segment of a running store is no longer there."""
    layout = Layout(data_dir)
    oldest = next(iter(layout.segments()))
    wait_until(lambda: not layout.path(oldest).exists(), TRIM_S_MAX, "a trim")


def _has_what_is_registered(layout: Layout) -> bool:
    manifest = layout.read_manifest()
    return manifest is not None and tuple(layout.segments()) == manifest.segments


def cut_lives(
    root: Path,
    kind: str,
    cuts: int,
    config: str,
    environment: Mapping[str, str] | None = None,
) -> tuple[dict[bytes, int], list[str]]:
    """Let lives end by power cuts under load; return what was acked, and what is violated."""
    rng = random.Random(20261121)
    with formatted(root / "data", kind) as volume, examining() as examiner:
        daemon = Daemon(root, config=config, environment=environment)
        loads = [Load(daemon.ingest, attributes=ATTRIBUTES) for _ in range(CLIENTS)]
        for load in loads:
            load.start()
        try:
            for _ in range(cuts):
                daemon.start()
                if config is TRIMMING:
                    wait_for_trim(volume.place)
                else:
                    wait_for_acks(loads, rng.randint(1, 120))
                volume.cut_power()
                end(daemon)
                volume.start_again()
        finally:
            acked = stop(loads)
            end(daemon)
        found = examiner.examine(volume.place, acked)
        layout = Layout(volume.place)
        if not found:
            # A file whose removal the cut took back goes at the next start.
            daemon.start()
            wait_until(lambda: _has_what_is_registered(layout), TRIM_S_MAX, "removals to be final")
            end(daemon)
    return acked, found


@pytest.mark.fault(3, 5)
@pytest.mark.parametrize("kind", ["ext4", "xfs"])
@pytest.mark.parametrize("cuts", [3, pytest.param(20, marks=pytest.mark.long)])
def test_a_power_cut_takes_back_nothing_that_was_acked(
    tmp_path: Path, kind: str, cuts: int
) -> None:
    """After each cut the daemon starts by itself; each acked span is there once, at its LSN."""
    acked, found = cut_lives(tmp_path, kind, cuts, CONFIG)
    assert found == []
    assert len(acked) > cuts
    counted(f"power cuts on {kind}", cuts=cuts, acked_spans=len(acked), violations=len(found))


@pytest.mark.fault(3, 6)
@pytest.mark.parametrize("kind", ["ext4", "xfs"])
@pytest.mark.parametrize("cuts", [1, pytest.param(20, marks=pytest.mark.long)])
def test_a_power_cut_while_trimming_brings_no_segment_back(
    tmp_path: Path, kind: str, cuts: int
) -> None:
    """What was trimmed stays gone, or is removed at the next start; what was not is whole."""
    acked, found = cut_lives(tmp_path, kind, cuts, TRIMMING)
    assert found == []
    counted(f"power cuts while trimming on {kind}", cuts=cuts, acked_spans=len(acked), violations=0)


@pytest.mark.fault(3)
@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_without_fsync_a_power_cut_loses_what_was_acked(tmp_path: Path, kind: str) -> None:
    """The harness can fail: journal.durability none, which promises nothing, keeps nothing."""
    acked, found = cut_lives(tmp_path, kind, 1, CONFIG + 'durability = "none"\n')
    assert acked
    assert found != []


@pytest.mark.fault(3)
@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_when_flushes_do_nothing_a_power_cut_loses_what_was_acked(
    tmp_path: Path, kind: str
) -> None:
    """The harness can fail: under eatmydata, which swallows every flush, acks mean nothing."""
    acked, found = cut_lives(tmp_path, kind, 1, CONFIG, eatmydata())
    assert acked
    assert found != []
