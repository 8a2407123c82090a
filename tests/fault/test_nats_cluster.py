"""A cluster that loses a server in the middle of the load loses no span."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from sidespand.config import SinkConfig
from sidespand.journal.reader import JournalReader
from sidespand.sinks import registry
from sidespand.sinks.carrier import Carrier
from sidespand.sinks.cursor import CursorFile
from sidespand.testing import eventually, written
from tests.journals import NODE_REF, run
from tests.nats_servers import STREAM, add_stream, client_of, clustered, lsns, messages

RECORDS = 600
SPANS = 3


@pytest.mark.slow
@pytest.mark.parametrize("killed", ["leader", pytest.param("ours", marks=pytest.mark.long)])
def test_every_span_is_in_the_stream_though_a_server_dies(tmp_path: Path, killed: str) -> None:
    """With the stream's leader, or the server that we talk to, killed, all of it arrives once.

    The cursor never passes what two servers do not hold.
    """
    with clustered(tmp_path) as servers:

        async def test() -> None:
            positions = await written(tmp_path / "data", [SPANS] * RECORDS)
            log = JournalReader(tmp_path / "data")
            options = {"servers": [one.url for one in servers], "stream": STREAM, "timeout": "3s"}
            (plan,) = registry.parse([SinkConfig("fleet", "nats", options)])
            sink = registry.build(plan, tmp_path / "sink", lambda *_: {"source_node_ref": NODE_REF})
            async with client_of(servers[0].url) as client:
                await add_stream(client, num_replicas=3)
                info = await client.jetstream(timeout=5).stream_info(STREAM)
            carrier = Carrier(
                "fleet", sink, log, CursorFile(tmp_path / "cursor.json"),
                uniform=lambda low, high: (low + high) / 20, coalesce_s=0.0,
            )  # fmt: skip
            task = asyncio.create_task(carrier.run())
            for position in positions[: RECORDS // 3]:
                carrier.advance(position)
                await asyncio.sleep(0)
            await eventually(lambda: carrier.figures.delivered_items > 0, "the load")
            connected = sink._client.connected_url.port  # type: ignore[attr-defined]
            (victim,) = [
                one
                for number, one in enumerate(servers)
                if (
                    f"n{number}" == info.cluster.leader
                    if killed == "leader"
                    else one.port == connected
                )
            ]
            for number, position in enumerate(positions[RECORDS // 3 :]):
                carrier.advance(position)
                await asyncio.sleep(0)
                if number == RECORDS // 6:
                    assert carrier.figures.delivered_items < RECORDS * SPANS
                    victim.kill()
            await eventually(lambda: carrier.saved == positions[-1], "all of it", 40.0)
            carrier.stop()
            await task
            await carrier.close()
            log.close()
            alive = next(one for one in servers if one is not victim)
            async with client_of(alive.url) as client:
                found = Counter(lsns(await messages(client)))
            expected = {
                lsn
                for position in positions
                for lsn in range(position.lsn - SPANS + 1, position.lsn + 1)
            }
            assert set(found) == expected
            assert set(found.values()) == {1}

        run(test())
