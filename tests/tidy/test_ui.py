"""The web page: what is committed is what its source makes, small, and its source is sound."""

import filecmp
import gzip
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.toolchain import require

ROOT = Path(__file__).parents[2]
UI = ROOT / "daemon/ui"
BUILT = ROOT / "daemon/sidespand/web/static"
FIRST_LOAD_BYTES_MAX = 60 * 1024
MODULE_LINES_MAX = 300
RUN_S_MAX = 180


def npx(*arguments: object) -> None:
    """Run one of the page's tools."""
    for tool in ("node", "npx"):
        require(shutil.which(tool), tool, "install Node 20.19 or later with npm")
    require((UI / "node_modules").exists(), "the page's tools", "make ui installs them")
    done = subprocess.run(
        ["npx", "--no-install", *map(str, arguments)], cwd=UI, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=RUN_S_MAX, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def files(below: Path) -> list[str]:
    """Return the files below a directory, by their paths in it."""
    return sorted(str(path.relative_to(below)) for path in below.rglob("*") if path.is_file())


@pytest.mark.slow
def test_the_committed_page_is_what_its_source_makes(tmp_path: Path) -> None:
    """Byte for byte; `make ui` brings it up to date."""
    npx("vite", "build", "--outDir", tmp_path / "out", "--emptyOutDir", "--logLevel", "error")

    made = files(tmp_path / "out")
    assert files(BUILT) == made
    _, differing, missing = filecmp.cmpfiles(BUILT, tmp_path / "out", made, shallow=False)
    assert (differing, missing) == ([], [])


@pytest.mark.slow
def test_the_source_of_the_page_is_sound() -> None:
    """Its types hold and its unit tests pass."""
    npx("tsc", "--noEmit")
    npx("vitest", "run", "--reporter=dot")


def test_the_first_load_is_small() -> None:
    """All that the list needs is at most 60 KiB when compressed."""
    page = (BUILT / "index.html").read_text(encoding="utf-8")
    wanted = {"index.html", *re.findall(r'(?:src|href)="/([^"]+)"', page)}
    for script in [name for name in wanted if name.endswith(".js")]:
        source = (BUILT / script).read_text(encoding="utf-8")
        wanted |= {f"assets/{name}" for name in re.findall(r'^import.*?"\./([^"]+)"', source)}

    sizes = {name: len(gzip.compress((BUILT / name).read_bytes(), 9)) for name in wanted}
    assert any(name.endswith(".js") for name in sizes)
    assert any(name.endswith(".css") for name in sizes)
    assert sum(sizes.values()) <= FIRST_LOAD_BYTES_MAX, sizes


def test_the_page_names_no_other_host() -> None:
    """Nothing is fetched from elsewhere: SVG's namespace is a name, the loopback is in a hint."""
    found = set()
    for path in BUILT.rglob("*.*"):
        found |= set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+", path.read_text(encoding="utf-8")))

    assert found <= {"http://www.w3.org", "http://127.0.0.1"}


def test_modules_of_the_page_stay_small() -> None:
    """No module is over 300 lines, and none puts markup into the page unescaped."""
    sources = [path for path in (UI / "src").rglob("*") if path.suffix in (".ts", ".tsx")]
    texts = {path: path.read_text(encoding="utf-8") for path in sources}

    lengths = {path.name: text.count("\n") for path, text in texts.items()}
    assert {name: count for name, count in lengths.items() if count > MODULE_LINES_MAX} == {}
    raw = "dangerouslySetInnerHTML|innerHTML|outerHTML|insertAdjacentHTML|document.write|eval\\("
    assert [path.name for path, text in texts.items() if re.search(raw, text)] == []
