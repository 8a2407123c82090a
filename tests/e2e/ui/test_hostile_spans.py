"""What a span says stays text, wherever the page shows it."""

import json

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.ui.conftest import Cinema
from tests.e2e.ui.feeding import ERROR, Span, Trace, trace

pytestmark = pytest.mark.slow

# Each calls `caught` when it is anything but text.
CORPUS = (
    "<script>caught(1)</script>",
    "<img src=x onerror=caught(2)>",
    '"><svg/onload=caught(3)>',
    "'\"--></style></script><script>caught(4)</script>",
    "javascript:caught(5)",
    "{{constructor.constructor('caught(6)')()}}",
    "</title><iframe srcdoc='<script>parent.caught(7)</script>'>",
    "<a href=javascript:caught(8)>x</a>",
    '<math><style><!--</style><img title="--&gt;&lt;img src=1 onerror=caught(9)&gt;">',
    "\u202egnp.exe\u2066<b onmouseover=caught(10)>",
    "<style>*{background:url(/caught11)}</style>",
    "__proto__",
)
VIEWS = ("waterfall", "context", "state", "flow", "evidence")
# Goes to an address of the page without loading it anew, as the Back button does.
GO = "to => { history.pushState(null, '', to); dispatchEvent(new PopStateEvent('popstate')); }"
WATCHES = """
window.wasCaught = [];
window.caught = (what) => window.wasCaught.push(what);
window.alert = window.prompt = window.confirm = window.caught;
"""


def hostile(text: str) -> dict[str, object]:
    """Return attributes that put ``text`` into all that the page reads."""
    call = {"type": "tool_call", "id": text, "name": text, "arguments": {text: text}}
    parts = [{"type": "text", "content": text}, {"type": text, "content": text}, call]
    messages = json.dumps([{"role": text, "name": text, "finish_reason": text, "parts": parts}])
    texts = dict.fromkeys(
        (
            text, "gen_ai.provider.name", "gen_ai.request.model", "gen_ai.agent.name",
            "gen_ai.conversation.id", "gen_ai.tool.name", "gen_ai.tool.call.id",
            "gen_ai.tool.call.arguments", "gen_ai.tool.call.result", "gen_ai.prompt.version",
            "gen_ai.system_instructions", "error.type", "user.id",
        ),
        text,
    )  # fmt: skip
    return texts | {
        "gen_ai.operation.name": "chat",
        "gen_ai.input.messages": messages,
        "gen_ai.output.messages": messages,
        f"sidespan.state.{text}.before": json.dumps({text: text}),
        f"sidespan.state.{text}.after": json.dumps({text: [text]}),
    }


def story() -> Trace:
    """Return a trace that has the corpus in every field, once a span."""
    spans = [Span("root", 0, 400)]
    for at, text in enumerate(CORPUS):
        events = [
            (text, {text: text}),
            ("exception", {"exception.type": text, "exception.message": text}),
        ]
        span = Span(text, at * 20, 15, 0, hostile(text), events, status=ERROR, message=text)
        spans.append(span)
    return trace(*spans, service=CORPUS[1])


def assert_only_text(page: Page) -> None:
    """Say that nothing of the corpus was run or became an element."""
    assert page.evaluate("window.wasCaught") == []
    made = page.locator("iframe, img, math, main script, main style, main a[href*=script]")
    assert made.count() == 0


def test_the_list_and_the_waterfall_show_text(page: Page, cinema: Cinema) -> None:
    """Names, services, agents, models and tools, as they were written."""
    page.add_init_script(WATCHES)
    one = story()
    cinema.tell(one)

    page.goto(cinema.url(f"/?q=trace:{one.hex}"))
    expect(page.locator(f'[data-trace="{one.hex}"]')).to_contain_text(CORPUS[1])
    assert_only_text(page)
    page.goto(cinema.url(f"/t/{one.hex}"))
    expect(page.locator(".span-row")).to_have_count(len(one.spans))
    shown = page.locator(".what").evaluate_all("all => all.map(one => one.textContent)")
    assert set(shown) == {"root", *CORPUS}
    assert_only_text(page)


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_of_a_span_shows_text(page: Page, cinema: Cinema, view: str) -> None:
    """Keys, values, events, links, statuses, messages and state, whatever the span says."""
    page.add_init_script(WATCHES)
    one = story()
    cinema.tell(one)

    page.goto(cinema.url(f"/t/{one.hex}?view={view}"))
    for index in range(1, len(one.spans)):
        page.evaluate(GO, f"/t/{one.hex}?view={view}&span={one.id(index)}&step={index}")
        expect(page.locator(".view > *").first).to_be_visible()
        expect(page.locator(".loading")).to_have_count(0)
        assert_only_text(page)
