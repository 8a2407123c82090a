"""What a measurement needs of the machine: CPU and memory of processes, the disk's own flush."""

import os
import statistics
import time
from pathlib import Path
from typing import NamedTuple

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Flush(NamedTuple):
    """How long the disk takes to flush 4 KiB, in microseconds."""

    p50_us: float
    p99_us: float


def processes(pid: int) -> list[int]:
    """Return ``pid`` and the pids of its descendants."""
    found = [pid]
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split():
        found += processes(int(child))
    return found


def cpu_s(pids: list[int]) -> float:
    """Return user and system time of processes, in seconds."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / _TICKS_PER_S


def rss_anon_mib(pid: int) -> float:
    """Return the memory of a process that is not a file's, in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no RssAnon in /proc/PID/status")


def flush_latency(directory: Path, rounds: int = 300) -> Flush:
    """Return the latency of fdatasync after writing 4 KiB into written space."""
    path = directory / "flush-probe"
    block = os.urandom(4096)
    samples = []
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, bytes(4096 * rounds))
        os.fsync(descriptor)
        for index in range(rounds):
            os.pwrite(descriptor, block, 4096 * index)
            started = time.perf_counter()
            os.fdatasync(descriptor)
            samples.append((time.perf_counter() - started) * 1e6)
    finally:
        os.close(descriptor)
        path.unlink()
    return Flush(statistics.median(samples), percentile(samples, 99))


def percentile(samples: list[float], rank: float) -> float:
    """Return the ``rank``-th percentile, 0 to 100, of at least one sample."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(len(ordered) * rank / 100))]
