"""The list of traces: what it shows, how it is searched, what arrives while one looks."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.ui.conftest import Cinema, Watch
from tests.e2e.ui.feeding import ERROR, MS, Span, trace
from tests.e2e.ui.packing import Packed

pytestmark = pytest.mark.slow

CHAT = {
    "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4.1-mini", "gen_ai.usage.input_tokens": 1200,
    "gen_ai.usage.output_tokens": 34, "operation.cost": 0.0125,
}  # fmt: skip
TOOL = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"}


def run(name: str, service: str, start_ns: int | None = None) -> object:
    """Return a run of an agent: one call of a model, one of a tool that fails."""
    return trace(
        Span(name, 0, 900),
        Span("chat gpt-4.1-mini", 10, 400, 0, CHAT),
        Span("execute_tool search", 500, 300, 0, TOOL, status=ERROR, message="refused"),
        service=service,
        start_ns=start_ns,
    )


def names(page: Page) -> list[str]:
    """Return the names in the list, from the top."""
    return page.locator(".table .trace-name").all_inner_texts()


def test_a_row_tells_what_a_run_was(page: Page, cinema: Cinema) -> None:
    """Its name, program, model, duration, spans, calls, tokens, cost and errors."""
    one = run("handle ticket", "svc-row")
    cinema.tell(one)

    page.goto(cinema.url("/?q=service:svc-row"))

    row = page.locator(f'[data-trace="{one.hex}"]')
    expect(row).to_contain_text("handle ticket")
    expect(row).to_contain_text("svc-row")
    expect(row).to_contain_text("gpt-4.1-mini")
    expect(row.locator(".duration")).to_have_text(re.compile(r"900\sms"))
    expect(row.locator(".spans")).to_have_text("3")
    expect(row.locator(".calls")).to_have_text(re.compile(r"1\s*1"))
    expect(row.locator(".tokens")).to_have_text(re.compile(r"1,200 · 34"))
    expect(row.locator(".cost")).to_have_text("$0.0125")
    expect(row.locator(".errors")).to_have_text("1")
    expect(row.get_by_role("img", name="error")).to_be_visible()


def test_the_token_leaves_the_address_bar(page: Page, cinema: Cinema) -> None:
    """It is kept for the tab alone: a reload still works, and no copied link holds it."""
    page.goto(cinema.url("/"))
    expect(page.locator(".table")).to_be_visible()

    assert "token" not in page.url
    page.reload()
    expect(page.get_by_role("heading", name="This page needs")).to_have_count(0)
    expect(page.locator(".live.on")).to_be_visible()


def test_without_the_token_the_page_asks_for_it(page: Page, cinema: Cinema, watch: Watch) -> None:
    """And goes on with what is typed."""
    watch.expected.add(401)
    page.goto(cinema.address)

    page.get_by_label("Token").fill(cinema.token)
    page.get_by_role("button", name="Continue").click()

    expect(page.locator(".live.on")).to_be_visible()


def test_a_search_is_completed_and_kept_in_the_address(page: Page, cinema: Cinema) -> None:
    """Fields, then values that were seen; Back takes it away again."""
    cinema.tell(run("one", "svc-search-a"), run("two", "svc-search-b"))
    page.goto(cinema.url("/"))
    expect(page.locator(".live.on")).to_be_visible()

    page.keyboard.press("/")
    page.keyboard.type("serv")
    expect(page.get_by_role("option").first).to_contain_text("service")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.keyboard.type("svc-search-b")
    page.keyboard.press("Enter")

    expect(page).to_have_url(f"{cinema.address}/?q=service:svc-search-b")
    expect(page.locator(".table .trace-name")).to_have_text(["two"])
    expect(page.get_by_test_id("command")).to_have_text("sidespan ls service:svc-search-b")
    page.go_back()
    expect(page.get_by_label("Search traces")).to_have_value("")


def test_values_that_were_seen_are_offered(page: Page, cinema: Cinema) -> None:
    """A click takes one, and the caret stands behind it."""
    cinema.tell(run("one", "svc-offered"))
    page.goto(cinema.url("/"))
    expect(page.locator(".live.on")).to_be_visible()

    page.keyboard.press("/")
    page.keyboard.type("service:svc-off")
    page.get_by_role("option", name="svc-offered").click()

    expect(page.get_by_label("Search traces")).to_have_value("service:svc-offered ")


def test_what_is_not_understood_is_told(page: Page, cinema: Cinema, watch: Watch) -> None:
    """In the daemon's words, below the box, without losing what was typed."""
    watch.expected.add(400)
    page.goto(cinema.url("/?q=modle:x"))

    expect(page.locator("#search-error")).to_contain_text("modle")
    expect(page.get_by_label("Search traces")).to_have_value("modle:x")


def test_nothing_found_is_told_with_the_way_back(page: Page, cinema: Cinema) -> None:
    """The search is named; one click shows all."""
    page.goto(cinema.url("/?q=service:nobody"))

    expect(page.get_by_role("heading", name="No trace matches")).to_be_visible()
    page.get_by_role("button", name="Show all").click()
    expect(page).to_have_url(f"{cinema.address}/")


def test_a_column_sorts_and_the_address_says_so(page: Page, cinema: Cinema) -> None:
    """Longest first, then shortest first."""
    for name, ms in (("short", 5), ("long", 500), ("middle", 50)):
        cinema.tell(trace(Span(name, 0, ms), service="svc-sort"))
    page.goto(cinema.url("/?q=service:svc-sort"))

    page.get_by_role("button", name="Duration").click()
    expect(page.locator(".table .trace-name")).to_have_text(["long", "middle", "short"])
    expect(page).to_have_url(re.compile(r"sort=-dur"))
    page.get_by_role("button", name="Duration").click()
    expect(page.locator(".table .trace-name")).to_have_text(["short", "middle", "long"])


def test_what_arrives_stands_in_the_order_of_its_start(page: Page, cinema: Cinema) -> None:
    """However late it comes: the newest start is on top, without a reload."""
    start = 1_790_000_000_000 * MS
    told = [run(str(at), "svc-live", start + at * 1000 * MS) for at in (5, 1, 9, 3)]
    cinema.tell(told[0])
    page.goto(cinema.url("/?q=service:svc-live"))
    expect(page.locator(".live.on")).to_be_visible()

    for one in told[1:]:
        cinema.tell(one)

    expect(page.locator(".table .trace-name")).to_have_text(["9", "5", "3", "1"])


def test_rows_stay_where_one_points(page: Page, cinema: Cinema) -> None:
    """What arrives meanwhile is counted, and shown on a click."""
    cinema.tell(run("first", "svc-held"))
    page.goto(cinema.url("/?q=service:svc-held"))
    expect(page.locator(".live.on")).to_be_visible()
    page.locator(".table .trace-name").hover()

    cinema.tell(run("second", "svc-held"))
    cinema.tell(run("third", "svc-held"))

    expect(page.get_by_role("button", name="2 new")).to_be_visible()
    assert names(page) == ["first"]
    page.get_by_role("button", name="2 new").click()
    expect(page.locator(".table .trace-name")).to_have_text(["third", "second", "first"])


def test_the_keys_move_and_open(page: Page, cinema: Cinema) -> None:
    """The keys j and k move, Enter opens, g goes back to the same search."""
    cinema.tell(run("older", "svc-keys"))
    cinema.tell(run("newer", "svc-keys"))
    page.goto(cinema.url("/?q=service:svc-keys"))
    expect(page.locator(".table .trace-name")).to_have_count(2)

    for key in ("j", "j", "k", "j"):
        page.keyboard.press(key)
    expect(page.locator(".row.current")).to_contain_text("older")
    page.keyboard.press("Enter")
    expect(page.locator(".title-name")).to_have_text("older")
    page.keyboard.press("g")
    expect(page).to_have_url(f"{cinema.address}/?q=service:svc-keys")


def test_the_strip_sums_what_the_list_shows(page: Page, cinema: Cinema) -> None:
    """Traces, errors, tokens, cost and latency of what is searched for."""
    cinema.tell(run("one", "svc-strip"), run("two", "svc-strip"))
    page.goto(cinema.url("/?q=service:svc-strip"))

    strip = page.get_by_label("Over time")
    expect(strip.locator("figure", has_text="Traces")).to_contain_text(re.compile(r"Traces2"))
    expect(strip.locator("figure", has_text="Tokens")).to_contain_text("2,400")
    expect(strip.locator("figure", has_text="Cost")).to_contain_text("$0.0250")
    expect(strip.locator("figure", has_text="Latency")).to_contain_text("ms")


def test_more_rows_come_when_one_scrolls(page: Page, cinema: Cinema) -> None:
    """Page by page, until all are there, none twice."""
    cinema.tell(*(trace(Span(f"n{at}"), service="svc-pages") for at in range(120)))
    page.goto(cinema.url("/?q=service:svc-pages"))
    expect(page.locator(".table .trace-name").first).to_be_visible()

    for _ in range(6):
        page.locator(".table").evaluate("box => box.scrollTo(0, box.scrollHeight)")
        page.wait_for_timeout(50)
    expect(page.locator(".table .trace-name")).to_have_count(120)
    assert len(set(names(page))) == 120


def test_a_trace_leads_to_the_others_of_its_conversation(
    page: Page, cinema: Cinema, packed: Packed
) -> None:
    """Its id in the head of a trace is a search; Back returns."""
    page.goto(cinema.url(packed.path()))
    page.get_by_role("link", name="conv-1").click()

    expect(page).to_have_url(re.compile(r"/\?q=conversation:conv-1$"))
    expect(page.locator(f'[data-trace="{packed.trace_id}"]')).to_be_visible()
    page.go_back()
    expect(page.get_by_role("treegrid", name="Spans")).to_be_visible()
