"""Each view passes axe's rules of WCAG 2.2 A and AA, in both themes, and fits a narrow page."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from tests.e2e.ui.conftest import Cinema
from tests.e2e.ui.packing import Packed
from tests.toolchain import require

pytestmark = pytest.mark.slow

AXE = Path(__file__).parents[3] / "daemon/ui/node_modules/axe-core/axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
# A box of the flow shows as much of its name as fits into it; its label is the whole name.
CUT_LABELS = {"label-content-name-mismatch": {"enabled": False}}
ASK_AXE = """
async ({ rules, off }) => {
  const found = await axe.run(document, {
    runOnly: rules, rules: off, resultTypes: ["violations"],
  });
  return found.violations.flatMap((one) =>
    one.nodes.map((node) => `${one.id}: ${node.html.slice(0, 200)}: ${node.failureSummary}`));
}
"""
# Of a view: its parameters, the span that is selected, and what is there when it is drawn.
VIEWS: Mapping[str, tuple[Mapping[str, str], str, str]] = {
    "waterfall": ({}, "execute_tool forecast", ".panel h2"),
    "found": ({"find": "chat"}, "", ".span-row.dimmed"),
    "context": ({"view": "context"}, "execute_tool forecast", ".exchange"),
    "failed": ({"view": "context"}, "execute_tool book_train", ".failure"),
    "state": ({"view": "state"}, "execute_tool forecast", ".change-list"),
    "messages": ({"view": "state", "of": "messages"}, "", ".notice"),
    "flow": ({"view": "flow"}, "execute_tool forecast", ".flow-side h3"),
    "evidence": ({"view": "evidence"}, "execute_tool forecast", ".stamp"),
    "playhead": ({"step": "6"}, "", ".span-row.ahead"),
    "playhead in context": ({"view": "context", "step": "6"}, "", ".rail-step.ahead"),
}
NARROW = [ViewportSize(width=1024, height=700), ViewportSize(width=390, height=844)]
# What is cut off at the right and cannot be scrolled to: nobody would see it.
CUT_OFF = """
() => [...document.querySelectorAll("button, input, select, h1, h2, h3, a[href]")]
  .filter((one) => {
    const box = one.getBoundingClientRect();
    if (box.width === 0 || one.closest("[hidden], dialog:not([open])")) return false;
    for (let at = one.parentElement; at; at = at.parentElement) {
      if (/auto|scroll/.test(getComputedStyle(at).overflowX)) return false;
    }
    return box.left < -1 || box.right > innerWidth + 1;
  })
  .map((one) => one.outerHTML.slice(0, 120))
"""


def complaints(page: Page, off: Mapping[str, Any] | None = None) -> list[Any]:
    """Return what axe finds on the page, light and dark, by all rules but those that are off."""
    require(AXE.exists(), "axe-core", "make ui")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found: list[Any] = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        found += page.evaluate(ASK_AXE, {"rules": RULES, "off": off or {}})
    return found


def show(page: Page, cinema: Cinema, packed: Packed, name: str) -> None:
    """Open a view and wait until it is drawn."""
    parameters, selected, drawn = VIEWS[name]
    chosen = {"span": packed.id(selected)} if selected else {}
    view, *rest = packed.path("waterfall", **chosen).partition("view=waterfall")
    given = "&".join(f"{key}={value}" for key, value in parameters.items())
    page.goto(cinema.url(f"{view}{given}{rest[-1]}"))
    expect(page.locator(drawn).first).to_be_visible()
    expect(page.locator(".loading")).to_have_count(0)


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_can_be_read_by_everybody(
    page: Page, cinema: Cinema, packed: Packed, name: str
) -> None:
    """Contrast as computed, names, roles and relations; light and dark."""
    show(page, cinema, packed, name)

    assert complaints(page, CUT_LABELS if name == "flow" else None) == []


def test_the_list_and_the_keys_can_be_read_by_everybody(
    page: Page, cinema: Cinema, packed: Packed
) -> None:
    """Rows, nothing found, a search that is not understood, and the sheet of keys."""
    page.goto(cinema.url(f"/?q=trace:{packed.trace_id}"))
    expect(page.locator("[data-trace]")).to_have_count(1)
    assert complaints(page) == []

    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    assert complaints(page) == []

    page.goto(cinema.url("/?q=name:there-is-no-such-name"))
    expect(page.get_by_role("button", name="Show all")).to_be_visible()
    assert complaints(page) == []


@pytest.mark.parametrize("size", NARROW, ids=lambda size: f"{size['width']}px")
def test_nothing_is_out_of_reach_on_a_narrow_page(
    page: Page, cinema: Cinema, packed: Packed, size: ViewportSize
) -> None:
    """Every control and heading of every view lies within the page, or within what scrolls."""
    page.set_viewport_size(size)
    lost = {}
    for name in VIEWS:
        show(page, cinema, packed, name)
        lost[name] = page.evaluate(CUT_OFF)
    page.goto(cinema.url("/"))
    expect(page.locator("[data-trace]").first).to_be_visible()
    lost["list"] = page.evaluate(CUT_OFF)

    assert {name: found for name, found in lost.items() if found} == {}
