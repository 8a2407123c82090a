"""The causal flow: lanes, edges, and which of two spans was first."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.ui.conftest import Cinema
from tests.e2e.ui.feeding import Span, trace
from tests.e2e.ui.packing import Packed

pytestmark = pytest.mark.slow


def node(page: Page, name: str, nth: int = 0) -> Locator:
    """Return the box of a span."""
    return page.get_by_role("button", name=re.compile(f"^{name}, ")).nth(nth)


def test_two_clicks_ask_which_was_first(page: Page, cinema: Cinema, packed: Packed) -> None:
    """The verdict comes in words, with its strength, its path and what must hold."""
    page.goto(cinema.url(packed.path("flow")))

    node(page, "chat scripted-1").click()
    node(page, "execute_tool forecast").click()

    verdict = page.get_by_test_id("verdict")
    expect(verdict).to_contain_text("A was made durable before B.")
    expect(verdict).to_contain_text("node-attested")
    expect(verdict.get_by_role("img", name="Strength 4 of 5")).to_be_visible()
    expect(verdict.locator(".verdict-path > li")).to_have_count(1)
    expect(verdict).to_contain_text("the node gives LSNs in the order of its commits")
    expect(page.get_by_test_id("command")).to_contain_text("sidespan compare")


def test_a_link_shows_the_same_verdict(page: Page, cinema: Cinema, packed: Packed) -> None:
    """Both spans are in the address; swapped, the answer turns round."""
    a, b = packed.id("chat scripted-1"), packed.id("execute_tool forecast")
    page.goto(cinema.url(packed.path("flow", span=a, b=b)))
    expect(page.get_by_test_id("verdict")).to_contain_text("A was made durable before B.")

    page.keyboard.press("x")

    expect(page.get_by_test_id("verdict")).to_contain_text("B was made durable before A.")
    expect(page).to_have_url(re.compile(f"span={b}.*b={a}"))


def test_what_nothing_orders_is_said_to_be_unordered(
    page: Page, cinema: Cinema, packed: Packed
) -> None:
    """Asked about when they ran, two siblings have no evidence, and that is the answer."""
    a, b = packed.id("chat scripted-1"), packed.id("remember")
    page.goto(cinema.url(packed.path("flow", span=a, b=b)))

    page.get_by_role("button", name="When they ran").click()

    verdict = page.get_by_test_id("verdict")
    expect(verdict).to_contain_text("does not make them concurrent")
    expect(verdict).to_contain_text("no evidence")


def test_one_span_shows_what_it_is_joined_with(page: Page, cinema: Cinema, packed: Packed) -> None:
    """The tool is joined with the call that asked for it by the id of that call."""
    page.goto(cinema.url(packed.path("flow", span=packed.id("execute_tool forecast"))))

    joined = page.locator(".joined")
    expect(joined).to_contain_text(re.compile(r"tool call\s*chat scripted-1 asked"))
    expect(joined).to_contain_text("call-1")


def test_lanes_and_edges_are_chosen_and_kept_in_the_address(
    page: Page, cinema: Cinema, packed: Packed
) -> None:
    """By kind there is a lane for models and one for tools; a kind of edge can be hidden."""
    page.goto(cinema.url(packed.path("flow", lanes="kind")))
    lanes = page.locator(".flow-lane-name")
    expect(lanes.filter(has_text="llm")).to_have_count(1)
    expect(lanes.filter(has_text="tool")).to_have_count(1)
    expect(page.locator("path.edge.tool_call")).to_have_count(2)

    page.get_by_role("button", name=re.compile("^tool call")).click()

    expect(page.locator("path.edge.tool_call")).to_have_count(0)
    expect(page).to_have_url(re.compile("hide=tool_call"))


@pytest.mark.parametrize(
    ("lanes", "names"),
    [
        ("agent", ["packer"]),
        ("service", ["packer"]),
        ("node", ["node://test@host"]),
        ("kind", ["agent", "internal", "llm", "tool"]),
    ],
)
def test_lanes_are_what_one_asks_for(
    page: Page, cinema: Cinema, packed: Packed, lanes: str, names: list[str]
) -> None:
    """Who ran a span, where, or what it was."""
    page.goto(cinema.url(packed.path("flow", lanes=lanes)))

    expect(page.locator(".flow-lane-what")).to_have_text(names)


def test_a_lane_of_a_process_names_its_service(page: Page, cinema: Cinema, packed: Packed) -> None:
    """A process is a number, or an id that nobody reads; the whole is its title."""
    page.goto(cinema.url(packed.path("flow", lanes="process")))

    lane = page.locator(".flow-lane-name")
    expect(lane).to_have_count(1)
    expect(lane.locator(".flow-lane-what > span").first).to_have_text("packer")
    expect(lane).to_have_attribute("title", re.compile("^packer · .+"))


def test_the_keyboard_does_what_the_mouse_does(page: Page, cinema: Cinema, packed: Packed) -> None:
    """Arrows move from span to span, Enter takes one as A and another as B."""
    page.goto(cinema.url(packed.path("flow")))
    expect(node(page, "plan")).to_be_visible()

    for key in ("ArrowRight", "Enter", "ArrowRight", "Enter"):
        page.keyboard.press(key)

    expect(page.locator(".picked-span strong")).to_have_text(["plan", "chat scripted-1"])
    expect(page.get_by_test_id("verdict")).to_be_visible()


def test_of_a_large_trace_only_what_is_in_sight_is_drawn(page: Page, cinema: Cinema) -> None:
    """A few hundred boxes at most, and the last one is there when one goes to it."""
    count = 3000
    one = trace(Span("root", 0, 10_000), *(Span(f"step {n}", n, 1, 0) for n in range(1, count)))
    cinema.tell(one)
    page.goto(cinema.url(f"/t/{one.hex}?view=flow&span={one.id(count - 1)}"))

    expect(node(page, f"step {count - 1}")).to_be_visible()
    assert page.locator("g.node").count() < 400
