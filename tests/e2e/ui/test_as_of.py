"""With the playhead on, a page says nothing that came later than its moment."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.ui.conftest import Cinema
from tests.e2e.ui.feeding import ERROR, Span, Trace, trace

pytestmark = pytest.mark.slow

CALL = {
    "gen_ai.operation.name": "chat",
    "gen_ai.request.model": "asked-model",
    "gen_ai.response.model": "later-model",
    "gen_ai.input.messages": '[{"role":"user","parts":[{"type":"text","content":"hello"}]}]',
    "gen_ai.output.messages": '[{"role":"assistant","parts":[{"type":"text","content":"LATER"}]}]',
    "gen_ai.usage.input_tokens": 7111,
    "gen_ai.usage.output_tokens": 7222,
    "gen_ai.usage.cost": 0.7333,
    "note": "LATER",
}
TOOL = {
    "gen_ai.operation.name": "execute_tool",
    "gen_ai.tool.name": "find",
    "gen_ai.tool.call.arguments": '{"for":"coats"}',
    "gen_ai.tool.call.result": '"FOUND"',
}
LATER = re.compile(r"LATER|later|7,?111|7,?222|7\.1|0\.73|[45]00\D?ms$|find|execute_tool")
LATER_OF_TOOL = re.compile(r"FOUND|200\D?ms")
DETAIL = {"waterfall": ".span-panel .as-of", "context": ".context-main h2", "flow": ".node.running"}


def told(cinema: Cinema) -> Trace:
    """Return a trace of a call that fails late and a tool that follows it."""
    boom = [("exception", {"exception.type": "LaterError", "exception.message": "LATER"})]
    one = trace(
        Span("run", 0, 1000),
        Span("chat asked-model", 100, 400, 0, CALL, events=boom, status=ERROR, message="LATER"),
        Span("execute_tool find", 600, 200, 0, TOOL),
    )
    cinema.tell(one)
    return one


@pytest.mark.parametrize("view", ["waterfall", "context", "flow"])
@pytest.mark.parametrize("index", [1, 2])
def test_a_running_span_shows_what_it_was_given_and_no_outcome(
    page: Page, cinema: Cinema, view: str, index: int
) -> None:
    """Neither the span, its row nor the head of the page tells its end, answer, tokens or cost.

    The moments are: run, chat began, chat ended, tool began; the call's own event is at its start
    plus a millisecond, which is later than its beginning.
    """
    one = told(cinema)
    step = {1: 2, 2: 4}[index]
    page.goto(cinema.url(f"/t/{one.hex}?view={view}&step={step}&span={one.id(index)}"))
    expect(page.get_by_test_id("moment")).to_have_text(re.compile("began$"))
    expect(page.get_by_text("running").first).to_be_attached()
    expect(page.locator(DETAIL[view]).first).to_be_visible()

    said = page.locator("main, .trace-bar").all_inner_texts()
    said += page.locator("main [title], main [aria-label]").evaluate_all(
        "all => all.map(one => `${one.title ?? ''} ${one.getAttribute('aria-label') ?? ''}`)"
    )
    later = LATER if index == 1 else LATER_OF_TOOL
    assert not [text for text in said if later.search(text)]


def test_a_span_that_is_ahead_shows_its_place_alone(page: Page, cinema: Cinema) -> None:
    """Its row has no name and no length, and its panel says that it has not begun."""
    one = told(cinema)
    page.goto(cinema.url(f"/t/{one.hex}?step=1&span={one.id(2)}"))

    row = page.locator(f'[data-span="{one.id(2)}"]')
    expect(row).to_have_text("not begun")
    expect(page.locator("aside.panel")).to_contain_text("At this step it had not begun")
    expect(page.locator("aside.panel")).not_to_contain_text("find")
    page.get_by_role("button", name="Off").click()
    expect(row).to_contain_text("execute_tool find")
    expect(page.locator("aside.panel")).to_contain_text("FOUND")
