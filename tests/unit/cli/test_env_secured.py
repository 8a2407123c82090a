"""The variables that point a stock SDK at ports with TLS and tokens."""

import os
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sidespand.model import Kind
from tests.certificates import Authority
from tests.daemon import running
from tests.journals import records_of
from tests.unit.cli.conftest import Run
from tests.unit.cli.test_env import PROGRAM

TOKEN = "a+token/of=team-a"
TLS = '[receivers.tls]\ncert_file = "{cert}"\nkey_file = "{key}"\n'
TENANT = '[receivers.tenants.team-a]\ntoken_file = "{token}"\n'


def configured(root: Path, text: str, **paths: Path) -> Path:
    """Return a configuration file."""
    path = root / "sidespan.toml"
    path.write_text(text.format(**paths), encoding="utf-8")
    return path


def token_file(root: Path) -> Path:
    """Return a file with TOKEN, and one more."""
    path = root / "token"
    path.touch(0o600)
    path.write_text(f"{TOKEN}\n0123456789abcdef\n", encoding="ascii")
    return path


@pytest.mark.parametrize(("door", "port"), [("grpc", 4317), ("http", 4318)])
def test_a_port_with_tls_is_named_so(run: Run, tmp_path: Path, door: str, port: int) -> None:
    """A certificate that signed itself is its own authority; the first token is the newest."""
    node = Authority(tmp_path, "node", ["localhost"])
    paths = {"cert": node.cert, "key": node.key, "token": token_file(tmp_path)}
    config = configured(tmp_path, TLS + TENANT, **paths)

    outcome = run("env", "--config", config, "--door", door, "--tenant", "team-a", "--json")

    variables = outcome.document
    assert variables["OTEL_EXPORTER_OTLP_ENDPOINT"] == f"https://127.0.0.1:{port}"
    assert variables["OTEL_EXPORTER_OTLP_CERTIFICATE"] == str(node.cert)
    assert variables["OTEL_EXPORTER_OTLP_HEADERS"] == (
        "authorization=Bearer%20a%2Btoken%2Fof%3Dteam-a"
    )
    assert "token" not in outcome.err


def test_who_listens_everywhere_is_called_localhost(run: Run, tmp_path: Path) -> None:
    """0.0.0.0 is no name that a certificate bears."""
    config = configured(tmp_path, '[receivers]\notlp_grpc = "0.0.0.0:5"\ninsecure_listen = true\n')
    variables = run("env", "--config", config, "--door", "grpc", "--json").document
    assert variables["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://localhost:5"


def test_what_the_door_asks_for_is_told(run: Run, tmp_path: Path) -> None:
    """What this command cannot know goes to stderr, where a shell does not evaluate it."""
    authority = Authority(tmp_path)
    pair = authority.issue("node", ["localhost"])
    text = TLS + 'client_ca_file = "{clients}"\n' + TENANT
    config = configured(
        tmp_path, text, cert=pair.cert, key=pair.key, clients=authority.cert, token=Path("/x")
    )

    outcome = run("env", "--config", config, "--door", "http")

    assert "CERTIFICATE" not in outcome.out
    assert "HEADERS" not in outcome.out
    for told in ("OTEL_EXPORTER_OTLP_CERTIFICATE", "OTEL_EXPORTER_OTLP_CLIENT_KEY", "--tenant"):
        assert told in outcome.err


def test_an_unknown_tenant_is_told(run: Run, tmp_path: Path) -> None:
    """And one without a token of its own."""
    config = configured(tmp_path, "[receivers.tenants.team-a]\nusers = [1]\n")
    for name in ("team-a", "team-b"):
        outcome = run("env", "--config", config, "--tenant", name)
        assert (outcome.status, outcome.out) == (1, "")
        assert f"receivers.tenants.{name}" in outcome.err


def test_a_socket_that_shows_nobody_is_told_of(run: Run, tmp_path: Path) -> None:
    """Where users are listed, a stock SDK needs a token on grpc.sock too."""
    users = "[receivers.tenants.team-b]\nusers = [1]\n"
    config = configured(tmp_path, users + TENANT, token=token_file(tmp_path))

    without = run("env", "--config", config)
    shown = run("env", "--config", config, "--tenant", "team-a")

    assert "--tenant NAME" in without.err
    assert "HEADERS=authorization" in shown.out
    assert "--tenant" not in shown.err


@pytest.mark.slow
def test_a_stock_sdk_needs_nothing_else(run: Run, tmp_path: Path) -> None:
    """Evaluated by a shell, they lead it through TLS and past the token."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    node = Authority(tmp_path, "node", ["localhost", "127.0.0.1"])
    paths = {"cert": node.cert, "key": node.key, "token": token_file(tmp_path)}
    text = f'[receivers]\notlp_grpc = "127.0.0.1:{port}"\n' + TLS + TENANT
    config = configured(tmp_path, text, **paths)
    root = tmp_path / "node"
    with running(
        root, ("--otlp-grpc", f"127.0.0.1:{port}"), config=config.read_text(encoding="utf-8")
    ) as daemon:
        arguments = ["--config", str(config), "--run", str(daemon.run), "--door", "grpc"]
        printed = run("env", *arguments, "--tenant", "team-a").out
        command = f"{printed}\nexec {shlex.quote(sys.executable)} -c {shlex.quote(PROGRAM)}"
        sent = subprocess.run(
            ["sh", "-c", command],
            env=dict(os.environ), capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert sent.returncode == 0, sent.stderr

    assert [one for one in records_of(root / "data") if one.header.kind is Kind.SPANS]
