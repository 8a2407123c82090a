"""The state diff: what a step changed, and what a model was given beyond the call before."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.ui.conftest import Cinema
from tests.e2e.ui.feeding import Span, trace
from tests.e2e.ui.packing import Packed

pytestmark = pytest.mark.slow


def test_a_step_shows_what_it_changed_in_the_state(
    page: Page, cinema: Cinema, packed: Packed
) -> None:
    """Added and changed members, each with what it was and what it is."""
    page.goto(cinema.url(packed.path("state", span=packed.id("execute_tool forecast"))))

    diff = page.get_by_test_id("diff")
    expect(diff.locator(".tally")).to_have_text(["1 added", "2 changed"])
    coats = diff.locator(".change", has_text="coats")
    expect(coats).to_have_attribute("data-op", "changed")
    expect(coats.locator(".side")).to_have_text(["0", "1"])
    expect(diff.locator("[data-op=added]")).to_contain_text("Porto")
    expect(page.locator("[data-when=before]")).not_to_contain_text("rain")
    expect(page.locator("[data-when=after]")).to_contain_text("rain")


def test_text_is_compared_word_by_word(page: Page, cinema: Cinema, packed: Packed) -> None:
    """What went is struck out, what came is marked, in one line."""
    page.goto(cinema.url(packed.path("state", span=packed.id("execute_tool forecast"))))

    notes = page.locator(".change", has_text="notes").locator(".hunks")
    expect(notes.locator("del").first).to_have_text("nothing")
    expect(notes.locator("ins").first).to_contain_text("Porto")


def test_state_is_compared_with_the_snapshot_before(
    page: Page, cinema: Cinema, packed: Packed
) -> None:
    """The other choice: what changed since another span looked."""
    remember = packed.id("remember")
    page.goto(cinema.url(packed.path("state", span=remember)))
    expect(page.get_by_test_id("diff").locator(".tally")).to_have_text(["1 changed"])

    page.get_by_role("button", name="Since the snapshot before").click()

    expect(page).to_have_url(re.compile("against=previous"))
    diff = page.get_by_test_id("diff")
    expect(diff.locator(".diff-head")).to_contain_text("execute_tool forecast")
    expect(diff.locator("[data-op=dropped]")).to_contain_text("ask for the weather")


def test_messages_are_compared_with_the_call_before(
    page: Page, cinema: Cinema, packed: Packed
) -> None:
    """The second call was given the tool's result beyond all that the first had."""
    chat = packed.id("chat scripted-1", 1)
    page.goto(cinema.url(packed.path("state", span=chat, of="messages")))

    diff = page.get_by_test_id("diff")
    expect(diff.locator(".tally")).to_have_text(["1 added"])
    expect(diff.locator("[data-op=added]")).to_contain_text("rain")


def test_a_trace_without_snapshots_says_how_to_take_one(page: Page, cinema: Cinema) -> None:
    """Nothing to show is said in words, with the next thing to do."""
    one = trace(Span("bare"))
    cinema.tell(one)
    page.goto(cinema.url(f"/t/{one.hex}?view=state"))

    said = page.locator(".state-main").get_by_role("status")
    expect(said).to_contain_text("No snapshots of state in this trace")
    expect(said).to_contain_text('span.state("memory", value)')
