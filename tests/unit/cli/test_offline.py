"""``sidespan verify`` touches no network and no daemon: it opens not one socket (N18)."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sidespand.model import Kind
from sidespand.sinks.jsonl import encode_lines
from tests.attested import Node
from tests.journals import records_of
from tests.unit.cli.conftest import Run
from tests.unit.query import samples

# Python imports it before anything else, in the child that reads a store, too.
SITE = """
import os, sys

def refuse(event, args):
    if event.startswith("socket."):
        os.write(2, f"{event} {args}".encode())
        os._exit(99)

sys.addaudithook(refuse)
"""


def offline(site: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run Python where no socket can be made."""
    site.mkdir(exist_ok=True)
    (site / "sitecustomize.py").write_text(SITE)
    paths = [str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.slow
def test_nothing_but_the_key_and_the_file_is_needed(run: Run, tmp_path: Path) -> None:
    """A store, a bundle and an exported file are checked by processes that cannot make a socket."""
    node = Node(tmp_path / "data")
    node.live([samples.spans_content(samples.request(samples.span(1)))])
    bundle, lines = tmp_path / "bundle", tmp_path / "spans.jsonl"
    span = samples.span_id(1).hex()
    assert run("prove", span, "-o", bundle, "--with-payload", "--data", node.data_dir).status == 0
    lines.write_bytes(
        b"".join(
            line
            for record in records_of(node.data_dir)
            if record.header.kind is Kind.SPANS
            for _, line in encode_lines(record, "node://a@host")
        )
    )

    for path in (node.data_dir, bundle, lines):
        ran = offline(tmp_path / "site", "-m", "sidespand", "verify", path, "--key", node.pinned)
        assert (ran.returncode, ran.stderr) == (0, "")
        assert "nothing is wrong" in ran.stdout
    assert offline(tmp_path / "site", "-c", "import socket; socket.socket()").returncode == 99
