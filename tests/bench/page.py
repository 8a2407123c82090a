"""Puts what a measurement wrote into its place on a page, between two comments."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/benchmarks.md"


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


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
