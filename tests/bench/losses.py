"""What each collector loses of what it acknowledged: killed, or its power cut, and started again.

    python -m tests.bench.losses [--lives N] [--write]

Clients send spans whose ids are their own and keep those that were acknowledged. In the middle of
that the collector is ended by kill -9, or the file system that it stores on is told to forget all
that was not flushed (``tests.disks``). It is started again, and what its receiver has in the end is
compared with what the clients were told. The receiver runs outside of what fails. It is there all
the time, or only comes once the collector was started again: in that time a queue is needed.

A power cut needs root.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from sidespand.limits import MIB
from tests import otelcol
from tests.bench.lives import Node, Onward, Sender
from tests.bench.page import publish, table
from tests.disks import formatted

NAMES = (
    "otelcol, memory", "otelcol, file_storage", "otelcol, file_storage + fsync", "rotel, memory",
    "sidespan, none", "sidespan, fsync",
)  # fmt: skip
_CLIENTS = 8
_LOAD_S = 3.0
_VOLUME_BYTES = 512 * MIB
_QUIET_S = 10.0
_ARRIVED_S_MAX = 60.0


class Case(NamedTuple):
    """How a life ends.

    Args:
        power: It is a power cut; else kill -9.
        away: The receiver only comes when the collector was started again.
    """

    power: bool
    away: bool

    def __str__(self) -> str:
        return (
            f"{'power cut' if self.power else 'kill -9'}, receiver {'away' if self.away else 'up'}"
        )


class Outcome(NamedTuple):
    """What came of it.

    Args:
        acked: Spans that clients were told are taken.
        lost: Of those, how many the receiver never got.
        repeated: How many it got more than once.
        refused: How often the collector did not start on what was left.
    """

    acked: int
    lost: int
    repeated: int
    refused: int


CASES = tuple(Case(power, away) for power in (False, True) for away in (False, True))


def outcome(name: str, case: Case, root: Path) -> Outcome:
    """Let one collector live, end as ``case`` says, and live again; ``root`` is a new directory."""
    root.mkdir(parents=True)
    onward = Onward(root / "ids")
    node = Node(name, root, onward.port)
    with ExitStack() as stack:
        volume = None
        if case.power:
            volume = stack.enter_context(formatted(node.storage, "ext4", size_bytes=_VOLUME_BYTES))
        stack.callback(onward.stop)
        stack.callback(node.kill)
        if not case.away:
            onward.start()
        senders = [Sender(port) for port in [node.start()] * _CLIENTS]
        try:
            for sender in senders:
                sender.start()
            # So long that every collector has begun to pass on what it batches.
            time.sleep(_LOAD_S)
            if volume is not None:
                volume.cut_power()
            node.kill()
        finally:
            for sender in senders:
                sender.stopping.set()
            for sender in senders:
                sender.join()
        if volume is not None:
            volume.start_again()
        acked = {one for sender in senders for one in sender.acked}
        assert acked, f"{name} acknowledged nothing"
        onward.start()
        refused = 0
        try:
            node.start()
        except AssertionError as error:
            print(f"{name}: {error}", file=sys.stderr)
            refused = 1
        else:
            _wait_for_arrivals(onward, acked)
        taken = onward.taken()
    return Outcome(len(acked), len(acked - set(taken)), len(taken) - len(set(taken)), refused)


def _wait_for_arrivals(onward: Onward, acked: set[bytes]) -> None:
    # Either all is there, or nothing comes for so long that nothing will.
    deadline = time.monotonic() + _ARRIVED_S_MAX
    count, since = -1, time.monotonic()
    while time.monotonic() < deadline and time.monotonic() - since < _QUIET_S:
        taken = onward.taken()
        if len(taken) != count:
            count, since = len(taken), time.monotonic()
        if acked <= set(taken):
            return
        time.sleep(0.1)


def together(outcomes: Sequence[Outcome]) -> Outcome:
    """Return the sums."""
    return Outcome(*(sum(column) for column in zip(*outcomes, strict=True)))


def cell(one: Outcome) -> str:
    """Return what was lost, for the table."""
    lost = "0" if one.lost == 0 else f"**{one.lost:,}**"
    told = f"{lost} of {one.acked:,}"
    return told + (f" ({one.refused} did not start)" if one.refused else "")


def main() -> int:
    """Print the table, and write it where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lives", type=int, default=3, help="of each kind (default 3)")
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md")
    args = parser.parse_args()
    if os.geteuid() != 0:
        print("error: a power cut needs root\nhint: run it with sudo", file=sys.stderr)
        return 2
    otelcol.binary()
    rows = []
    with tempfile.TemporaryDirectory(prefix="sidespan-losses-") as directory:
        for name in NAMES:
            cells = [name]
            for case in CASES:
                root = Path(directory) / name.replace(" ", "") / str(case).replace(" ", "")
                found = together(
                    [outcome(name, case, root / str(life)) for life in range(args.lives)]
                )
                cells.append(cell(found))
                print(f"{name:<32}{case!s:<28}{found}", flush=True)
            rows.append(cells)
    text = table(["", *map(str, CASES)], rows)
    print(f"\n{text}")
    if args.write:
        said = f"{time.strftime('%Y-%m-%d')}, {args.lives} lives of each kind."
        publish("bench-losses", "Acknowledged and lost", f"{said}\n\n{text}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
