"""The worker process: delivers, reports, stops when told and when the recorder is gone."""

import json
import signal
from pathlib import Path

import pytest

from sidespand.model import Admitted
from tests.journals import PEER, content, eventually, opened, run
from tests.otlp import encoded
from tests.workers import WorkerProcess, working

JSONL = '[sinks.archive]\ntype = "jsonl"\n'
# Nobody listens on the discard port.
AWAY = '[sinks.away]\ntype = "otlp"\nendpoint = "http://127.0.0.1:9"\n'

pytestmark = pytest.mark.slow


def lsns(worker: WorkerProcess) -> list[int]:
    """Return the LSN of each line of the default file."""
    path = worker.data / "sinks/archive/spans.jsonl"
    if not path.exists():
        return []
    lines = path.read_text(encoding="ascii").splitlines()
    return [int(json.loads(line)["stamp"]["lsn"]) for line in lines]


def test_it_delivers_what_is_announced_and_reports_it(tmp_path: Path) -> None:
    """Spans of a store in use arrive with their node; cursors and figures are told."""

    async def test() -> None:
        async with opened(tmp_path / "data") as store, working(tmp_path, JSONL + AWAY) as worker:
            await eventually(lambda: worker.ready, "the worker")
            receipts = []
            for _ in range(3):
                receipts.append(await store.append(Admitted((content(encoded(4)),)), PEER))
                worker.end.advance(store.position)
            await eventually(lambda: worker.cursors.get("archive") == store.position, "the cursor")
            await eventually(lambda: worker.figures["archive"].delivered_items == 12, "the figures")
            assert worker.figures["away"].retries > 0
            assert worker.figures["away"].lag_items == store.position.lsn
            assert worker.figures["archive"].lag_items == 0
            assert "away" not in worker.cursors
            worker.end.stop(2.0)
            assert await worker.process.wait() == 0
        assert lsns(worker) == [
            lsn for one in receipts for lsn in range(one.first_lsn, one.last_lsn + 1)
        ]
        line = (worker.data / "sinks/archive/spans.jsonl").read_text("ascii").splitlines()[0]
        assert json.loads(line)["stamp"]["source_node_ref"] == "node://test@host"
        said = worker.log().splitlines()
        assert "INFO sidespand.app.worker: delivering to archive (full), away (redacted)" in said
        assert said[-1] == "INFO sidespand.app.worker: stopped"
        assert len([line for line in said if "sink away" in line]) == 1

    run(test())


def test_a_stop_drains_what_was_announced_before_it(tmp_path: Path) -> None:
    """Spans announced just before the stop are delivered and the cursor is behind them."""

    async def test() -> None:
        async with opened(tmp_path / "data") as store, working(tmp_path, JSONL) as worker:
            receipt = await store.append(Admitted((content(encoded(500)),)), PEER)
            worker.end.advance(store.position)
            worker.end.stop(30.0)
            assert await worker.process.wait() == 0
            assert worker.cursors == {"archive": store.position}
            assert lsns(worker) == list(range(receipt.first_lsn, receipt.last_lsn + 1))

    run(test())


def test_it_ends_when_the_recorder_is_gone_and_ignores_signals_until_then(tmp_path: Path) -> None:
    """SIGTERM and SIGINT are the recorder's business; its end is the worker's own."""

    async def test() -> None:
        async with opened(tmp_path / "data") as store, working(tmp_path, JSONL) as worker:
            await eventually(lambda: worker.ready, "the worker")
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                worker.process.send_signal(number)
            await store.append(Admitted((content(encoded(4)),)), PEER)
            worker.end.advance(store.position)
            await eventually(lambda: "archive" in worker.cursors, "the delivery")
            worker.end.close()
            assert await worker.process.wait() == 0
            cursor = json.loads((worker.data / "sinks/archive/cursor.json").read_text("utf-8"))
            assert int(cursor["lsn"]) == store.position.lsn

    run(test())


def test_a_second_worker_is_refused_and_harms_nothing(tmp_path: Path) -> None:
    """Two workers would fight over cursors: the second one says who has them and leaves."""

    async def test() -> None:
        async with opened(tmp_path / "data") as store, working(tmp_path, JSONL) as first:
            await eventually(lambda: first.ready, "the worker")
            async with working(tmp_path, JSONL) as second:
                assert await second.process.wait() == 2
                assert f"in use by process {first.process.pid}" in second.log()
            await store.append(Admitted((content(encoded(4)),)), PEER)
            first.end.advance(store.position)
            await eventually(lambda: len(lsns(first)) == 4, "the delivery")

    run(test())


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ('[sinks.a]\ntype = "jsonl"\npth = "x"\n', "sinks.a.pth: unknown key"),
        ("[sinks.a\n", "sidespan.toml"),
        (JSONL, "there is no store"),
    ],
)
def test_what_keeps_it_from_starting_is_one_line(tmp_path: Path, config: str, said: str) -> None:
    """A configuration or a store that cannot be used ends it with a sentence, not a traceback."""
    (tmp_path / "data").mkdir()

    async def test() -> None:
        async with working(tmp_path, config) as worker:
            assert await worker.process.wait() == 2
            (line,) = worker.log().splitlines()
            assert line.startswith("ERROR sidespand.app.worker: ")
            assert said in line
            assert not worker.ready

    run(test())
