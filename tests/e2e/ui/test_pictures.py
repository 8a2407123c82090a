"""The pictures of the docs: the page over what `sidespan demo` recorded, light and dark.

`make pictures` puts them into docs/images; else they are made and thrown away.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.daemon import running
from tests.e2e.ui.conftest import WEB, Cinema, Watch
from tests.e2e.ui.feeding import feeding

# The demonstration starts programs in three languages.
pytestmark = pytest.mark.long
DEMO_S_MAX = 180
SIZE = {"width": 1280, "height": 640}
PICTURE_BYTES_MAX = 200_000
PLANNER = "packing-planner"
# To the moment at which the tool runs: the first answer is there, the second one is not.
STEPS = 4


@pytest.fixture(scope="module")
def demo(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cinema]:
    """Yield a daemon over the demonstration's store."""
    root = tmp_path_factory.mktemp("demo")
    environment = {"PYTHONPATH": str(wheel), "TZ": "UTC"}
    subprocess.run(
        [sys.executable, "-m", "sidespand", "demo", "--data", str(root)],
        check=True, capture_output=True, timeout=DEMO_S_MAX, env={**os.environ, **environment},
    )  # fmt: skip
    config = (root / "sidespan.toml").read_text(encoding="utf-8")
    with (
        running(root, WEB, environment=environment, config=config) as daemon,
        feeding(daemon.ingest) as feeder,
    ):
        cinema = Cinema(daemon, feeder)
        try:
            yield cinema
        finally:
            cinema.api.close()


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Return where the pictures go."""
    wanted = os.environ.get("SIDESPAN_PICTURES")
    place = Path(wanted) if wanted else tmp_path
    place.mkdir(parents=True, exist_ok=True)
    return place


def views(page: Page, demo: Cinema) -> Iterator[str]:
    """Show one view after the other; yield the name of its picture."""
    page.goto(demo.url("/"))
    row = page.locator(".table .row", has_text=PLANNER)
    expect(row).to_be_visible()
    expect(page.locator(".live.on")).to_be_visible()
    yield "list"
    row.locator(".trace-name").click()
    chat = page.locator(".span-row", has_text="chat").first
    chat.click()
    expect(page.locator(".panel h2")).to_be_visible()
    # Where the pointer rests is nobody's business.
    page.mouse.move(0, 0)
    yield "waterfall"
    for name, title in (("context", "Context"), ("flow", "Causal flow"), ("evidence", "Evidence")):
        page.get_by_label("Views", exact=True).get_by_role("button", name=title).click()
        expect(page.locator(".view > *").first).to_be_visible()
        expect(page.locator(".loading")).to_have_count(0)
        page.mouse.move(0, 0)
        yield name
    page.get_by_label("Views", exact=True).get_by_role("button", name="State").click()
    page.locator(".rail").get_by_text(PLANNER).click()
    expect(page.get_by_text("steps[0]")).to_be_visible()
    page.mouse.move(0, 0)
    yield "state"
    page.keyboard.press("1")
    for _ in range(STEPS):
        page.keyboard.press("J")
    expect(page.locator(".span-row.ahead").first).to_be_visible()
    expect(page.locator(".panel .loading")).to_have_count(0)
    yield "playhead"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_each_view_has_a_picture(
    browser: Browser, demo: Cinema, pictures: Path, scheme: str
) -> None:
    """None is empty, none is large, and the page complains of nothing meanwhile."""
    context = browser.new_context(
        viewport=SIZE,  # type: ignore[arg-type]
        color_scheme=scheme,  # type: ignore[arg-type]
        timezone_id="UTC",
        reduced_motion="reduce",
    )
    page = context.new_page()
    watch = Watch(page, demo.address)
    sizes = {}
    for name in views(page, demo):
        path = pictures / f"{name}-{scheme}.png"
        page.screenshot(path=path)
        sizes[path.name] = path.stat().st_size
    context.close()

    assert watch.found == []
    assert len(sizes) == 7
    assert {name: size for name, size in sizes.items() if size > PICTURE_BYTES_MAX} == {}
    # One that showed nothing would have no colours to speak of.
    assert min(sizes.values()) > 10_000
