"""All signals through the whole daemon into a stock OpenTelemetry Collector."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from sidespand.sinks import stamping
from tests import otelcol
from tests.bench.servers import free_ports
from tests.daemon import running, wait_until
from tests.e2e.test_otlp_sinks import send_all
from tests.line_files import whole_lines

pytestmark = pytest.mark.slow

TIMES = 5
SPANS = 2 * TIMES
WAIT_S = 20.0
CONFIG = """
receivers:
  otlp:
    protocols:
      grpc: {{endpoint: "127.0.0.1:{grpc}"}}
      http: {{endpoint: "127.0.0.1:{http}"}}
exporters:
  file: {{path: "{path}", flush_interval: 50ms}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [file]}}
    logs: {{receivers: [otlp], exporters: [file]}}
    metrics: {{receivers: [otlp], exporters: [file]}}
"""


def each(found: list[dict[str, Any]], *way: str) -> Iterator[Any]:
    """Yield what lies at the end of a way of lists."""
    if not way:
        yield from found
        return
    for one in found:
        yield from each(one.get(way[0], []), *way[1:])


def attributes(holder: Mapping[str, Any]) -> dict[str, Any]:
    """Return attributes with the values they have in OTLP/JSON."""
    return {pair["key"]: next(iter(pair["value"].values())) for pair in holder["attributes"]}


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_a_stock_collector_takes_what_we_send(
    tmp_path: Path, protocol: str, compression: str
) -> None:
    """Every span has its own stamp and its node's, and no log or metric is missing."""
    grpc, http, door = free_ports(3)
    path = tmp_path / "out.jsonl"
    sink = (
        f'[sinks.far]\ntype = "otlp"\nendpoint = "http://127.0.0.1:'
        f'{grpc if protocol == "grpc" else http}"\nprotocol = "{protocol}"\n'
        f'compression = "{compression}"\ncapture = "full"\n'
    )
    with (
        otelcol.collecting(CONFIG.format(grpc=grpc, http=http, path=path), tmp_path),
        running(tmp_path / "node", ["--otlp-http", f"127.0.0.1:{door}"], config=sink),
    ):
        send_all(door, TIMES)

        def spans() -> list[Any]:
            return list(each(whole_lines(path), "resourceSpans", "scopeSpans", "spans"))

        def logs() -> list[Any]:
            return list(each(whole_lines(path), "resourceLogs", "scopeLogs", "logRecords"))

        def metrics() -> list[Any]:
            return list(each(whole_lines(path), "resourceMetrics", "scopeMetrics", "metrics"))

        wait_until(lambda: len(spans()) >= SPANS, WAIT_S, "all spans")
        wait_until(lambda: len(logs()) >= TIMES, WAIT_S, "all logs")
        wait_until(lambda: len(metrics()) >= TIMES, WAIT_S, "all metrics")
        lsns = [int(attributes(span)[stamping.LSN_KEY]) for span in spans()]
        assert len(set(lsns)) == SPANS == len({span["spanId"] for span in spans()})
        assert lsns == sorted(lsns)
        nodes = {
            attributes(group["resource"])[stamping.NODE_KEY]
            for group in each(whole_lines(path), "resourceSpans")
        }
        assert len(nodes) == 1
        assert nodes.pop().startswith("node://")
        bodies = {log["body"]["stringValue"] for log in logs()}
        assert bodies == {f"log {number}" for number in range(TIMES)}
        assert {metric["name"] for metric in metrics()} == {f"m{n}" for n in range(TIMES)}
