"""The file of what a sink refused: durable, bounded, erasable, shared with commands."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from sidespand.limits import DEAD_LETTER_REASON_CHARACTERS_MAX
from sidespand.lock import FileLock
from sidespand.model import Content, Gap, Kind
from sidespand.sinks import dead_letters
from sidespand.sinks.dead_letters import DeadLetters, decode, encode
from tests.journals import content, records
from tests.otlp import encoded

NOW_NS = 1_790_000_000_000_000_123


def letters_of(
    place: Path, *, bytes_max: int = 1 << 20, list_bytes_max: int = 1 << 20
) -> DeadLetters:
    """Return dead letters with bounds of their own."""
    return DeadLetters(place, lambda: NOW_NS, bytes_max=bytes_max, list_bytes_max=list_bytes_max)


def test_a_letter_comes_back_as_it_was_put(tmp_path: Path) -> None:
    """Who delivers it again gets the same record, of any signal, with the reason."""
    spans, logs = records([content(encoded(3)), Content(Kind.LOGS, b"\x0a\x00", 1)])
    spans = replace(spans, prev_lsn=2**64 - 2)
    letters = letters_of(tmp_path)
    assert letters.put(spans, 2, "too old \x1b[31m\u202e")
    assert letters.put(logs, 1, "")
    first, second = DeadLetters(tmp_path).letters()
    assert first.record == replace(spans, edges=())
    assert second.record == logs
    assert (first.refused_items, first.reason) == (2, "too old \x1b[31m\u202e")
    assert first.refused_at_ns == NOW_NS
    assert str(first.key) == f"{spans.header.lineage.hex()}:{spans.header.first_lsn}"


def test_nobody_else_may_read_it_and_every_line_is_ascii(tmp_path: Path) -> None:
    """The file holds what spans hold; a reason moves no terminal."""
    letters_of(tmp_path).put(records([content(encoded())])[0], 1, "\x1b[2J\n\u2028é")
    file = tmp_path / dead_letters.FILE_NAME
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_bytes().isascii()
    assert file.read_bytes().count(b"\n") == 1
    assert b"\x1b" not in file.read_bytes()


def test_a_record_is_there_once(tmp_path: Path) -> None:
    """What comes again after a crash is not written again, whoever wrote it before."""
    one, two = records([content(encoded(1)), content(encoded(1))])
    letters = letters_of(tmp_path)
    letters.put(one, 1, "bad")
    letters.put(one, 1, "bad")
    again = letters_of(tmp_path)
    again.put(one, 1, "worse")
    again.put(two, 1, "bad")
    letters.put(two, 1, "bad")
    assert [letter.reason for letter in letters.letters()] == ["bad", "bad"]


def test_a_reason_is_cut(tmp_path: Path) -> None:
    """A peer's words are kept up to their limit and no further."""
    first, second = records([content(encoded()), content(encoded())])
    letters = letters_of(tmp_path)
    letters.put(first, 1, "x" * DEAD_LETTER_REASON_CHARACTERS_MAX)
    letters.put(second, 1, "x" * (DEAD_LETTER_REASON_CHARACTERS_MAX + 1))
    lengths = [len(letter.reason) for letter in letters.letters()]
    assert lengths == [DEAD_LETTER_REASON_CHARACTERS_MAX] * 2


def test_without_room_the_bytes_are_left_out_and_then_nothing_is_taken(tmp_path: Path) -> None:
    """At the first bound a letter still has its bytes, above it not; the second refuses it."""
    stored = records([content(encoded(5)) for _ in range(3)])
    line = len(encode(dead_letters.DeadLetter(stored[0], 5, "bad", NOW_NS)))
    letters = letters_of(tmp_path, bytes_max=line, list_bytes_max=line + 1200)
    assert letters.put(stored[0], 5, "bad")
    assert not letters.put(stored[1], 5, "bad")
    with pytest.raises(OSError, match="full"):
        letters.put(stored[2], 5, "bad")
    kept, bare = letters.letters()
    assert kept.record.payload == stored[0].payload
    assert (bare.record.payload, bare.key.first_lsn) == (None, stored[1].header.first_lsn)
    assert letters.size_bytes <= line + 1200


def test_letters_are_removed_by_name(tmp_path: Path) -> None:
    """Those that are named go, the others stay; there may be none of that name."""
    stored = records([content(encoded()) for _ in range(3)])
    letters = letters_of(tmp_path)
    assert letters.remove(frozenset()) == 0
    for record in stored:
        letters.put(record, 1, "bad")
    keys = [letter.key for letter in letters.letters()]
    assert letters.remove({keys[0], keys[2]}) == 2
    assert letters.remove({keys[0]}) == 0
    assert [letter.key for letter in letters.letters()] == [keys[1]]
    letters.put(stored[0], 1, "again")
    assert [letter.key for letter in letters.letters()] == [keys[1], keys[0]]


def test_what_is_redacted_goes_and_so_does_what_cannot_be_read(tmp_path: Path) -> None:
    """A damaged line might be what must not stay; letters of other records do."""
    stored = records([content(encoded(2)) for _ in range(3)])
    letters = letters_of(tmp_path)
    letters.erase([Gap(1, stored[0].header.lineage, 1, 100, "redacted")])
    assert not (tmp_path / dead_letters.FILE_NAME).exists()
    for record in stored[:2]:
        letters.put(record, 1, "bad")
    file = tmp_path / dead_letters.FILE_NAME
    file.write_bytes(file.read_bytes() + b'{"lineage":"what is this\n')
    letters.put(stored[2], 1, "bad")
    letters.erase([Gap(1, stored[0].header.lineage, 3, 4, "redacted")])
    assert [letter.key.first_lsn for letter in letters.letters()] == [1, 5]
    assert b"what is this" not in file.read_bytes()


def test_a_line_that_a_crash_tore_is_mended(tmp_path: Path) -> None:
    """The next letter does not go behind half of one."""
    stored = records([content(encoded()) for _ in range(2)])
    letters = letters_of(tmp_path)
    letters.put(stored[0], 1, "bad")
    file = tmp_path / dead_letters.FILE_NAME
    whole = file.read_bytes()
    file.write_bytes(whole + whole[: len(whole) // 2])
    assert len(list(letters.letters())) == 1
    letters.put(stored[1], 1, "bad")
    assert [letter.key.first_lsn for letter in letters.letters()] == [1, 2]


def test_worker_and_commands_take_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While somebody else writes it nothing is changed; whoever waited too long says so."""
    monkeypatch.setattr(dead_letters, "DEAD_LETTER_LOCK_S", 0.0)
    letters = letters_of(tmp_path)
    (record,) = records([content(encoded())])
    other = FileLock(tmp_path / "dead-letters.lock", "letters", "data_dir")
    with pytest.raises(dead_letters.InUse, match="in use"):
        letters.put(record, 1, "bad")
    other.release()
    assert letters.put(record, 1, "bad")


@pytest.mark.parametrize("broken", ["header", "payload", "lineage", "leaf"])
def test_a_line_with_something_missing_is_no_letter(tmp_path: Path, broken: str) -> None:
    """It is passed over when letters are read, whatever is wrong with it."""
    (record,) = records([content(encoded())])
    letters_of(tmp_path).put(record, 1, "bad")
    file = tmp_path / dead_letters.FILE_NAME
    document = json.loads(file.read_text())
    if broken == "header":
        document["header"]["lineage"] = "no hex"
    elif broken == "lineage":
        document["header"]["kind"] = 99
    else:
        document[broken] = "###"
    line = json.dumps(document).encode() + b"\n"
    with pytest.raises((ValueError, KeyError, TypeError)):
        decode(line)
    file.write_bytes(line)
    assert not list(DeadLetters(tmp_path).letters())
