"""Puts what a measurement wrote into docs/benchmarks.md, between two comments."""

import time
from pathlib import Path

from tests.results import facts

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/benchmarks.md"
RESULTS = ROOT / "docs/results"


def put(name: str, text: str, page: Path = PAGE) -> None:
    """Replace what stands between ``<!-- name -->`` and ``<!-- /name -->``.

    Raises:
        ValueError: The page has no such place; nothing was written.
    """
    before = page.read_text(encoding="utf-8")
    head, begun, rest = before.partition(f"<!-- {name} -->\n")
    _, ended, tail = rest.partition(f"<!-- /{name} -->")
    if not begun or not ended:
        raise ValueError(f"{page}: no place for {name}")
    page.write_text(f"{head}{begun}{text.strip()}\n{ended}{tail}", encoding="utf-8")


def publish(name: str, title: str, text: str) -> None:
    """Put ``text`` into its place on the page, and a copy with the day's date beside long runs.

    Raises:
        ValueError: The page has no such place; nothing was written.
    """
    put(name, text)
    RESULTS.mkdir(exist_ok=True)
    day = time.strftime("%Y-%m-%d")
    about = "\n".join(f"* {fact}" for fact in facts())
    page = f"# {title}, {day}\n\n{about}\n\n{text.strip()}\n"
    (RESULTS / f"{day}-{name}.md").write_text(page, encoding="utf-8")


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
