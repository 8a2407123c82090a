"""The file that remembers how far a store had come: whole or not believed, never ahead."""

from pathlib import Path

import pytest

from sidespand.hlc import Hlc
from sidespand.journal import anchor
from sidespand.journal.anchor import Anchor, AnchorDamaged, AnchorKeeper, encode, parse
from sidespand.journal.state import Head
from tests.daemon import wait_until
from tests.unit.journal.making import empty_head

STORE_ID = "ab" * 16
ANCHOR = Anchor(STORE_ID, 2, b"lineage.", 7, 2**63, Hlc(5, 6), b"t" * 16, "/srv/\udcffstore")


class Log:
    """A head that tests move on."""

    def __init__(self) -> None:
        self.head = empty_head()

    def read(self) -> Head:
        """Return it."""
        return self.head


def test_an_anchor_is_read_as_it_was_written() -> None:
    """Whatever bytes the path of the store has."""
    assert parse(encode(ANCHOR)) == ANCHOR


def test_any_changed_byte_is_noticed() -> None:
    """It never says something else: it is damaged, or as it was."""
    whole = encode(ANCHOR)
    for at in range(len(whole)):
        changed = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
        try:
            assert parse(changed) == ANCHOR
        except AnchorDamaged:
            continue


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b"{}", b"[" * 5000, b"\xff", b"7"])
def test_what_is_no_anchor(raw: bytes) -> None:
    """Whatever the file holds, the fault has a name."""
    with pytest.raises(AnchorDamaged):
        parse(raw)


def test_an_anchor_of_another_store_is_not_believed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A file that was copied by hand says nothing of this store."""
    anchor.path(tmp_path, "cd" * 16).write_bytes(encode(ANCHOR))
    assert anchor.read([tmp_path], "cd" * 16) == []
    assert "it is of another store" in caplog.text


def test_an_anchor_that_cannot_be_read_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The others still count."""
    anchor.path(tmp_path, STORE_ID).mkdir()
    good = tmp_path / "good"
    good.mkdir()
    anchor.path(good, STORE_ID).write_bytes(encode(ANCHOR))
    assert anchor.read([tmp_path, tmp_path / "none", good], STORE_ID) == [ANCHOR]
    assert caplog.text.count("cannot be used") == 1


def test_the_keeper_writes_what_is_durable(tmp_path: Path) -> None:
    """In every directory, which it makes for its user alone; unchanged heads are not written."""
    log = Log()
    directories = (tmp_path / "one", tmp_path / "two" / "deep")
    keeper = AnchorKeeper(directories, STORE_ID, tmp_path, log.read)
    keeper.write()
    found = anchor.read(directories, STORE_ID)
    assert found == [anchor.of(STORE_ID, tmp_path, log.head)] * 2
    assert all(directory.stat().st_mode & 0o077 == 0 for directory in directories)
    (first, _) = (anchor.path(directory, STORE_ID) for directory in directories)
    inode = first.stat().st_ino
    keeper.write()
    assert first.stat().st_ino == inode


def test_a_keeper_that_cannot_write_tells_it_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The journal goes on; the other anchor is kept, and the first as soon as that is possible."""
    log = Log()
    blocked, open_dir = tmp_path / "blocked", tmp_path / "open"
    blocked.write_text("a file")
    keeper = AnchorKeeper((blocked, open_dir), STORE_ID, tmp_path, log.read)
    for _ in range(3):
        log.head = empty_head()
        keeper.write()
    assert caplog.text.count(f"cannot write in {blocked}") == 1
    assert keeper.failing_count == 1
    assert len(anchor.read([open_dir], STORE_ID)) == 1
    blocked.unlink()
    log.head = empty_head()
    keeper.write()
    assert len(anchor.read([blocked], STORE_ID)) == 1
    assert keeper.failing_count == 0


def test_a_keeper_follows_the_head_and_ends_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a thread of its own; the end is written in any case."""
    monkeypatch.setattr(anchor, "ANCHOR_INTERVAL_S", 0.001)
    log = Log()
    keeper = AnchorKeeper((tmp_path,), STORE_ID, tmp_path, log.read)
    keeper.start()
    wait_until(lambda: len(anchor.read([tmp_path], STORE_ID)) == 1, 10, "the first anchor")
    log.head = Head(3, b"lineage.", 9, 5, 1, 1, Hlc(1, 2), 0, 0, bytes(16), b"t" * 16, (bytes(32),))
    keeper.close()
    (found,) = anchor.read([tmp_path], STORE_ID)
    assert (found.ordinal, found.boot_generation, found.lsn) == (3, 9, 4)
