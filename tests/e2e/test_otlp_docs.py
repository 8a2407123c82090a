"""What docs/otlp.md tells people to type works as it stands."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from sidespand.journal.reader import JournalReader
from sidespand.model import Kind, Record
from sidespand.token import decode
from tests.daemon import running
from tests.toolchain import require

PAGE = Path(__file__).parents[2] / "docs/otlp.md"


@pytest.mark.slow
def test_the_documented_curl_line_stores_a_span(tmp_path: Path) -> None:
    """The line is run as printed, but for the socket's path; its token names the stored span."""
    require(shutil.which("curl"), "curl", "apt install curl")
    (line,) = re.findall(r"```sh\n(curl .*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    with running(tmp_path) as daemon:
        answered = subprocess.run(
            ["sh", "-c", line.replace("/run/sidespan/http.sock", str(daemon.http)).strip() + " -i"],
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
    assert answered.returncode == 0, answered.stdout + answered.stderr
    head, _, body = answered.stdout.replace("\r", "").partition("\n\n")
    token = decode(re.findall(r"sidespan-token: (\S+)", head)[0])

    reader = JournalReader(daemon.data)
    newest = next(
        one
        for one in reader.newest_first()
        if isinstance(one, Record) and one.header.kind is Kind.SPANS
    )
    reader.close()
    assert token is not None
    assert (token.lsn, token.tag) == (newest.header.last_lsn, newest.leaf[:16])
    assert "application/json" in head
    assert body.strip() == "{}"
