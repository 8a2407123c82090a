"""Prints what a span costs on the caller's thread: 3 attributes and an event, recording and off.

    python tests/bench/client_span.py [SPANS]

A thread plays the recorder, so that the buffer is emptied as in life. Only the CPU time of the
caller is counted; what an empty call costs in its place is taken off.
"""

import socket
import statistics
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import sidespan

ROUNDS = 15
_HEADER = struct.Struct(">IBQ")
_REPLY_TO = {1: 16, 2: 17}


def one_span() -> None:
    """Do what the target of 6 µs is about."""
    with sidespan.span("chat", model="gpt-4o", tokens=812, temperature=0.2) as s:
        s.add_event("first token", {"ms": 41})


def bare_span() -> None:
    """Do the least that makes a span."""
    with sidespan.span("chat"):
        pass


def nothing() -> None:
    """Do what a call and the loop cost."""


def acknowledge(listener: socket.socket) -> None:
    """Answer every HELLO and every RECORDS with an empty message."""
    connection, _ = listener.accept()
    with connection, connection.makefile("rb") as reader:
        while header := reader.read(_HEADER.size):
            length, kind, seq = _HEADER.unpack(header)
            reader.read(length - 9)
            if kind in _REPLY_TO:
                connection.sendall(_HEADER.pack(9, _REPLY_TO[kind], seq))


def cost(work: Callable[[], None], spans: int) -> str:
    """Return the least and the median cost of ``work``, in microseconds of this thread."""
    rounds = []
    for _ in range(ROUNDS):
        rounds.append(time_us(work, spans) - time_us(nothing, spans))
        sidespan.flush()
    return f"{min(rounds):5.2f} {statistics.median(rounds):7.2f}"


def time_us(work: Callable[[], None], times: int) -> float:
    """Return the time of one ``work``."""
    begin = time.thread_time_ns()
    for _ in range(times):
        work()
    return (time.thread_time_ns() - begin) / times / 1000


def main() -> None:
    """Measure and print."""
    spans = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    print("µs a span of the caller's thread:         least  median")
    print("off, 3 attributes and an event           ", cost(one_span, spans))
    print("off, bare                                ", cost(bare_span, spans))
    with tempfile.TemporaryDirectory() as directory:
        path = str(Path(directory) / "ingest.sock")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen()
            threading.Thread(target=acknowledge, args=(listener,), daemon=True).start()
            sidespan.init("bench", socket=path)
            sidespan.flush()
            print("recording, 3 attributes and an event     ", cost(one_span, spans))
            print("recording, bare                          ", cost(bare_span, spans))
            print(sidespan.status())
            sidespan.shutdown()


if __name__ == "__main__":
    main()
