"""The page out of the wheel, served by a real daemon, in a real browser."""

import shutil
import socket
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, sync_playwright

from tests.daemon import Daemon, running, wait_until
from tests.e2e.ui.feeding import Feeder, Trace, feeding
from tests.e2e.ui.packing import Packed, pack
from tests.toolchain import require

ROOT = Path(__file__).parents[3]
BUILD_S_MAX = 120
INDEXED_S_MAX = SERVES_S_MAX = 20.0
# Software drawing is all that there is on a machine without a display.
CHROMIUM_FLAGS = ("--disable-gpu", "--no-sandbox", "--font-render-hinting=none")
VIEWPORT = {"width": 1360, "height": 820}
WEB = ("--web", "127.0.0.1:0")
CONFIG = """\
[node]
source_node_ref = "node://test@host"
"""


class Cinema:
    """A daemon that serves the page.

    Args:
        daemon: Running.
        feeder: Sends to it.
    """

    def __init__(self, daemon: Daemon, feeder: Feeder) -> None:
        self.daemon = daemon
        self.feeder = feeder
        socket = daemon.run / "api.sock"
        # A connection that is refused leaves a socket that httpx does not close.
        wait_until(socket.exists, SERVES_S_MAX, f"the API:\n{daemon.log()}")
        uds = httpx.HTTPTransport(uds=str(socket))
        self.api = httpx.Client(transport=uds, base_url="http://localhost", timeout=30)
        wait_until(self._serves, SERVES_S_MAX, "the API to serve")
        self.address: str = self.api.get("/v1/status").json()["web"]
        self.token = (daemon.data / "api.token").read_text(encoding="ascii").strip()

    def _serves(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.daemon.run / "api.sock")) == 0

    def url(self, path: str) -> str:
        """Return an address of the page, with the token that its first visit needs."""
        return f"{self.address}{path}#token={self.token}"

    def tell(self, *traces: Trace) -> None:
        """Send traces and return when the index has all their spans."""
        self.feeder.send(*traces)
        for one in traces:
            self.indexed(one)

    def indexed(self, one: Trace, spans: int | None = None) -> None:
        """Wait until the index has ``spans`` spans of a trace; all that it has, by default."""
        spans = len(one.spans) if spans is None else spans

        def there() -> bool:
            page = self.api.get("/v1/traces", params={"q": f"trace:{one.hex}"}).json()
            return any(row["span_count"] >= spans for row in page["traces"])

        wait_until(there, INDEXED_S_MAX + spans / 1000, f"{spans} spans of {one.hex} in the index")


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of the wheel's files, built from this tree and unpacked."""
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), ROOT],
        check=True, capture_output=True, timeout=BUILD_S_MAX,
    )  # fmt: skip
    (archive,) = out.glob("*.whl")
    with zipfile.ZipFile(archive) as files:
        files.extractall(out / "unpacked")
    return out / "unpacked"


@pytest.fixture(scope="session")
def cinema(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cinema]:
    """Yield one daemon for all tests of the page; each tells it traces of its own."""
    root = tmp_path_factory.mktemp("cinema")
    environment = {"PYTHONPATH": str(wheel), "TZ": "UTC"}
    with (
        running(root, WEB, environment=environment, config=CONFIG) as daemon,
        feeding(daemon.ingest) as feeder,
    ):
        cinema = Cinema(daemon, feeder)
        try:
            yield cinema
        finally:
            cinema.api.close()


@pytest.fixture(scope="session")
def packed(cinema: Cinema) -> Packed:
    """Return a run of the packing agent: every view has something to show of it."""
    return pack(cinema.api, cinema.daemon.ingest)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Yield Debian's Chromium."""
    # Playwright's loop counts as running until it stops: no test that comes between two modules
    # of this directory could use asyncio.
    chromium = shutil.which("chromium")
    require(chromium, "chromium", "apt install chromium")
    with sync_playwright() as playwright:
        playwright.selectors.set_test_id_attribute("data-test")
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


class Watch:
    """What no page may do: complain on its console, or ask another host.

    Attributes:
        expected: Statuses of answers that a test provokes; the browser reports each.
        found: What was done all the same.
    """

    def __init__(self, page: Page, origin: str) -> None:
        self.expected: set[int] = set()
        self.found: list[str] = []
        self._origin = urlsplit(origin).netloc
        page.on("pageerror", lambda error: self.found.append(f"uncaught: {error}"))
        page.on("request", self._asked)
        page.on("console", lambda message: self._said(message.type, message.text))

    def _said(self, kind: str, text: str) -> None:
        provoked = any(f"status of {status}" in text for status in self.expected)
        if kind in ("error", "warning") and not provoked:
            self.found.append(f"{kind}: {text}")

    def _asked(self, request: Request) -> None:
        if urlsplit(request.url).netloc != self._origin:
            self.found.append(f"asked another host: {request.url}")


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """Yield a browser without memory."""
    context = browser.new_context(
        viewport=VIEWPORT,  # type: ignore[arg-type]
        timezone_id="UTC",
        reduced_motion="reduce",
    )
    context.set_default_timeout(10_000)
    yield context
    context.close()


@pytest.fixture
def watch(page: Page, cinema: Cinema) -> Watch:
    """Return what watches the page."""
    return page_watches[page]


page_watches: dict[Page, Watch] = {}


@pytest.fixture
def page(context: BrowserContext, cinema: Cinema) -> Iterator[Page]:
    """Yield a tab; the test fails when it complained or asked another host."""
    page = context.new_page()
    watch = page_watches[page] = Watch(page, cinema.address)
    yield page
    del page_watches[page]
    assert watch.found == []
