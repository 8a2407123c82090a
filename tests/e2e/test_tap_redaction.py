"""The debug tap's file is redacted with the rest, also where no sink is left that fills it."""

import base64
import json
import os
from pathlib import Path

import pytest

from tests.daemon import running, wait_until
from tests.e2e.test_redaction import KEPT, SECRET, WAIT_S, redact, request, send, sidespan

pytestmark = pytest.mark.slow


def payloads(tap: Path) -> list[bytes]:
    """Return what the tap has copies of."""
    lines = tap.read_text(encoding="utf-8").splitlines() if tap.exists() else []
    return [base64.b64decode(json.loads(line)["payload"]) for line in lines]


def test_a_tap_without_a_sink_is_redacted(tmp_path: Path) -> None:
    """A running daemon whose sinks were taken away erases it; what it cannot erase, it says."""
    tap = tmp_path / "tap.jsonl"
    config = f'[tap]\npath = "{tap}"\n'
    with running(tmp_path, config=f'{config}[sinks.archive]\ntype = "jsonl"\n') as daemon:
        position, _ = send(daemon, request(os.urandom(16), SECRET), request(os.urandom(16), KEPT))
        wait_until(lambda: len(payloads(tap)) == 2, WAIT_S, "the tap")
        assert any(SECRET in one for one in payloads(tap))

    with running(tmp_path, config=config) as daemon:
        wait_until((daemon.run / "api.sock").exists, WAIT_S, "the API")
        # A line that is none of the tap's: it is not known what it holds.
        with tap.open("ab") as file:
            file.write(b'{"tap":"sidespan.tap.v1","kind":3}\n{}\n')
        refused = sidespan(
            daemon, "redact", "--run", str(daemon.run), position, "--yes", "--reason", "x", expect=2
        )
        assert "tap.path: its file may still hold what was redacted" in refused.stderr
        lines = tap.read_bytes().splitlines(keepends=True)
        tap.write_bytes(b"".join(lines[:2]))

        told = redact(daemon, position)

        assert len(told["already_redacted"]) == 1
        assert [KEPT in one for one in payloads(tap)] == [True]
