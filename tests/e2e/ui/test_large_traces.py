"""Traces of many spans stay as quick as small ones."""

import json

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.ui.conftest import Cinema
from tests.e2e.ui.feeding import ERROR, Span, Trace, trace

# The daemon writes the skeleton of 100,000 spans in a second or two.
FIRST_ROW_MS_MAX = 15_000
ROUNDS = 3
FRAME_MS_MAX = 25.0
# Counted from animation frame to animation frame while the page scrolls a new place into sight.
FRAMES = """
async ({ frames, does }) => {
  const grid = document.getElementById("grid");
  const times = [];
  const next = () => new Promise((done) => requestAnimationFrame(done));
  const height = grid.scrollHeight;
  let last = await next();
  for (let at = 0; at < frames; at += 1) {
    if (does === "zoom") {
      const box = grid.getBoundingClientRect();
      grid.dispatchEvent(new WheelEvent("wheel", {
        ctrlKey: true, deltaY: at % 40 < 20 ? -60 : 60, bubbles: true, cancelable: true,
        clientX: box.left + box.width * 0.7, clientY: box.top + 40,
      }));
    } else if (does === "step") {
      grid.dispatchEvent(new KeyboardEvent("keydown", { key: "j", bubbles: true }));
    } else {
      grid.scrollTop = ((at * 7919) % frames) / frames * height;
    }
    const now = await next();
    times.push(now - last);
    last = now;
  }
  times.sort((a, b) => a - b);
  return { p50: times[frames >> 1], p95: times[Math.floor(frames * 0.95)], max: times.at(-1) };
}
"""


def large(spans: int) -> Trace:
    """Return a trace of ``spans`` spans: agents, calls below them, a query below each."""
    told = [Span("load", 0, spans * 0.5, None, {"gen_ai.operation.name": "invoke_agent"})]
    chat = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4.1-mini"}
    while len(told) < spans:
        at, above = len(told) * 0.5, len(told)
        told.append(Span(f"step {above}", at, 40, 0))
        told.append(Span("chat gpt-4.1-mini", at + 1, 20, above, chat))
        told.append(Span("SELECT", at + 2, 5, above + 1, status=ERROR if above % 997 == 0 else 0))
    return trace(*told[:spans], service="large")


def told_in_parts(cinema: Cinema, one: Trace, size: int = 2_000) -> None:
    """Send a trace that is larger than a request may be."""
    cinema.feeder.send_parts(one, size)
    cinema.indexed(one)


def shown(page: Page, cinema: Cinema, one: Trace) -> float:
    """Open a trace; return how long it took until its first row stood there, in ms."""
    page.goto(cinema.url(f"/t/{one.hex}"))
    expect(page.locator(".span-row").first).to_be_visible(timeout=60_000)
    return page.evaluate("performance.now()")


@pytest.mark.slow
def test_only_rows_in_sight_are_drawn(page: Page, cinema: Cinema) -> None:
    """Of 6,000, some dozens, wherever one is; the last is reached by a key, by an address too."""
    one = large(6_000)
    told_in_parts(cinema, one)
    shown(page, cinema, one)
    grid = page.get_by_role("treegrid", name="Spans")
    expect(grid).to_have_attribute("aria-rowcount", "6000")

    assert page.locator(".span-row").count() < 80
    page.keyboard.press("End")
    last = page.locator('.span-row[aria-rowindex="6000"]')
    expect(last).to_be_visible()
    assert page.locator(".span-row").count() < 80
    page.reload()
    expect(last).to_have_attribute("aria-selected", "true")
    expect(last).to_be_in_viewport()


@pytest.mark.long
def test_a_hundred_thousand_spans_scroll_and_zoom_in_time(page: Page, cinema: Cinema) -> None:
    """The 95th percentile of a frame is at most 25 ms, jumping to rows, zooming or stepping."""
    one = large(100_000)
    told_in_parts(cinema, one)
    opened_ms = shown(page, cinema, one)
    expect(page.get_by_role("treegrid")).to_have_attribute("aria-rowcount", "100000")

    found = {"opened_ms": opened_ms}
    for does in ("scroll", "zoom", "step"):
        # Other programs of the machine take time from frames, and give none.
        rounds = [page.evaluate(FRAMES, {"frames": 240, "does": does}) for _ in range(ROUNDS)]
        found[does] = min(rounds, key=lambda one: one["p95"])
    print(json.dumps(found))
    assert found["scroll"]["p95"] <= FRAME_MS_MAX
    assert found["zoom"]["p95"] <= FRAME_MS_MAX
    assert found["step"]["p95"] <= FRAME_MS_MAX
    assert opened_ms <= FIRST_ROW_MS_MAX


@pytest.mark.long
def test_a_million_spans_can_be_opened(page: Page, cinema: Cinema) -> None:
    """All of them can be reached."""
    one = large(1_000_000)
    told_in_parts(cinema, one, 5_000)
    print(json.dumps({"opened_ms": shown(page, cinema, one)}))
    expect(page.get_by_role("treegrid")).to_have_attribute("aria-rowcount", "1000000")

    page.keyboard.press("End")
    expect(page.locator('.span-row[aria-rowindex="1000000"]')).to_be_visible()
