"""What a long run counted, in a page that is committed.

A test tells its figures with ``counted``. ``pytest -p tests.results --results DIR`` writes them to
``DIR/<day>.md`` as they come, with the outcome of each test and the machine they were counted on.
"""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import pytest

_PACKAGES = ("sidespan", "lmdb", "grpcio", "protobuf", "uvloop")
_GIB = 1 << 30
_figures: dict[str, dict[str, int | str]] = {}


def counted(what: str, **figures: int | str) -> None:
    """Keep the figures of one test, under a name for people."""
    _figures[what] = figures


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take the directory of the page."""
    parser.addoption(
        "--results", metavar="DIR", type=Path, help="write what the tests counted to DIR/<day>.md"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Write a page at the end, where one is asked for."""
    if (directory := config.getoption("--results", None)) is not None:
        writer = _Writer(config.rootpath / directory, config.getoption("markexpr") or "all")
        config.pluginmanager.register(writer, "sidespan-results")


class _Writer:
    """Collects the outcomes of one run.

    Args:
        directory: Of the page.
        selection: Which tests were asked for.
    """

    def __init__(self, directory: Path, selection: str) -> None:
        self._directory = directory
        self._selection = selection
        self._began = datetime.now(UTC)
        self._outcomes: dict[str, tuple[str, float]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the outcome of a call, or of what kept it from being made, and write the page anew.

        So it stands there, too, when a run of an hour is broken off. One of the same day goes.
        """
        if report.when != "call" and report.outcome == "passed":
            return
        self._outcomes[report.nodeid] = (report.outcome, report.duration)
        self._directory.mkdir(parents=True, exist_ok=True)
        path = self._directory / f"{self._began:%Y-%m-%d}.md"
        path.write_text("\n".join(self._lines()) + "\n", encoding="utf-8")

    def _lines(self) -> list[str]:
        outcomes = [outcome for outcome, _ in self._outcomes.values()]
        told = [f"{outcomes.count(one)} {one}" for one in ("passed", "failed", "skipped")]
        lines = [
            f"# The long run of {self._began:%Y-%m-%d}",
            "",
            f"Tests marked `{self._selection}`: {', '.join(told)}. What ran is in the last table.",
            "",
            *(f"* {fact}" for fact in facts()),
            "",
            "| what | counted |",
            "|---|---|",
        ]
        for what, figures in sorted(_figures.items()):
            cells = [f"{name.replace('_', ' ')} {value}" for name, value in figures.items()]
            lines.append(f"| {what} | {', '.join(cells)} |")
        lines += ["", "| test | outcome | seconds |", "|---|---|---|"]
        for name, (outcome, seconds) in sorted(self._outcomes.items()):
            lines.append(f"| `{name.replace('|', '&#124;')}` | {outcome} | {seconds:.1f} |")
        return lines


def facts() -> list[str]:
    """Return what machine this is, and what runs on it."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / _GIB
    commit = _asked("git", "rev-parse", "--short", "HEAD")
    versions = [f"{name} {version(name)}" for name in _PACKAGES]
    machine = f"{platform.system()} {platform.release()}, {platform.machine()}"
    return [
        f"commit {commit or 'unknown'}{' with changes' if _asked('git', 'status', '-s') else ''}",
        f"{machine}, {os.cpu_count()} cores, {memory:.0f} GiB of memory",
        f"Python {platform.python_version()}, {', '.join(versions)}",
    ]


def _asked(*command: str) -> str:
    # Where there is no repository, there is no answer.
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    return ended.stdout.strip()
