"""Who may write, as the running daemon keeps it: sockets, users, tokens, exposed ports."""

import grp
import http.client
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import grpc
import msgpack
import pytest

from sidespan.v1.recorder_pb2 import Hello, Nack
from sidespand.model import Kind
from tests import doors
from tests.daemon import START_S_MAX, Daemon, running
from tests.frame_client import HELLO, FrameClient
from tests.journals import records_of
from tests.otlp import encoded
from tests.toolchain import require

SOCKETS = ("ingest.sock", "grpc.sock", "http.sock")

pytestmark = pytest.mark.slow


def ended(root: Path, config: str) -> tuple[int, str]:
    """Return how a daemon ended that could not start: its status and what it said."""
    path = root / "sidespan.toml"
    path.write_text(config, encoding="utf-8")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "sidespand", "serve", "--config", str(path)),
            *("--data", str(root / "data"), "--run", str(root / "run")),
        ],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=START_S_MAX, check=False,
    )  # fmt: skip
    return done.returncode, done.stderr


def tenants(daemon: Daemon) -> list[str]:
    """Return the tenants of all SESSION records, oldest first."""
    return [
        msgpack.unpackb(one.payload)["tenant"]
        for one in records_of(daemon.data)
        if one.header.kind is Kind.SESSION and one.payload is not None
    ]


def test_sockets_belong_to_whom_the_configuration_says(tmp_path: Path) -> None:
    """Mode, owner and group are those of the file, and nothing of it is in between."""
    require(os.geteuid() == 0, "root", "run as root, so that a socket can be given away")
    group = grp.getgrall()[-1]
    config = (
        f'[receivers]\nsocket_mode = "0606"\nsocket_owner = 65534\nsocket_group = "{group.gr_name}"'
    )
    with running(tmp_path, config=config) as daemon:
        found = [(daemon.run / name).stat() for name in SOCKETS]

    assert {stat.S_IMODE(one.st_mode) for one in found} == {0o606}
    assert {(one.st_uid, one.st_gid) for one in found} == {(65534, group.gr_gid)}


def test_users_that_are_not_listed_are_refused_at_every_socket(tmp_path: Path) -> None:
    """grpc.sock, which shows nobody, is closed with them."""
    config = f"[receivers.tenants.other]\nusers = [{os.getuid() + 1}]\n"
    with running(tmp_path, config=config) as daemon:
        with FrameClient(daemon.ingest) as client:
            hello = Hello(
                instance_id=bytes(16), protocol_version_min=1, protocol_version_max=1
            ).SerializeToString()
            client.send(HELLO, 0, hello)
            nack = client.nack(0)
            assert (nack.code, nack.text) == (
                Nack.PERMISSION_DENIED,
                f"uid {os.getuid()} may not write here",
            )
            assert client.closed()
        with doors.opened("grpc.sock", daemon) as door:
            answer = door.send(encoded())
            assert answer.code is grpc.StatusCode.PERMISSION_DENIED
        with doors.opened("http.sock", daemon) as door:
            answer = door.send(encoded())
            assert (answer.code, answer.text) == (403, f"uid {os.getuid()} may not write here")
        assert [one for one in records_of(daemon.data) if one.header.kind is Kind.SPANS] == []


def test_a_listed_user_writes_as_its_tenant(tmp_path: Path) -> None:
    """By frames and over HTTP, without a token."""
    config = f"[receivers.tenants.mine]\nusers = [{os.getuid()}]\n"
    with running(tmp_path, config=config) as daemon:
        for name in ("frames", "http.sock"):
            with doors.opened(name, daemon) as door:
                assert door.send(encoded()).code == door.ok

        assert tenants(daemon) == ["mine", "mine"]
        receipt = subprocess.run(
            [sys.executable, "-m", "sidespand", "receipt", "last", "--json", "--data", daemon.data],
            capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
        assert '"tenant": "mine"' in receipt.stdout


@pytest.mark.fault(30)
@pytest.mark.parametrize(
    ("config", "text"),
    [
        (
            '[receivers]\notlp_http = "0.0.0.0:4318"\n',
            "receivers.otlp_http: other addresses than loopback need receivers.tls",
        ),
        (
            '[receivers.tenants.a]\ntoken_file = "/nonexistent/token"\n',
            "receivers.tenants.a.token_file: cannot read /nonexistent/token",
        ),
        (
            '[receivers.tls]\ncert_file = "/nonexistent/c"\nkey_file = "/nonexistent/k"\n',
            "receivers.tls.cert_file: cannot read /nonexistent/c",
        ),
    ],
)
def test_what_is_not_safe_does_not_start(tmp_path: Path, config: str, text: str) -> None:
    """It exits 2 with the key, and opened nothing."""
    status, said = ended(tmp_path, config)

    assert status == 2
    assert text in said
    assert "Traceback" not in said
    assert not (tmp_path / "data").exists()


def test_an_open_port_is_loud(tmp_path: Path) -> None:
    """The log warns at the start, and status shows it for the generation."""
    config = "[receivers]\ninsecure_listen = true\n"
    flags = ("--otlp-grpc", "off", "--otlp-http", "0.0.0.0:0")
    with running(tmp_path, flags, config=config) as daemon:
        shown = [
            subprocess.run(
                [sys.executable, "-m", "sidespand", "status", *form, "--data", daemon.data],
                capture_output=True, text=True, timeout=60, check=True,
            ).stdout
            for form in ([], ["--json"])
        ]  # fmt: skip

    assert "ANYBODY who reaches 0.0.0.0:0 may write here" in daemon.log()
    assert "INSECURE" in shown[0]
    assert json.loads(shown[1])["insecure_listen"] == ["0.0.0.0:0"]


def test_a_page_cannot_post_spans(tmp_path: Path) -> None:
    """Not by a simple request, not after a preflight, not under another name."""
    with running(tmp_path, doors.TCP_FLAGS) as daemon:
        port = doors.ports(daemon).http
        tries = (
            ("POST", {"content-type": "text/plain"}, 415),
            ("POST", {"content-type": "application/x-www-form-urlencoded"}, 415),
            ("POST", {"content-type": "application/json", "origin": "https://evil.example"}, 403),
            ("POST", {**doors.PROTOBUF, "origin": "null"}, 403),
            ("POST", {**doors.PROTOBUF, "host": f"evil.example:{port}"}, 403),
            ("OPTIONS", {"origin": "https://evil.example"}, 403),
        )
        found = []
        for method, headers, _ in tries:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=doors.TIMEOUT_S)
            body = encoded() if method == "POST" else None
            connection.request(method, "/v1/traces", body, headers)
            response = connection.getresponse()
            found.append(response.status)
            assert not [one for one in response.headers if one.startswith("access-control")]
            connection.close()

        assert found == [status for _, _, status in tries]
        assert [one for one in records_of(daemon.data) if one.header.kind is Kind.SPANS] == []
