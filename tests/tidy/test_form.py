"""The form of the code: sizes that keep it readable, and files that must not drift."""

import ast
import filecmp
import os
import statistics
import subprocess
from pathlib import Path

import pytest

from tests.toolchain import require

ROOT = Path(__file__).parents[2]
MODULE_LINES_MAX = 500
MODULE_LINES_MEDIAN_MAX = 200
FUNCTION_LINES_MAX = 70
PROTOCOL_METHODS_MAX = 3


def sources(*tops: str) -> list[Path]:
    """Return the hand-written Python files below ``tops``."""
    return sorted(
        path for top in tops for path in (ROOT / top).rglob("*.py") if "v1" not in path.parts
    )


def test_modules_stay_small() -> None:
    """No module is over 500 lines, and the median is under 200."""
    lines = {
        path: len(path.read_text(encoding="utf-8").splitlines())
        for path in sources("client", "daemon")
    }

    assert {path: count for path, count in lines.items() if count > MODULE_LINES_MAX} == {}
    assert statistics.median(lines.values()) <= MODULE_LINES_MEDIAN_MAX


def test_functions_stay_small() -> None:
    """No function is over 70 lines."""
    found = []
    for path in sources("client", "daemon", "tests", "examples"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or 0) - node.lineno + 1
                if length > FUNCTION_LINES_MAX:
                    found.append(f"{path}:{node.lineno} {node.name} {length}")

    assert found == []


def test_ports_have_three_methods_at_most() -> None:
    """A Protocol between stages can be faked by hand."""
    tree = ast.parse((ROOT / "daemon/sidespand/ports.py").read_text(encoding="utf-8"))
    methods = {
        node.name: sum(isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef) for one in node.body)
        for node in tree.body
        if isinstance(node, ast.ClassDef)
    }

    assert methods
    assert max(methods.values()) <= PROTOCOL_METHODS_MAX


def test_tests_say_what_they_show() -> None:
    """Every test has a docstring."""
    silent = []
    for path in sources("tests"):
        silent += [
            f"{path.name}:{node.name}"
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and node.name.startswith("test_")
            and not ast.get_docstring(node)
        ]

    assert silent == []


@pytest.mark.slow
def test_generated_code_is_what_the_schema_makes(tmp_path: Path) -> None:
    """client/sidespan/v1 is what `make proto` writes."""
    generator = ROOT / ".venv/codegen/bin/python"
    require(generator.exists(), "the protobuf generator", "make test installs it")
    (tmp_path / "out").mkdir()
    subprocess.run(
        [
            str(generator), "-W", "ignore", "-m", "grpc_tools.protoc", "-Iproto",
            f"--python_out={tmp_path / 'out'}", f"--pyi_out={tmp_path / 'out'}",
            "proto/sidespan/v1/recorder.proto",
        ],
        cwd=ROOT, check=True, capture_output=True, timeout=60, env={**os.environ},
    )  # fmt: skip

    for name in ("recorder_pb2.py", "recorder_pb2.pyi"):
        made = tmp_path / "out/sidespan/v1" / name
        assert filecmp.cmp(made, ROOT / "client/sidespan/v1" / name, shallow=False), name
