"""The playhead: a run moment by moment, and every view as it stood then."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.ui.conftest import Cinema
from tests.e2e.ui.feeding import Span, trace
from tests.e2e.ui.packing import Packed
from tests.e2e.ui.packing_agent import ANSWER

pytestmark = pytest.mark.slow


def test_moments_come_in_an_order_that_no_clock_can_turn_round(page: Page, cinema: Cinema) -> None:
    """A child whose clock is behind still begins after its parent; each ends after it began."""
    one = trace(Span("parent", 1000, 100), Span("behind", 0, 10, 0), Span("after", 1050, 10, 0))
    cinema.tell(one)
    page.goto(cinema.url(f"/t/{one.hex}"))
    expect(page.get_by_test_id("playhead")).to_be_visible()

    said = []
    for step in range(1, 7):
        page.keyboard.press("j")
        expect(page).to_have_url(re.compile(f"step={step}(&|$)"))
        said.append(page.get_by_test_id("moment").inner_text())

    assert said == [
        "parent began", "behind began", "behind ended",
        "after began", "after ended", "parent ended",
    ]  # fmt: skip
    page.keyboard.press("k")
    expect(page.get_by_test_id("moment")).to_have_text("after ended")
    page.keyboard.press("Escape")
    expect(page).not_to_have_url(re.compile("step="))


def moment(page: Page, what: str) -> None:
    """Step until a moment has passed."""
    said = page.get_by_test_id("moment")
    for _ in range(20):
        page.keyboard.press("j")
        if said.inner_text() == what:
            return
    pytest.fail(f"{what} did not come")


def test_the_conversation_is_as_it_was_at_the_step(
    page: Page, cinema: Cinema, packed: Packed
) -> None:
    """A call has no answer before it ended, and the next call is not known of."""
    page.goto(cinema.url(packed.path("context", step="0")))
    expect(page.get_by_test_id("playhead")).to_contain_text("before the first moment")

    moment(page, "chat scripted-1 began")
    conversation = page.get_by_role("list", name="Conversation")
    expect(conversation).to_contain_text("not there yet at this step")
    expect(conversation).not_to_contain_text("forecast")
    moment(page, "chat scripted-1 ended")
    expect(conversation).to_contain_text("forecast")
    expect(conversation).not_to_contain_text("rain")
    moment(page, "execute_tool forecast ended")
    expect(conversation).to_contain_text("rain")
    expect(conversation).not_to_contain_text(ANSWER)
    moment(page, "chat scripted-1 began")
    moment(page, "chat scripted-1 ended")
    expect(conversation).to_contain_text(ANSWER)


def test_the_state_is_as_it_was_at_the_step(page: Page, cinema: Cinema, packed: Packed) -> None:
    """While a span runs there is its first snapshot and no second one."""
    page.goto(cinema.url(packed.path("state", step="0")))
    expect(page.get_by_test_id("playhead")).to_contain_text("before the first moment")

    moment(page, "execute_tool forecast began")
    expect(page.locator("[data-when=before]")).to_contain_text("nothing yet")
    expect(page.locator("[data-when=after]")).to_have_text(re.compile("not there yet at this step"))
    expect(page.locator(".state-main")).to_contain_text("what it changed is not known yet")
    moment(page, "execute_tool forecast ended")
    expect(page.locator("[data-when=after]")).to_contain_text("rain")
    expect(page.get_by_test_id("diff")).to_be_visible()


def test_by_the_log_a_span_is_there_once_it_was_durable(
    page: Page, cinema: Cinema, packed: Packed
) -> None:
    """One moment a span; the agent, which was exported last, comes last."""
    page.goto(cinema.url(packed.path(step="0", by="log")))
    expect(page.get_by_test_id("playhead")).to_contain_text("0 / 7")

    page.keyboard.press("j")
    expect(page.get_by_test_id("moment")).to_have_text("plan was durable")
    for _ in range(6):
        page.keyboard.press("j")
    expect(page.get_by_test_id("moment")).to_have_text("invoke_agent packer was durable")


def test_a_jump_goes_to_what_models_tools_and_state_did(page: Page, cinema: Cinema) -> None:
    """``J`` passes over what is plumbing."""
    tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"}
    one = trace(
        Span("root", 0, 100), Span("plumbing", 1, 2, 0), Span("execute_tool search", 10, 5, 0, tool)
    )
    cinema.tell(one)
    page.goto(cinema.url(f"/t/{one.hex}"))
    expect(page.get_by_test_id("playhead")).to_be_visible()

    page.keyboard.press("J")
    expect(page.get_by_test_id("moment")).to_have_text("execute_tool search began")
    page.keyboard.press("K")
    expect(page.get_by_test_id("playhead")).to_contain_text("0 / 6")


def test_it_plays_by_itself_to_the_end(page: Page, cinema: Cinema, packed: Packed) -> None:
    """Space starts it; at the last moment it stops."""
    page.goto(cinema.url(packed.path()))
    expect(page.get_by_test_id("playhead")).to_be_visible()

    page.keyboard.press("Space")

    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    expect(page.get_by_test_id("playhead")).to_contain_text("14 / 14")
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()
