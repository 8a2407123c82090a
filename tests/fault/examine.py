"""``python -m tests.fault.examine``: whether stores that were cut short keep the promises.

Each line of its input names a directory and a file of what was acked; each line of its output is a
JSON list of violations. Every store is opened in a process of its own: a page that was torn may end
its reader.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from sidespand.clock import SystemClock
from sidespand.errors import SidespanError
from sidespand.model import Gap, Record
from tests.fault.load import spans_of, violations
from tests.otlp import encoded
from tests.unit.journal.lives import living, read_all
from tests.unit.journal.making import content

# One for each of the lives that come after.
_AFTER = [bytes([life]) * 8 for life in (1, 2)]


def examined(data_dir: Path, acked: dict[bytes, int]) -> list[str]:
    """Open a store, record in it, read all of it; return what breaks a promise."""
    try:
        for span_id in _AFTER:
            with living(data_dir, SystemClock()) as life:
                life.append(content(encoded(1, span_ids=[span_id])))
        entries = read_all(data_dir)
    except (SidespanError, OSError) as error:
        return [f"{type(error).__name__}: {error}"]
    found = [
        f"a gap: LSN {one.first} to {one.last} {one.reason}"
        for one in entries
        if isinstance(one, Gap) and one.reason != "trimmed"
    ]
    records = [one for one in entries if isinstance(one, Record)]
    found += violations(records, acked)
    if not found and not spans_of(records).keys() >= set(_AFTER):
        found.append("what was recorded later is not there")
    return found


class Examiner:
    """A child process that examines one store after another.

    Args:
        process: The child.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def examine(self, data_dir: Path, acked: Mapping[bytes, int]) -> list[str]:
        """Return the violations of a store, which is written to."""
        told = data_dir.with_name(data_dir.name + "-acked.json")
        told.write_text(json.dumps({key.hex(): lsn for key, lsn in acked.items()}), "utf-8")
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([str(data_dir), str(told)]) + "\n")
        self._process.stdin.flush()
        found: list[str] = json.loads(self._process.stdout.readline())
        return found


@contextmanager
def examining() -> Iterator[Examiner]:
    """Yield an examiner; its process is gone afterwards."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.fault.examine"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield Examiner(process)
    finally:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        process.wait(60)
        process.stdout.close()


def _in_a_child(data_dir: Path, acked: dict[bytes, int]) -> Any:
    read, write = os.pipe()
    if (child := os.fork()) == 0:
        os.close(read)
        with os.fdopen(write, "w") as out:
            json.dump(examined(data_dir, acked), out)
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as answer:
        text = answer.read()
    _, status = os.waitpid(child, 0)
    if status:
        return [f"its reader ended with status {os.waitstatus_to_exitcode(status)}"]
    return json.loads(text)


def main(asked: TextIO) -> None:
    """Answer until nobody asks."""
    for line in asked:
        data_dir, told = map(Path, json.loads(line))
        acked = {
            bytes.fromhex(key): lsn for key, lsn in json.loads(told.read_text("utf-8")).items()
        }
        print(json.dumps(_in_a_child(data_dir, acked)), flush=True)


if __name__ == "__main__":
    main(sys.stdin)
