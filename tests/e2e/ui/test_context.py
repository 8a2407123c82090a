"""The context explorer: what a model and a tool were given and what came back."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.ui.conftest import Cinema
from tests.e2e.ui.feeding import Span, trace
from tests.e2e.ui.packing import Packed
from tests.e2e.ui.packing_agent import ANSWER, QUESTION, REPORT, SYSTEM

pytestmark = pytest.mark.slow

MARKUP = '<img src="/nowhere" onerror="document.title=\'owned\'">'


def test_a_call_of_a_model_reads_as_a_conversation(
    page: Page, cinema: Cinema, packed: Packed
) -> None:
    """Instructions, question, the tool's call beside its result, and the answer, in order."""
    chat = packed.id("chat scripted-1", 1)
    page.goto(cinema.url(packed.path("context", span=chat)))

    turns = page.get_by_role("list", name="Conversation").locator(":scope > li")
    expect(turns).to_have_count(4)
    expect(turns.nth(0)).to_contain_text(SYSTEM)
    expect(turns.nth(1)).to_contain_text(QUESTION)
    expect(turns.nth(3)).to_contain_text(ANSWER)
    exchange = turns.nth(2).get_by_test_id("exchange")
    expect(exchange).to_contain_text("call-1")
    sides = exchange.locator(".exchange-sides > div")
    expect(sides.nth(0)).to_contain_text("cities")
    expect(sides.nth(1)).to_contain_text("rain")


def test_facts_say_tokens_and_reported_cost(page: Page, cinema: Cinema, packed: Packed) -> None:
    """Cached tokens are shown as a part of the input, and the cost as the caller's."""
    chat = packed.id("chat scripted-1", 1)
    page.goto(cinema.url(packed.path("context", span=chat)))

    facts = page.locator(".facts")
    expect(facts).to_contain_text(re.compile(r"tokens in\s*402\s*128 cached"))
    expect(facts).to_contain_text(re.compile(r"\$0\.0042\s*as the caller reported it"))


def test_an_answer_that_asks_for_a_tool_leads_to_what_the_tool_returned(
    page: Page, cinema: Cinema, packed: Packed
) -> None:
    """The result is read from the tool's own span, found by the id of the call."""
    page.goto(cinema.url(packed.path("context", span=packed.id("chat scripted-1", 0))))

    exchange = page.get_by_test_id("exchange")
    expect(exchange.locator(".exchange-sides > div").nth(1)).to_contain_text("rain")
    exchange.get_by_role("button", name="execute_tool forecast").click()
    expect(page.locator(".span-head h2")).to_have_text("execute_tool forecast")


def test_a_large_value_is_loaded_by_range(page: Page, cinema: Cinema, packed: Packed) -> None:
    """First its beginning, then more on request, until its last word."""
    page.goto(cinema.url(packed.path("context", span=packed.id("execute_tool forecast"))))
    large = page.locator(".withheld").first
    expect(large).to_contain_text("first word")
    expect(large).not_to_contain_text("last word")

    large.get_by_role("button", name=re.compile("^Load 64")).click()
    expect(large).to_contain_text(re.compile(r"64\.0\s*KiB of"))
    large.get_by_role("button", name="Load all").click()

    expect(large).to_contain_text("last word")
    expect(large.locator(".withheld-text")).to_have_text(REPORT)
    expect(large.get_by_role("button")).to_have_count(0)


def test_an_exception_stands_at_the_head(page: Page, cinema: Cinema, packed: Packed) -> None:
    """Its type and message are seen without opening anything."""
    page.goto(cinema.url(packed.path("context", span=packed.id("execute_tool book_train"))))

    failure = page.get_by_test_id("failure")
    expect(failure).to_contain_text("ConnectionError")
    expect(failure).to_contain_text("the timetable did not answer")


def test_keys_go_from_step_to_step(page: Page, cinema: Cinema, packed: Packed) -> None:
    """``n`` and ``p`` move along the steps of the run, and the address follows."""
    page.goto(cinema.url(packed.path("context", span=packed.id("invoke_agent packer"))))
    expect(page.locator(".span-head h2")).to_have_text("invoke_agent packer")

    page.keyboard.press("n")
    expect(page.locator(".span-head h2")).to_have_text("chat scripted-1")
    expect(page).to_have_url(re.compile(f"span={packed.id('chat scripted-1', 0)}"))
    page.keyboard.press("p")
    expect(page.locator(".span-head h2")).to_have_text("invoke_agent packer")


def test_a_tree_opens_and_closes_with_the_keyboard(page: Page, cinema: Cinema) -> None:
    """Arrows move and fold, as in every tree."""
    nested = '{"' + '":{"'.join("abcdefgh") + '":1' + "}" * 8
    wide = ",".join(f'"k{number}":[{number}]' for number in range(60))
    one = trace(Span("tree", attributes={"deep": nested, "wide": f"{{{wide}}}"}))
    cinema.tell(one)
    page.goto(cinema.url(f"/t/{one.hex}?view=context&span={one.id(0)}"))

    tree = page.get_by_role("tree", name="wide")
    first = tree.get_by_role("treeitem").nth(1)
    expect(first).to_have_attribute("aria-expanded", "false")
    tree.get_by_role("treeitem").nth(0).focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    expect(first).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("ArrowLeft")
    expect(first).to_have_attribute("aria-expanded", "false")


def test_markup_in_span_data_stays_text(page: Page, cinema: Cinema) -> None:
    """In names, keys, values, messages, events and what JSON in them holds."""
    messages = '[{"role":"user","parts":[{"type":"text","content":"<b>bold</b>"}]}]'
    one = trace(
        Span(
            MARKUP,
            attributes={
                MARKUP: MARKUP,
                "json": '{"<i>key</i>":"<script>document.title=1</script>"}',
                "gen_ai.operation.name": "chat",
                "gen_ai.input.messages": messages,
            },
            events=[(MARKUP, {MARKUP: MARKUP})],
        )
    )
    cinema.tell(one)
    page.goto(cinema.url(f"/t/{one.hex}?view=context&span={one.id(0)}"))

    expect(page.locator(".span-head h2")).to_have_text(MARKUP)
    expect(page.locator(".turn-parts")).to_contain_text("<b>bold</b>")
    page.locator("[data-section=Attributes] > summary").click()
    expect(page.locator("[data-section=Attributes]")).to_contain_text("<i>key</i>")
    expect(page.locator("[data-section=Events]")).to_contain_text(MARKUP)
    expect(page.locator("img, b:has-text('bold'), i:has-text('key')")).to_have_count(0)
    assert page.title() != "owned"
