"""All signals through the whole daemon: into rotel, and into receivers over both protocols."""

import asyncio
import importlib.util
import signal
import subprocess
import urllib.request
from collections.abc import Sequence
from pathlib import Path

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from sidespand.sinks import stamping
from tests.bench.servers import free_ports
from tests.daemon import Daemon, wait_until
from tests.http_collector import HttpCollector, collecting_http
from tests.journals import eventually, run
from tests.otlp import encoded

pytestmark = pytest.mark.slow

WAIT_S = 20.0


def post(port: int, signal_name: str, body: bytes) -> None:
    """Send one request to the daemon's HTTP door."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/{signal_name}",
        data=body,
        headers={"Content-Type": "application/x-protobuf"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200


def send_all(port: int, times: int) -> None:
    """Record traces, logs and metrics by turns."""
    for number in range(times):
        logs, metrics = ExportLogsServiceRequest(), ExportMetricsServiceRequest()
        record = logs.resource_logs.add().scope_logs.add().log_records.add(severity_text="INFO")
        record.body.string_value = f"log {number}"
        record.time_unix_nano = 1_790_000_000_000_000_000 + number
        metric = metrics.resource_metrics.add().scope_metrics.add().metrics.add(name=f"m{number}")
        metric.gauge.data_points.add(time_unix_nano=1, as_int=number)
        post(port, "traces", encoded(2))
        post(port, "logs", logs.SerializeToString())
        post(port, "metrics", metrics.SerializeToString())


def stamps(collector: HttpCollector) -> list[int]:
    """Return how many spans each request of traces had, by their stamps."""
    found = []
    for path, body in zip(collector.paths, collector.bodies, strict=True):
        if path == "/v1/traces":
            marker = stamping.LSN_KEY.encode()
            found.append(body.count(marker))
    return found


def test_logs_and_metrics_pass_through_beside_spans(tmp_path: Path) -> None:
    """Each signal arrives under its own path, however they were mixed; nothing is missing."""

    async def test() -> None:
        async with collecting_http() as collector:
            config = (
                f'[sinks.far]\ntype = "otlp"\nendpoint = "http://127.0.0.1:{collector.port}"\n'
                'protocol = "http/protobuf"\ncapture = "full"\n'
            )
            (port,) = free_ports(1)
            daemon = Daemon(tmp_path, ["--otlp-http", f"127.0.0.1:{port}"], config=config)
            await asyncio.to_thread(daemon.start)
            try:
                await asyncio.to_thread(send_all, port, 5)
                await eventually(lambda: sum(stamps(collector)) == 10, "all spans")
                await eventually(lambda: _logs(collector) == 5, "all logs")
                await eventually(lambda: _metrics(collector) == 5, "all metrics")
            finally:
                await asyncio.to_thread(daemon.terminate)

    run(test())


def _bodies(collector: HttpCollector, path: str) -> list[bytes]:
    pairs = zip(collector.paths, collector.bodies, strict=True)
    return [body for one, body in pairs if one == path]


def _logs(collector: HttpCollector) -> int:
    requests = map(ExportLogsServiceRequest.FromString, _bodies(collector, "/v1/logs"))
    return sum(len(request.resource_logs) for request in requests)


def _metrics(collector: HttpCollector) -> int:
    requests = map(ExportMetricsServiceRequest.FromString, _bodies(collector, "/v1/metrics"))
    return sum(len(request.resource_metrics) for request in requests)


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_rotel_takes_what_we_send(tmp_path: Path, protocol: str, compression: str) -> None:
    """A collector that somebody else wrote passes every span on, with its stamp."""

    async def test() -> None:
        async with collecting_http() as behind:
            ports = free_ports(3)
            rotel = await asyncio.to_thread(_start_rotel, ports, behind.port)
            endpoint = ports[0] if protocol == "grpc" else ports[1]
            config = (
                f'[sinks.rotel]\ntype = "otlp"\nendpoint = "http://127.0.0.1:{endpoint}"\n'
                f'protocol = "{protocol}"\ncompression = "{compression}"\ncapture = "full"\n'
            )
            daemon = Daemon(tmp_path, ["--otlp-http", f"127.0.0.1:{ports[2]}"], config=config)
            try:
                await asyncio.to_thread(daemon.start)
                await asyncio.to_thread(send_all, ports[2], 5)
                await eventually(lambda: sum(stamps(behind)) == 10, "all spans")
                await eventually(lambda: _logs(behind) == 5, "all logs")
                await eventually(lambda: _metrics(behind) == 5, "all metrics")
            finally:
                if daemon.process is not None:
                    await asyncio.to_thread(daemon.terminate)
                rotel.send_signal(signal.SIGKILL)
                await asyncio.to_thread(rotel.wait)

    run(test())


def _start_rotel(ports: Sequence[int], behind: int) -> subprocess.Popen[bytes]:
    found = importlib.util.find_spec("rotel")
    if found is None or found.origin is None:
        pytest.skip("rotel is not installed: it is in the bench group")
    return subprocess.Popen(
        [str(Path(found.origin).with_name("rotel-agent")), "start",
         "--otlp-grpc-endpoint", f"127.0.0.1:{ports[0]}",
         "--otlp-http-endpoint", f"127.0.0.1:{ports[1]}",
         "--exporter", "otlp", "--otlp-exporter-protocol", "http",
         "--otlp-exporter-endpoint", f"http://127.0.0.1:{behind}"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


@pytest.mark.fault(32)
def test_a_stalled_sink_changes_nothing_for_others(tmp_path: Path) -> None:
    """While one collector never answers, the other has no lag and every request is acked."""

    async def test() -> None:
        async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while await reader.read(1 << 16):
                pass
            writer.close()

        server = await asyncio.start_server(hang, "127.0.0.1", 0)
        stalled = server.sockets[0].getsockname()[1]
        async with collecting_http() as collector:
            shared = 'type = "otlp"\nprotocol = "http/protobuf"\ncapture = "full"\n'
            config = (
                f'[sinks.well]\n{shared}endpoint = "http://127.0.0.1:{collector.port}"\n'
                f'[sinks.stalled]\n{shared}endpoint = "http://127.0.0.1:{stalled}"\n'
                'timeout = "1h"\n'
            )
            (port,) = free_ports(1)
            daemon = Daemon(tmp_path, ["--otlp-http", f"127.0.0.1:{port}"], config=config)
            await asyncio.to_thread(daemon.start)
            try:
                await asyncio.to_thread(send_all, port, 10)
                await eventually(lambda: sum(stamps(collector)) == 20, "the sink that is well")

                def told() -> bool:
                    figures = daemon.metrics(port)
                    well = 'sidespan_sink_lag_items{sink="well"} 0.0' in figures
                    age = 'sidespan_sink_oldest_age_seconds{sink="stalled"} 0.0'
                    return well and age not in figures and "oldest_age_seconds" in figures

                await asyncio.to_thread(wait_until, told, WAIT_S, "the figures")
            finally:
                await asyncio.to_thread(daemon.terminate)
        server.close()

    run(test())
