"""The page is one command away: from a shell, and from a package that was just installed."""

import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from tests.daemon import wait_until
from tests.e2e.ui.conftest import Cinema
from tests.e2e.ui.feeding import Span, trace
from tests.results import counted

COMMAND_S_MAX = 60
INSTALL_S_MAX = 300
# What a browser's command is told lands in a file, from which a test's browser reads it.
BROWSER = '#!/bin/sh\nprintf %s "$1" >"$0.asked.part" && mv "$0.asked.part" "$0.asked"\n'


def browser_command(directory: Path) -> tuple[Path, Path]:
    """Return a command that is a browser to the shell, and the file where it notes its address."""
    command = directory / "browser"
    command.write_text(BROWSER, encoding="ascii")
    command.chmod(0o700)
    return command, directory / "browser.asked"


@contextmanager
def a_terminal() -> Iterator[int]:
    """Yield the end that a command writes to; what is written is read and thrown away."""
    reading, writing = pty.openpty()

    def read() -> None:
        # A terminal whose writers have gone answers with an error.
        with suppress(OSError):
            while os.read(reading, 65_536):
                pass

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield writing
    finally:
        os.close(writing)
        reader.join()
        os.close(reading)


@pytest.mark.slow
def test_open_last_shows_the_newest_trace_in_the_browser(
    context: BrowserContext, cinema: Cinema, tmp_path: Path
) -> None:
    """On a terminal the browser gets a file, not the token, and the file leads to the trace."""
    newest = trace(Span("the newest"), start_ns=time.time_ns())
    cinema.tell(newest)
    command, asked = browser_command(tmp_path)
    with a_terminal() as terminal:
        subprocess.run(
            [
                *(sys.executable, "-m", "sidespand", "open", "last"),
                *("--data", str(cinema.daemon.data), "--run", str(cinema.daemon.run)),
            ],
            env={**os.environ, "BROWSER": str(command)}, stdin=subprocess.DEVNULL,
            stdout=terminal, stderr=subprocess.PIPE, timeout=COMMAND_S_MAX, check=True,
        )  # fmt: skip
        wait_until(asked.exists, COMMAND_S_MAX, "the browser's command to be run")
    address = asked.read_text(encoding="utf-8")
    page = context.new_page()
    page.goto(address)

    assert address.startswith("file://")
    assert cinema.token not in address
    expect(page.get_by_role("treegrid", name="Spans")).to_be_visible()
    expect(page).to_have_url(re.compile(f"/t/{newest.hex}(\\?|$)"))


@pytest.mark.long
def test_from_nothing_to_the_first_trace_on_screen(
    wheel: Path, browser: Browser, tmp_path: Path
) -> None:
    """Install, demonstration, daemon, page; how long it took is counted.

    The packages come from pip's cache or its index, as on any machine; the demonstration keeps its
    daemon and opens the page itself.
    """
    (archive,) = wheel.parent.glob("*.whl")
    command, asked = browser_command(tmp_path)
    environment = {**os.environ, "BROWSER": str(command)}
    began_s = time.monotonic()
    venv.create(tmp_path / "venv", with_pip=True, symlinks=True)
    subprocess.run(
        [str(tmp_path / "venv/bin/pip"), "install", "--quiet", f"{archive}[daemon]"],
        check=True, capture_output=True, timeout=INSTALL_S_MAX,
    )  # fmt: skip
    installed_s = time.monotonic()
    errors = tmp_path / "errors"
    with a_terminal() as terminal, errors.open("wb") as told:
        demo = subprocess.Popen(
            [str(tmp_path / "venv/bin/sidespan"), "demo", "--stay", "--data", str(tmp_path / "s")],
            env=environment, cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=terminal, stderr=told,
        )  # fmt: skip

        def opened() -> bool:
            assert demo.poll() is None, f"the demonstration ended:\n{errors.read_text()}"
            return asked.exists()

        try:
            wait_until(opened, COMMAND_S_MAX, "the demonstration to open the page")
            page = browser.new_page()
            page.goto(asked.read_text(encoding="utf-8"))
            expect(page.locator(".span-row").first).to_be_visible()
            shown_s = time.monotonic()
            page.close()
        finally:
            # As Ctrl-C: it stops its daemon.
            demo.send_signal(signal.SIGINT)
            demo.wait(COMMAND_S_MAX)
    counted(
        "Install to the first trace on screen, in seconds",
        installed=f"{installed_s - began_s:.1f}",
        shown=f"{shown_s - began_s:.1f}",
    )
