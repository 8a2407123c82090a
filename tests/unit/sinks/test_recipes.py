"""The recipes of docs/sinks.md make the requests that their receivers ask for."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from sidespand.config import load
from sidespand.model import Content, Delivered, Kind
from sidespand.sinks import registry
from sidespand.sinks.otlp_options import GRPC
from sidespand.sinks.registry import Plan
from tests.collector import collecting
from tests.http_collector import collecting_http
from tests.journals import NODE_REF, content, records, run
from tests.otlp import encoded

pytestmark = pytest.mark.slow

PAGE = (Path(__file__).parents[3] / "docs/sinks.md").read_text(encoding="utf-8")
RECIPES = PAGE.split("\n## Recipes\n")[1].split("\n## ")[0]


class Asked(NamedTuple):
    """What a vendor's documentation asks for.

    Args:
        path: Of requests over HTTP; empty for gRPC.
        tls: Whether in the clear will not do.
        headers: Beside those of OTLP, as the file that the recipe names has them.
        signals: Taken.
        capture: What the recipe chooses.
    """

    path: str
    tls: bool
    headers: Mapping[str, str]
    signals: frozenset[Kind]
    capture: str = "redacted"


TRACES = frozenset({Kind.SPANS})
ALL = frozenset({Kind.SPANS, Kind.LOGS, Kind.METRICS})
ASKED = {
    "jaeger": Asked("", tls=False, headers={}, signals=TRACES),
    "tempo": Asked("", tls=False, headers={}, signals=TRACES),
    "phoenix": Asked("/v1/traces", tls=False, headers={}, signals=TRACES, capture="full"),
    "langfuse": Asked(
        "/api/public/otel/v1/traces",
        tls=True,
        headers={"authorization": "Basic cGstbGY6c2stbGY=", "x-langfuse-ingestion-version": "4"},
        signals=TRACES,
        capture="full",
    ),
    "logfire": Asked("/v1/traces", tls=True, headers={"authorization": "token"}, signals=ALL),
    "datadog": Asked(
        "/v1/traces",
        tls=True,
        headers={"dd-protocol": "otlp", "dd-api-key": "key", "dd-otlp-source": "shop"},
        signals=TRACES,
    ),
}


def plans(place: Path) -> dict[str, Plan]:
    """Return the sinks of all recipes, with the files that they name."""
    blocks = re.findall(r"```toml\n(.*?)```", RECIPES, re.DOTALL)
    for name, asked in ASKED.items():
        path = place / f"{name}.headers"
        path.touch(0o600)
        path.write_text("".join(f"{key}: {value}\n" for key, value in asked.headers.items()))
    config = place / "sidespan.toml"
    config.write_text("\n".join(blocks).replace("/etc/sidespan", str(place)))
    found = registry.parse(load(config, environment={"HOME": str(place)}).sinks)
    return {plan.name: plan for plan in found}


def redirected(plan: Plan, port: int) -> Plan:
    """Return a sink that speaks in the clear to a port here, and is otherwise as it was."""
    endpoint = replace(plan.options["endpoint"], tls=False, host="127.0.0.1", port=port)
    return replace(plan, options={**plan.options, "endpoint": endpoint})


def test_every_product_that_is_named_has_its_recipe(tmp_path: Path) -> None:
    """What the page shows is what is judged here, and each header is told to its reader."""
    assert plans(tmp_path).keys() == ASKED.keys()
    for name, asked in ASKED.items():
        assert name in RECIPES.lower()
        assert all(header in RECIPES for header in asked.headers)


@pytest.mark.parametrize("name", ASKED)
def test_a_recipe_makes_the_request_that_is_asked_for(tmp_path: Path, name: str) -> None:
    """Path, headers, encoding and signals, as a receiver here sees them."""
    plan, asked = plans(tmp_path)[name], ASKED[name]
    assert plan.options["endpoint"].tls is asked.tls
    assert plan.options["signals"] == asked.signals
    assert plan.capture == asked.capture
    batch = records([content(encoded(2))])

    async def over_http() -> None:
        async with collecting_http() as collector:
            sink = registry.build(redirected(plan, collector.port), tmp_path / "sink", generations)
            assert await sink.deliver(batch) == Delivered()
            if Kind.LOGS in sink.kinds:
                logs = records([Content(Kind.LOGS, b"", 1)])
                assert await sink.deliver(logs) == Delivered()
                assert collector.paths.pop() == asked.path.replace("traces", "logs")
            await sink.close()
        assert collector.paths == [asked.path]
        seen = collector.headers[0]
        assert seen["content-type"] == "application/x-protobuf"
        assert {key: seen[key] for key in asked.headers} == asked.headers
        assert seen["user-agent"].startswith("sidespan/")
        assert len(collector.traces()[0].resource_spans) == 1

    async def over_grpc() -> None:
        async with collecting() as collector:
            port = int(collector.address.rpartition(":")[2])
            sink = registry.build(redirected(plan, port), tmp_path / "sink", generations)
            assert await sink.deliver(batch) == Delivered()
            await sink.close()
        assert collector.lsns() == [1, 2]

    run(over_grpc() if plan.options["protocol"] == GRPC else over_http())


def test_a_compressed_request_says_so(tmp_path: Path) -> None:
    """With ``compression = "gzip"`` a receiver is told, and gets the same request."""
    plan = plans(tmp_path)["langfuse"]

    async def test() -> None:
        async with collecting_http() as collector:
            options = {**plan.options, "compression": "gzip"}
            packed = redirected(replace(plan, options=options), collector.port)
            sink = registry.build(packed, tmp_path / "sink", generations)
            assert await sink.deliver(records([content(encoded(2))])) == Delivered()
            await sink.close()
        assert collector.headers[0]["content-encoding"] == "gzip"
        assert ExportTraceServiceRequest.FromString(collector.bodies[0]).resource_spans

    run(test())


def generations(_lineage: bytes, _generation: int) -> dict[str, str]:
    """Return what a GEN record says of its node."""
    return {"source_node_ref": NODE_REF}
