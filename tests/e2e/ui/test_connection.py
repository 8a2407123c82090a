"""Pages that cannot show what was asked for: the daemon has gone, or the trace is not there."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.daemon import Daemon, running
from tests.e2e.ui.conftest import CONFIG, Cinema, Watch
from tests.e2e.ui.feeding import Span, feeding, trace

pytestmark = pytest.mark.slow

# The page waits up to 5 s between two attempts, and hears a heartbeat every 10 s.
BACK_MS_MAX = 20_000
REDACTS_S_MAX = 30


def free_port() -> int:
    """Return a port of the loopback that nobody has now."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Daemon]:
    """Yield a daemon that a test may stop; its page has the same address in the next life."""
    web = ("--web", f"127.0.0.1:{free_port()}")
    with running(tmp_path / "own", web, config=CONFIG) as daemon:
        yield daemon


def picture(page: Page, name: str) -> None:
    """Keep a picture where somebody asked for them."""
    if directory := os.environ.get("SIDESPAN_STATES"):
        page.screenshot(path=f"{directory}/{name}.png")


@pytest.mark.parametrize("view", ["list", "trace"])
def test_a_page_tells_that_its_daemon_has_gone_and_connects_again(
    own: Daemon, context: BrowserContext, view: str
) -> None:
    """What was there stays; the daemon's next life is followed without a reload."""
    page = context.new_page()
    one = trace(Span("first"), Span("second", 1, 1, 0))
    with feeding(own.ingest) as feeder:
        cinema = Cinema(own, feeder)
        feeder.send(replace(one, spans=one.spans[:1]))
        cinema.indexed(one, 1)
        page.goto(cinema.url("/" if view == "list" else f"/t/{one.hex}?span={one.id(0)}"))
        cinema.api.close()
    expect(page.get_by_text("first").first).to_be_visible()
    expect(page.locator(".live.on")).to_be_visible()

    own.terminate()
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text(re.compile("Not connected since .*connects again by itself"))
    expect(page.locator(".live")).to_have_text("not connected")
    expect(page.get_by_text("first").first).to_be_visible()
    picture(page, f"gone-{view}")

    own.start()
    expect(alert).to_have_count(0, timeout=BACK_MS_MAX)
    with feeding(own.ingest) as feeder:
        cinema = Cinema(own, feeder)
        feeder.send(trace(Span("second")) if view == "list" else one)
        cinema.api.close()
    expect(page.get_by_text("second").first).to_be_visible(timeout=BACK_MS_MAX)
    expect(page.locator(".live")).to_have_text("live")
    page.close()


def test_an_unknown_trace_says_what_to_do_next(page: Page, cinema: Cinema, watch: Watch) -> None:
    """The message names the id, and the list is a click away."""
    watch.expected = {404}
    page.goto(cinema.url("/t/00000000000000000000000000000001"))

    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("00000000000000000000000000000001")
    expect(page.locator(".live")).not_to_have_text("live")
    picture(page, "unknown")
    page.get_by_role("button", name="All traces").click()
    expect(page.get_by_role("table", name="Traces")).to_be_visible()


@pytest.mark.parametrize("opened", ["before", "after"])
def test_a_redacted_trace_says_by_whom_and_why(
    page: Page, cinema: Cinema, watch: Watch, opened: str
) -> None:
    """Whether the page was open then or is opened later, nothing of the trace is on it."""
    watch.expected = {404, 410}
    one = trace(Span("the secret"))
    cinema.tell(one)
    if opened == "before":
        page.goto(cinema.url(f"/t/{one.hex}?span={one.id(0)}"))
        expect(page.get_by_text("the secret").first).to_be_visible()
        expect(page.locator(".live.on")).to_be_visible()
    subprocess.run(
        [
            *(sys.executable, "-m", "sidespand", "redact", "--query", one.hex, "--yes"),
            *("--data", str(cinema.daemon.data), "--run", str(cinema.daemon.run)),
            *("--reason", "asked to", "--actor", "ann"),
            *("--config", str(cinema.daemon.data.parent / "sidespan.toml")),
        ],
        stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=REDACTS_S_MAX,
    )  # fmt: skip
    if opened == "after":
        page.goto(cinema.url(f"/t/{one.hex}"))

    said = page.get_by_role("alert")
    expect(said).to_contain_text("redacted by ann: asked to", timeout=BACK_MS_MAX)
    expect(page.get_by_text("the secret")).to_have_count(0)
    picture(page, f"redacted-{opened}")
