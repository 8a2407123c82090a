"""Every view names the command that shows the same in a terminal, and the command works."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.ui.conftest import Cinema
from tests.e2e.ui.packing import Packed

pytestmark = pytest.mark.slow

TRIES = 3
COMMAND_S_MAX = 30
# What each view shows of the run, and the command must, too: without a selected span, and with one.
VIEWS: Mapping[str, tuple[str, str]] = {
    "waterfall": ("execute_tool book_train", "execute_tool book_train"),
    "context": ('result: {"Lisbon"', 'result: {"Lisbon"'),
    "state": ("memory.plan", "memory.forecast"),
    "flow": ("node-attested", "node-attested"),
    "evidence": ("payload commitment", "payload commitment"),
}
LISTS: Sequence[Mapping[str, str]] = (
    {},
    {"q": "has:error"},
    {"q": 'text:"rain jacket" service:packer', "sort": "dur"},
)


def copied(page: Page) -> str:
    """Press the key that copies the command; return what was copied."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    for _ in range(TRIES):
        page.keyboard.press("y")
        expect(page.get_by_role("button", name="Copied")).to_be_visible()
        text: str = page.evaluate("navigator.clipboard.readText()")
        # A view that selects its first step by itself changes the command once.
        if text == page.get_by_test_id("command").inner_text():
            return text
    pytest.fail(f"what was copied is not what is shown: {text}")


def answered(cinema: Cinema, command: str) -> str:
    """Run a command as a shell does, against the page's daemon; return what it printed."""
    words = shlex.split(command)
    assert words[0] == "sidespan"
    daemon = cinema.daemon
    places = {
        "--data": daemon.data,
        "--run": daemon.run,
        "--config": daemon.data.parent / "sidespan.toml",
    }
    run = [sys.executable, "-m", "sidespand", *words[1:]]
    usage = subprocess.run(
        [*run[:4], "--help"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=COMMAND_S_MAX, check=True,
    ).stdout  # fmt: skip
    known = [word for flag in places if flag in usage for word in (flag, str(places[flag]))]
    done = subprocess.run(
        [*run, *known], env={**os.environ, "NO_COLOR": "1"}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=COMMAND_S_MAX, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


@pytest.mark.parametrize("asked", LISTS)
def test_the_command_of_the_list_lists(
    page: Page, cinema: Cinema, packed: Packed, asked: Mapping[str, str]
) -> None:
    """Search and order are in it, quoted as a shell needs it; it finds the trace that is shown."""
    page.goto(cinema.url("/?" + urlencode(asked)))
    if "q" in asked:
        expect(page.locator(f'[data-trace="{packed.trace_id}"]').first).to_be_visible()
    expect(page.locator("[data-trace]").first).to_be_visible()
    shown = page.locator("[data-trace]").first.get_attribute("data-trace")
    assert shown is not None

    command = copied(page)

    words = shlex.split(command)
    assert words[1] == "ls"
    assert asked.get("q", "") in " ".join(words[2:])
    assert shown[:8] in answered(cinema, command)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("selected", ["", "execute_tool forecast"])
def test_the_command_of_a_view_shows_what_it_shows(
    page: Page, cinema: Cinema, packed: Packed, view: str, selected: str
) -> None:
    """With and without a selected span, of the trace that is open."""
    chosen = {"span": packed.id(selected)} if selected else {}
    page.goto(cinema.url(packed.path(view, **chosen)))
    expect(page.locator(".view").first).to_be_visible()
    expect(page.get_by_test_id("playhead")).to_be_visible()

    if view in ("context", "evidence"):
        # It selects the first step by itself, and the command names it.
        expect(page).to_have_url(re.compile("span="))

    assert VIEWS[view][1 if selected else 0] in answered(cinema, copied(page))


@pytest.mark.parametrize(
    ("view", "more"),
    [
        ("state", {"against": "previous"}),
        ("state", {"of": "messages"}),
        ("flow", {"b": "1"}),
        ("flow", {"b": "1", "about": "commit"}),
    ],
)
def test_what_was_chosen_in_a_view_is_in_its_command(
    page: Page, cinema: Cinema, packed: Packed, view: str,
    more: Mapping[str, str],
) -> None:  # fmt: skip
    """The other span, and what is compared."""
    given = dict(more)
    chosen = "remember" if view == "state" else "plan"
    if given.get("of") == "messages":
        chosen = "chat scripted-1"
    if "b" in given:
        given["b"] = packed.id("execute_tool forecast")
    nth = 1 if chosen.startswith("chat") else 0
    page.goto(cinema.url(packed.path(view, span=packed.id(chosen, nth), **given)))
    expect(page.get_by_test_id("playhead")).to_be_visible()

    command = copied(page)

    assert all(value in command for value in given.values()), command
    assert answered(cinema, command).strip()


@pytest.mark.parametrize(("of", "shown"), [("state", "plan"), ("messages", "chat scripted-1")])
def test_the_command_of_the_state_names_what_is_shown(
    page: Page, cinema: Cinema, packed: Packed, of: str, shown: str
) -> None:
    """A span without snapshots or messages is selected: the first that has some is shown."""
    page.goto(cinema.url(packed.path("state", of=of, span=packed.id("execute_tool book_train"))))
    expect(page).to_have_url(re.compile(f"span={packed.id(shown)}"))

    assert packed.id(shown) in copied(page)
