"""Which tests guard which row of the fault catalogue; ``python -m tests.catalogue`` writes it down.

A test names its rows with ``@pytest.mark.fault(3, 5)``. The rows and what is promised of each stand
in docs/faults.md; the last column of its table is written here, from the tests.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/faults.md"
ROWS = range(1, 43)
_ROW = re.compile(r"^\| (\d+) \| (.*) \| (.*) \| (.*) \|$", re.MULTILINE)


def guards() -> dict[int, list[str]]:
    """Return the tests of each row that has one, as ``path::name`` below ``tests``, sorted."""
    found: dict[int, list[str]] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        where = path.relative_to(ROOT / "tests").as_posix()
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                for row in sorted(set(_rows(node.decorator_list))):
                    found.setdefault(row, []).append(f"{where}::{node.name}")
    return {row: sorted(found[row]) for row in sorted(found)}


def _rows(decorators: list[ast.expr]) -> Iterator[int]:
    # In a decorator of its own, or among the marks of a parameter.
    for one in (node for decorator in decorators for node in ast.walk(decorator)):
        if isinstance(one, ast.Call) and ast.unparse(one.func) == "pytest.mark.fault":
            yield from (int(ast.literal_eval(argument)) for argument in one.args)


def listed(page: str) -> dict[int, str]:
    """Return the column of tests of each row that a page has."""
    return {int(number): tests for number, _, _, tests in _ROW.findall(page)}


def column(tests: list[str]) -> str:
    """Return the column of tests as the page has it: the name of each, linked to its file."""
    cells = []
    for test in tests:
        path, _, name = test.partition("::")
        cells.append(f"[{name.removeprefix('test_').replace('_', ' ')}](../tests/{path})")
    return "; ".join(cells)


def written(page: str) -> str:
    """Return a page with its column of tests as it should be."""
    tests = guards()

    def line(found: re.Match[str]) -> str:
        number, fault, behaviour, _ = found.groups()
        return f"| {number} | {fault} | {behaviour} | {column(tests.get(int(number), []))} |"

    return _ROW.sub(line, page)


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
