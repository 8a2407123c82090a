"""Promise 1: no ack before the commit that it speaks of has been flushed."""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon import running
from tests.frame_client import FrameClient
from tests.otlp import encoded
from tests.toolchain import require

REQUESTS = 20
# Of these requests a segment of 1 MiB holds some.
SPANS, ATTRIBUTES = 20, 200
_ACK_HEAD = r'"\\0\\0\\0.{1,8}\\21\\0'
_CALL = re.compile(r"(?P<thread>\d+) +(?P<call>\w+\(\d+<.*)$")
_RESUMED = re.compile(r"(?P<thread>\d+) +<\.\.\. \w+ resumed>(?P<rest>.*)$")
_UNFINISHED = "<unfinished ...>"


def ended(trace: Path) -> Iterator[str]:
    """Yield each call when it ends, and that of an ack when it begins, in their order."""
    begun: dict[str, str] = {}
    for line in trace.read_text(encoding="utf-8", errors="replace").splitlines():
        if found := _RESUMED.match(line):
            yield begun.pop(found["thread"], "") + found["rest"]
        elif found := _CALL.match(line):
            if found["call"].endswith(_UNFINISHED) and not re.search(_ACK_HEAD, found["call"]):
                begun[found["thread"]] = found["call"].removesuffix(_UNFINISHED)
            else:
                yield found["call"]


@pytest.mark.fault(3)
@pytest.mark.slow
def test_every_ack_is_written_after_the_flush_of_its_commit(tmp_path: Path) -> None:
    """Both flushes of a commit, fdatasync and the O_DSYNC write, end before its ack is sent.

    They also begin after its request was read: the flushes of an earlier one do not count.
    """
    require(shutil.which("strace"), "strace", "apt install strace")
    trace = tmp_path / "trace"
    prefix = [
        "strace", "-f", "-yy", "-s", "24", "-o", str(trace),
        "-e", "trace=fdatasync,pwrite64,read,recvfrom,write,writev,sendto,sendmsg",
    ]  # fmt: skip
    with running(tmp_path, prefix=prefix) as daemon, FrameClient(daemon.ingest) as client:
        client.hello(os.urandom(16))
        for seq in range(1, REQUESTS + 1):
            client.records(seq, encoded())
            client.ack(seq)

    flushed = meta_written = False
    requests = acks = 0
    for call in ended(trace):
        if re.match(r"(read|recvfrom)\(\d+<UNIX.*ingest\.sock.*= [1-9]\d*$", call):
            requests += 1
            flushed = meta_written = False
        elif re.match(r"fdatasync\(.*/seg/.*\.mdb.*= 0$", call):
            flushed = True
            meta_written = False
        elif re.match(r"pwrite64\(.*/seg/.*\.mdb.*= 120$", call):
            meta_written = flushed
        elif re.match(r"(write|writev|sendto|sendmsg)\(\d+<UNIX", call) and re.search(
            _ACK_HEAD, call
        ):
            assert flushed, f"an ack before any flush: {call}"
            assert meta_written, f"an ack before the commit record was written: {call}"
            acks += 1
    assert acks == REQUESTS
    assert requests > REQUESTS


@pytest.mark.slow
@pytest.mark.fault(5)
def test_a_new_segment_s_name_is_durable_before_its_first_ack(tmp_path: Path) -> None:
    """LMDB never flushes a directory: ours is, after each rename and before the next ack."""
    require(shutil.which("strace"), "strace", "apt install strace")
    trace = tmp_path / "trace"
    prefix = [
        "strace", "-f", "-yy", "-s", "24", "-o", str(trace),
        "-e", "trace=fsync,rename,write,writev,sendto,sendmsg",
    ]  # fmt: skip
    config = '[journal]\nsegment_bytes = "1MiB"\n'
    with (
        running(tmp_path, prefix=prefix, config=config) as daemon,
        FrameClient(daemon.ingest) as client,
    ):
        client.hello(os.urandom(16))
        for seq in range(1, REQUESTS + 1):
            client.records(seq, encoded(SPANS, attributes=ATTRIBUTES))
            client.ack(seq)

    pending: set[str] = set()
    begun: dict[str, str] = {}
    renamed = acks = 0
    for line in trace.read_text(encoding="utf-8", errors="replace").splitlines():
        if found := re.search(r'rename\(.*, "(.*/seg/\d+-\w+)/\d+\.mdb"\) = 0', line):
            pending.add(found[1])
            renamed += 1
        elif found := re.match(r"(\d+) +fsync\(\d+<([^>]*)>", line):
            begun[found[1]] = found[2]
            if line.endswith("= 0"):
                pending.discard(found[2])
        elif (found := re.match(r"(\d+) +<\.\.\. fsync resumed>", line)) and line.endswith("= 0"):
            pending.discard(begun[found[1]])
        elif re.search(r"(write|writev|sendto|sendmsg)\(\d+<(UNIX|socket)", line) and re.search(
            _ACK_HEAD, line
        ):
            assert not pending, f"an ack before its segment's name was durable: {line}"
            acks += 1
    assert acks == REQUESTS
    assert renamed >= 2
