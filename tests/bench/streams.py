"""Load on ``Recorder.Session``: gRPC streams that each wait for the answer to their last message.

Its own process is in Python and slower than what it loads: what is measured beside it is the CPU of
the recorder, never a rate.
"""

import asyncio
import multiprocessing
import os
import time
from multiprocessing.connection import Connection

import grpc
import grpc.aio

from sidespan.v1.recorder_pb2 import ClientMessage, Hello, RecorderMessage, Records
from tests.bench.load import Load, Result, body
from tests.bench.machine import percentile

_METHOD = "/sidespan.v1.Recorder/Session"


def run(load: Load, address: str, requests: int) -> Result:
    """Send ``requests`` messages over ``load.connections`` streams and say how it went."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_main, args=(load, address, requests, theirs), daemon=True)
    process.start()
    # Else a process that died would be waited for.
    theirs.close()
    result: Result = ours.recv()
    process.join()
    return result


def _main(load: Load, address: str, requests: int, out: Connection) -> None:
    out.send(asyncio.run(_run(load, address, requests)))


async def _run(load: Load, address: str, requests: int) -> Result:
    traces = body(load)
    each = requests // load.connections
    begun = time.perf_counter()
    found = await asyncio.gather(*(_stream(address, traces, each) for _ in range(load.connections)))
    took_s = time.perf_counter() - begun
    waits = sorted(wait for waits, _ in found for wait in waits)
    failed = sum(failed for _, failed in found)
    return Result(
        len(waits), failed, took_s, percentile(waits, 50) * 1e3, percentile(waits, 99) * 1e3
    )


async def _stream(address: str, traces: bytes, count: int) -> tuple[list[float], int]:
    # Channels of one process share a connection unless they differ in an option.
    options = (("grpc.use_local_subchannel_pool", 1),)
    waits: list[float] = []
    failed = 0
    async with grpc.aio.insecure_channel(address, options=options) as channel:
        call = channel.stream_stream(_METHOD)()
        hello = Hello(instance_id=os.urandom(16), protocol_version_min=1, protocol_version_max=1)
        await call.write(ClientMessage(hello=hello).SerializeToString())
        await call.read()
        for seq in range(1, count + 1):
            message = ClientMessage(seq=seq, records=Records(traces=traces)).SerializeToString()
            sent = time.perf_counter()
            await call.write(message)
            answer = RecorderMessage.FromString(await call.read())
            if answer.WhichOneof("message") == "ack" and answer.seq == seq:
                waits.append(time.perf_counter() - sent)
            else:
                failed += 1
        await call.done_writing()
    return waits, failed
