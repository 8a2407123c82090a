"""The waterfall: rows, time, keys, and what an address restores."""

import contextlib
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.ui.conftest import Cinema, Watch
from tests.e2e.ui.feeding import ERROR, ROOT, Span, Trace, encoded, trace

pytestmark = pytest.mark.slow

AGENT = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "planner"}
CHAT = {
    "gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4.1-mini",
    "gen_ai.usage.input_tokens": 1200, "gen_ai.usage.output_tokens": 34,
    "gen_ai.response.time_to_first_chunk": 0.1,
}  # fmt: skip
TOOL = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"}
NAMES = [
    "invoke_agent planner", "plan", "chat gpt-4.1-mini", "execute_tool search", "SELECT", "act",
]  # fmt: skip


def run() -> Trace:
    """Return a run: root, a plan with a call below it, a tool that fails below, an act."""
    return trace(
        Span(NAMES[0], 0, 1000, None, AGENT),
        Span(NAMES[1], 10, 500, 0),
        Span(NAMES[2], 20, 400, 1, CHAT),
        Span(NAMES[3], 520, 300, 0, TOOL, status=ERROR, message="refused"),
        Span(NAMES[4], 530, 200, 3, status=ERROR),
        Span(NAMES[5], 830, 100, 0),
        service="waterfall",
    )


@pytest.fixture(scope="module")
def told(cinema: Cinema) -> Trace:
    """Return one run that is recorded."""
    one = run()
    cinema.tell(one)
    return one


# A program that announces a span and waits to be killed.
PROGRAM = """
import os, sys
from pathlib import Path
from tests.frame_client import FrameClient

client = FrameClient(Path(sys.argv[1]))
client.hello(os.urandom(16))
client.records(1, marks=bytes.fromhex(sys.argv[2]))
client.ack(1)
print("open", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def left_alone(cinema: Cinema, one: Trace) -> Iterator[None]:
    """Hold a trace's first span open in another program; kill that afterwards."""
    command = [sys.executable, "-c", PROGRAM, str(cinema.daemon.ingest), encoded(one, [0]).hex()]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == b"open\n"
        yield
        program.kill()


def show(page: Page, cinema: Cinema, told: Trace) -> None:
    """Open a trace and wait until its rows are drawn."""
    page.goto(cinema.url(f"/t/{told.hex}"))
    expect(page.locator(".span-row")).to_have_count(len(told.spans))


def names(page: Page) -> list[str]:
    """Return the names of the rows that are drawn, from the top."""
    rows = page.locator(".span-row").all()
    shown = [(int(row.get_attribute("aria-rowindex") or 0), row) for row in rows]
    return [row.locator(".what").inner_text() for _, row in sorted(shown, key=lambda one: one[0])]


def row(page: Page, told: Trace, index: int) -> Locator:
    """Return the row of a span."""
    return page.locator(f'[data-span="{told.id(index)}"]')


def test_rows_are_a_tree_in_time(page: Page, cinema: Cinema, told: Trace) -> None:
    """Names in pre-order, levels, bars at their places, and what a reader of the screen is told."""
    show(page, cinema, told)
    grid = page.get_by_role("treegrid", name="Spans")
    expect(grid).to_have_attribute("aria-rowcount", "6")

    assert names(page) == NAMES
    levels = [row(page, told, at).get_attribute("aria-level") for at in range(6)]
    assert levels == ["1", "2", "3", "2", "3", "2"]
    bars = [row(page, told, at).locator(".bar").bounding_box() for at in range(6)]
    lefts = [bar["x"] for bar in bars]
    assert lefts == sorted(lefts)
    assert bars[1]["width"] == pytest.approx(bars[0]["width"] / 2, abs=2)
    assert bars[3]["x"] == pytest.approx(bars[0]["x"] + bars[0]["width"] * 0.52, abs=2)


def test_a_call_tells_tokens_and_its_first_token(page: Page, cinema: Cinema, told: Trace) -> None:
    """Beside its bar; the first token is a mark within it."""
    show(page, cinema, told)

    chat = row(page, told, 2)
    expect(chat.locator(".bar-label")).to_have_text(re.compile(r"400\sms\s+1,200 → 34"))
    bar, first = chat.locator(".bar").bounding_box(), chat.locator(".first-token").bounding_box()
    assert first["x"] + 1 == pytest.approx(bar["x"] + bar["width"] / 4, abs=2)


def test_the_head_tells_what_the_trace_is(page: Page, cinema: Cinema, told: Trace) -> None:
    """Its name, duration, spans, errors and tokens; the command is its twin."""
    show(page, cinema, told)

    expect(page.locator(".title-name")).to_have_text(NAMES[0])
    facts = page.locator(".trace-facts")
    for text in ("1.00\u202fs", "6 spans", "2 errors", "1,200 in, 34 out"):
        expect(facts).to_contain_text(text)
    expect(page.get_by_test_id("command")).to_have_text(f"sidespan show {told.hex}")


@pytest.mark.parametrize("view", ["waterfall", "context"])
def test_the_number_of_errors_leads_to_them(
    page: Page, cinema: Cinema, told: Trace, view: str
) -> None:
    """One after the other, whatever view is open."""
    page.goto(cinema.url(f"/t/{told.hex}?view={view}"))
    errors = page.get_by_role("button", name="2 errors")

    errors.click()
    expect(page).to_have_url(re.compile(f"span={told.id(3)}"))
    errors.click()
    expect(page).to_have_url(re.compile(f"span={told.id(4)}"))


def test_the_keys_walk_the_tree(page: Page, cinema: Cinema, told: Trace) -> None:
    """Down and up, folding and unfolding, to errors, and the address follows."""
    show(page, cinema, told)

    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(page).to_have_url(re.compile(f"span={told.id(1)}"))
    page.keyboard.press("ArrowLeft")
    expect(row(page, told, 1)).to_have_attribute("aria-expanded", "false")
    expect(page.locator(".span-row")).to_have_count(5)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(page).to_have_url(re.compile(f"span={told.id(2)}"))
    page.keyboard.press("ArrowLeft")
    expect(page).to_have_url(re.compile(f"span={told.id(1)}"))
    page.keyboard.press("e")
    expect(page).to_have_url(re.compile(f"span={told.id(3)}"))
    page.keyboard.press("e")
    expect(page).to_have_url(re.compile(f"span={told.id(4)}"))
    page.keyboard.press("End")
    expect(row(page, told, 5)).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Escape")
    assert "span=" not in page.url


def test_folding_hides_and_counts(page: Page, cinema: Cinema, told: Trace) -> None:
    """By the sign in a row, and all at once by c and x."""
    show(page, cinema, told)

    row(page, told, 3).get_by_role("button", name="Fold").click()
    expect(row(page, told, 3).locator(".below")).to_have_text("+1")
    page.keyboard.press("c")
    expect(page.locator(".span-row")).to_have_count(4)
    page.keyboard.press("x")
    expect(page.locator(".span-row")).to_have_count(6)


def test_errors_come_first_where_one_asks(page: Page, cinema: Cinema, told: Trace) -> None:
    """Among siblings; a child stays below its parent."""
    show(page, cinema, told)

    page.keyboard.press("r")

    pressed = page.get_by_role("button", name="Errors first", pressed=True)
    expect(pressed).to_be_visible()
    assert names(page) == [NAMES[at] for at in (0, 3, 4, 1, 2, 5)]


def test_what_is_looked_for_stands_out(page: Page, cinema: Cinema, told: Trace) -> None:
    """Matches are counted, the others dimmed, and n goes from one to the next."""
    show(page, cinema, told)

    page.keyboard.press("f")
    page.keyboard.type("search")
    expect(page.locator(".find-count")).to_have_text("1")
    expect(page.locator(".span-row.dimmed")).to_have_count(5)
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"span={told.id(3)}"))


def test_time_is_zoomed_by_wheel_keys_and_drag(page: Page, cinema: Cinema, told: Trace) -> None:
    """What is under the pointer stays there; the address names the part."""
    show(page, cinema, told)
    box = row(page, told, 0).locator(".span-time").bounding_box()
    page.mouse.move(box["x"] + 10, box["y"] + 5)

    page.keyboard.down("Control")
    page.mouse.wheel(0, -200)
    page.keyboard.up("Control")
    expect(page).to_have_url(re.compile(r"zoom=\d+-\d+"))
    page.keyboard.press("0")
    expect(page).not_to_have_url(re.compile("zoom="))

    ruler = page.locator(".ruler").bounding_box()
    page.mouse.move(ruler["x"] + 100, ruler["y"] + 8)
    page.mouse.down()
    page.mouse.move(ruler["x"] + 300, ruler["y"] + 8, steps=4)
    page.mouse.up()
    expect(page).to_have_url(re.compile(r"zoom=\d+-\d+"))
    page.get_by_role("button", name="Fit").click()
    expect(page).not_to_have_url(re.compile("zoom="))

    row(page, told, 2).click()
    page.keyboard.press("z")
    expect(page).to_have_url(re.compile(r"zoom=\d+-\d+"))
    bar, time = row(page, told, 2).locator(".bar"), row(page, told, 2).locator(".span-time")
    assert bar.bounding_box()["width"] > time.bounding_box()["width"] * 0.9


def test_an_address_restores_all_of_it(page: Page, cinema: Cinema, told: Trace) -> None:
    """The span, what is folded, the order, the search and the zoom."""
    params = f"span={told.id(5)}&fold={told.id(1)}&errors=first&find=act&zoom=500000-1000000"
    page.goto(cinema.url(f"/t/{told.hex}?{params}"))

    expect(row(page, told, 5)).to_have_attribute("aria-selected", "true")
    expect(row(page, told, 1)).to_have_attribute("aria-expanded", "false")
    assert names(page) == [NAMES[at] for at in (0, 3, 4, 1, 5)]
    expect(page.get_by_label("Find in this trace")).to_have_value("act")
    expect(page.get_by_role("button", name="Fit")).to_be_visible()
    expect(row(page, told, 1).locator(".bar")).to_be_visible()
    expect(row(page, told, 2)).to_have_count(0)
    expect(page).to_have_url(f"{cinema.address}/t/{told.hex}?{params}")


def test_a_prefix_and_last_lead_to_the_trace(page: Page, cinema: Cinema) -> None:
    """The address then names the whole id."""
    one = run()
    cinema.tell(one)

    for short in (one.hex[:10], "last"):
        page.goto(cinema.url(f"/t/{short}"))
        expect(page).to_have_url(f"{cinema.address}/t/{one.hex}")


def test_an_unknown_trace_is_told(page: Page, cinema: Cinema, watch: Watch) -> None:
    """With what the daemon knows to do next."""
    watch.expected.add(404)
    page.goto(cinema.url("/t/00000000000000000000000000000001"))

    expect(page.get_by_role("alert")).to_contain_text("00000000000000000000000000000001")
    expect(page.get_by_role("button", name="Try again")).to_be_visible()


def test_an_open_span_ticks_and_then_ends(page: Page, cinema: Cinema) -> None:
    """It grows while it runs; its end is shown without a reload, below rows in order."""
    one = trace(Span("agent", 0, None), Span("first", 5, 10, 0), Span("second", 30, 10, 0))
    cinema.feeder.mark(one, 0)
    cinema.indexed(one, 1)
    page.goto(cinema.url(f"/t/{one.hex}"))
    label = row(page, one, 0).locator(".bar-label")
    expect(row(page, one, 0).get_by_role("img", name="open")).to_be_visible()
    before = label.inner_text()
    expect(label).not_to_have_text(before)

    cinema.feeder.send(one.ended())

    expect(label).to_have_text(re.compile(r"1\.00\ss"))
    assert names(page) == ["agent", "first", "second"]
    expect(page.get_by_role("img", name="open")).to_have_count(0)


def test_an_abandoned_span_is_marked(page: Page, cinema: Cinema) -> None:
    """Its program is gone without a goodbye: no end is made up for it."""
    one = trace(Span("left behind", 0, None), service="gone")
    with left_alone(cinema, one):
        cinema.indexed(one)
        page.goto(cinema.url(f"/t/{one.hex}"))
        expect(row(page, one, 0).get_by_role("img", name="open")).to_be_visible()

    expect(row(page, one, 0).get_by_role("img", name="abandoned")).to_be_visible()
    expect(row(page, one, 0).locator(".bar-label")).to_have_text("abandoned")
    expect(page.locator(".trace-facts")).to_contain_text("end unknown")
    page.goto(cinema.url(f"/?q=trace:{one.hex}"))
    expect(page.locator(".table .cell.duration").last).to_have_text("unknown")


def test_the_sheet_shows_every_key_that_holds(page: Page, cinema: Cinema, told: Trace) -> None:
    """Of the page, the trace and the view; Escape closes it."""
    show(page, cinema, told)

    page.keyboard.press("?")
    sheet = page.get_by_role("dialog", name="Keys")
    for text in ("Zoom in", "Next error", "Back to the list", "Waterfall"):
        expect(sheet).to_contain_text(text)
    page.keyboard.press("Escape")
    expect(sheet).to_have_count(0)


def test_the_theme_is_chosen_and_kept(page: Page, cinema: Cinema) -> None:
    """Light, then dark, also after a reload."""
    page.goto(cinema.url("/"))
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.keyboard.press("t")
    page.keyboard.press("t")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert light != dark

    page.reload()
    expect(page.locator(".table")).to_be_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == dark
