"""A backup or a restore to a disk without room: told by name, and completed once there is some."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sidespand.errors import ConfigError
from sidespand.journal import backup
from sidespand.journal.layout import Layout
from sidespand.limits import MIB
from tests.disks import fill, mounted
from tests.fault.custody import nothing
from tests.unit.journal.lives import payloads
from tests.unit.journal.upkeeping import kept

pytestmark = pytest.mark.slow

REQUESTS = 7
ROOMY_BYTES = 24 * MIB


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a store of three segments, and a backup of it beside it."""
    with kept(tmp_path / "store") as store:
        store.fill(REQUESTS)
    backup.back_up(Layout(tmp_path / "store"), Layout(tmp_path / "backup"), nothing)
    backup.finish(Layout(tmp_path / "backup"))
    return tmp_path / "store"


def told(copy: Callable[..., object], source: Path, target: Path, *progress: object) -> ConfigError:
    """Return the refusal of a copy, which names the target and the next step."""
    with pytest.raises(ConfigError) as refused:
        copy(Layout(source), Layout(target), *progress)
    assert str(target) in str(refused.value)
    assert "larger disk" in refused.value.hint
    return refused.value


@pytest.fixture(params=["backup", "restore"])
def copying(request: pytest.FixtureRequest, source: Path) -> Iterator[tuple[object, Path]]:
    """Yield each of the two, and what it copies."""
    if request.param == "backup":
        yield backup.back_up, source
    else:
        yield backup.restore, source.with_name("backup")


@pytest.mark.fault(11)
def test_a_copy_that_does_not_fit_is_not_begun(
    tmp_path: Path, copying: tuple[Callable[..., object], Path]
) -> None:
    """It says how much is needed and how much is free."""
    copy, source = copying
    with mounted(tmp_path / "disk", MIB) as disk:
        refusal = told(copy, source, disk / "copy", nothing)
        assert "bytes are needed" in str(refusal)
        assert not list((disk / "copy/seg").iterdir())


@pytest.mark.fault(11)
def test_a_copy_whose_room_goes_is_completed_by_the_same_command(
    tmp_path: Path, copying: tuple[Callable[..., object], Path]
) -> None:
    """Another program fills the disk meanwhile; with room again the copy is whole."""
    copy, source = copying
    with mounted(tmp_path / "disk", ROOMY_BYTES) as disk:

        def progress(name: str, _size_bytes: int) -> None:
            if name == Layout(source).segments()[1].name:
                fill(disk / "filler")

        refusal = told(copy, source, disk / "copy", progress)
        assert "No space left on device" in str(refusal)
        (disk / "filler").unlink()
        copy(Layout(source), Layout(disk / "copy"), nothing)
        backup.finish(Layout(disk / "copy"))
        assert payloads(disk / "copy") == payloads(source)
