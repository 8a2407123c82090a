"""Who sees an empty list is told how to record a first trace, and it works as it is written."""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.daemon import running
from tests.e2e.ui.conftest import CONFIG, WEB, Cinema
from tests.e2e.ui.feeding import feeding

pytestmark = pytest.mark.slow

SHELL_S_MAX = 30


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Cinema]:
    """Yield a daemon that has recorded nothing, in a directory whose name a shell would split."""
    root = tmp_path / "it's new"
    root.mkdir()
    with running(root, WEB, config=CONFIG) as daemon, feeding(daemon.ingest) as feeder:
        cinema = Cinema(daemon, feeder)
        try:
            yield cinema
        finally:
            cinema.api.close()


def shell(command: str) -> str:
    """Run what the page says, in a shell that finds no daemon by itself; return what it printed."""
    environment = {key: value for key, value in os.environ.items() if key != "SIDESPAN_SOCKET"}
    ours = f'sidespan() {{ {shlex.quote(sys.executable)} -m sidespand "$@"; }}\n'
    return subprocess.run(
        ["sh", "-c", ours + command], env=environment, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=True, timeout=SHELL_S_MAX,
    ).stdout  # fmt: skip


def test_an_empty_list_tells_how_to_fill_it(context: BrowserContext, empty: Cinema) -> None:
    """One command records a trace, which comes without a reload; the other leads SDKs here."""
    page = context.new_page()
    page.goto(empty.url("/"))
    expect(page.get_by_role("heading", name="Nothing is recorded yet")).to_be_visible()
    commands = page.locator("pre.command-block code")
    expect(commands.first).to_contain_text("ingest.sock")
    record, point = commands.all_inner_texts()

    told = shell(f'{point}\nprintf %s "$SIDESPAN_SOCKET"')
    shell(record)

    assert told == str(empty.daemon.ingest)
    row = page.locator("[data-trace]")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("hello")
    expect(page.get_by_role("heading", name="Nothing is recorded yet")).to_have_count(0)
