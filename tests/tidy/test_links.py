"""The links of the documents: where they lead, and that each promise leads to a test."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [
    *ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("*/README.md"),
    *ROOT.glob("bindings/*/README.md"), *ROOT.glob("examples/*/README.md"),
]  # fmt: skip
_LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)")


def anchors(page: Path) -> set[str]:
    """Return the names by which a page's headings are linked to."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    bare = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {heading.replace(" ", "-") for heading in bare}


def dead(page: Path, text: str) -> list[str]:
    """Return the links in a text of a page that lead nowhere."""
    found = []
    for target, anchor in _LINK.findall(text):
        if "://" in target:
            continue
        path = page.parent / target if target else page
        known = not anchor or path.suffix != ".md" or (path.exists() and anchor in anchors(path))
        if not path.exists() or not known:
            found.append(f"{page.relative_to(ROOT)}: {target}#{anchor}")
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda one: str(one.relative_to(ROOT)))
def test_links_of_the_docs_lead_somewhere(page: Path) -> None:
    """Every relative link with its heading, and every test that a page names, is there."""
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/.]+)`", text)

    assert dead(page, text) == []
    assert [one for one in named if not (ROOT / one).exists()] == []


def test_a_link_that_leads_nowhere_is_found() -> None:
    """To a file, to a heading of another page, and to one of its own."""
    page = ROOT / "README.md"
    text = "[a](docs/none.md) [b](docs/operations.md#none) [c](#none) [d](docs/none.md#damage)"

    assert len(dead(page, text)) == 4
    assert (
        dead(page, "[a](docs/operations.md#damage) [b](#the-promise) [c](https://x.example)") == []
    )


def promises() -> list[str]:
    """Return the lines of the promise."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.split("\n## The promise\n")[1].split("\n## ")[0]
    return re.findall(r"^\d+\. .+$", section, re.MULTILINE)


@pytest.mark.parametrize("line", promises(), ids=lambda one: one[:2])
def test_a_promise_leads_to_a_test(line: str) -> None:
    """Each line links to one or more, and one of each is run by `make test`."""
    targets = [target for target, _ in _LINK.findall(line) if target.startswith("tests/")]

    assert targets
    for target in targets:
        path = ROOT / target
        files = sorted(path.glob("test_*.py")) if path.is_dir() else [path]
        text = "".join(file.read_text(encoding="utf-8") for file in files)
        assert text.count("\ndef test_") > text.count("\n@pytest.mark.long"), target


def test_there_are_seven_promises() -> None:
    """One that is taken back is not taken back in silence."""
    assert [line[:2] for line in promises()] == [f"{number}." for number in range(1, 8)]
