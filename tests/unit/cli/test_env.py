"""The variables that point a stock SDK at the daemon."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from sidespand.cli import main
from tests.daemon import running

PROGRAM = """
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter()))
with provider.get_tracer("test").start_as_current_span("pointed"):
    pass
provider.shutdown()
"""


def test_the_socket_is_the_default(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The lines are for a shell, quoted, and a note says that no daemon runs."""
    run = tmp_path / "a b"
    assert main(["env", "--run", str(run)]) == 0
    out, err = capsys.readouterr()

    assert f"export SIDESPAN_SOCKET='{run}/ingest.sock'" in out.splitlines()
    assert f"export OTEL_EXPORTER_OTLP_ENDPOINT='unix://{run}/grpc.sock'" in out.splitlines()
    assert "export OTEL_EXPORTER_OTLP_INSECURE=true" in out.splitlines()
    assert "no daemon" in err


@pytest.mark.parametrize(
    ("door", "endpoint", "protocol"),
    [("grpc", "http://127.0.0.1:4317", "grpc"), ("http", "http://[::1]:9", "http/protobuf")],
)
def test_a_tcp_door_is_named_by_its_address(
    door: str, endpoint: str, protocol: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The address is that of the configuration, an IPv6 one in brackets."""
    path = tmp_path / "c.toml"
    path.write_text('[receivers]\notlp_http = "[::1]:9"\n', encoding="utf-8")
    assert main(["env", "--config", str(path), "--door", door, "--json"]) == 0
    variables = json.loads(capsys.readouterr().out)

    assert variables["OTEL_EXPORTER_OTLP_ENDPOINT"] == endpoint
    assert variables["OTEL_EXPORTER_OTLP_PROTOCOL"] == protocol


def test_a_closed_door_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is printed that would not work; the key is named."""
    path = tmp_path / "c.toml"
    path.write_text('[receivers]\notlp_grpc = "off"\n', encoding="utf-8")

    assert main(["env", "--config", str(path), "--door", "grpc"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "receivers.otlp_grpc is off" in err


@pytest.mark.slow
def test_a_stock_sdk_finds_the_daemon_by_them(tmp_path: Path) -> None:
    """Evaluated by a shell, they are all that the SDK's exporter needs."""
    with running(tmp_path) as daemon:
        ours = shlex.join([sys.executable, "-m", "sidespand", "env", "--run", str(daemon.run)])
        sent = subprocess.run(
            ["sh", "-c", f'eval "$({ours})" && exec "$0" -c "$1"', sys.executable, PROGRAM],
            env={**os.environ, "OTEL_SERVICE_NAME": "pointed"},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert sent.returncode == 0, sent.stderr
        shown = subprocess.run(
            [sys.executable, "-m", "sidespand", "show", "last", "--json", "--data", daemon.data],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    (span,) = json.loads(shown.stdout)["spans"]
    assert (span["name"], span["service"]) == ("pointed", "pointed")
