"""Writes THIRD_PARTY_NOTICES.md: whose work a release brings, and under which licence.

    python -m release.notices [--check]

The Python packages are those of requirements/daemon.txt, as they are installed; those of the page
are the runtime dependencies of daemon/ui, which its build holds.
"""

import argparse
import importlib.metadata
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from packaging.markers import Marker

ROOT = Path(__file__).parents[1]
NOTICES = ROOT / "THIRD_PARTY_NOTICES.md"
_LOCKED = re.compile(
    r"^(?P<name>[a-z0-9][a-z0-9._-]*)==(?P<version>\S+)(?: ; (?P<marker>.+?))? \\$"
)
_LICENCE_FILE = re.compile(r"(?i)(licen[cs]e|copying|notice)")
_INTRODUCTION = """\
# Third-party notices

Sidespan is under the MIT licence (LICENSE). What is listed here is other people's work that a
release is installed with, or that its page holds. `make notices` writes this file.
"""


class Notice(NamedTuple):
    """One work.

    Args:
        name: Of the package.
        version: Of it.
        licence: Its expression.
        texts: Licence files, whole.
    """

    name: str
    version: str
    licence: str
    texts: tuple[str, ...]


def locked(lines: list[str]) -> Iterator[tuple[str, str]]:
    """Yield name and version of each package of a lock file that this platform installs."""
    for line in lines:
        found = _LOCKED.match(line)
        if found and (found["marker"] is None or Marker(found["marker"]).evaluate()):
            yield found["name"], found["version"]


def python_notices() -> Iterator[Notice]:
    """Yield a notice for each locked Python package.

    Raises:
        SystemExit: One of them is not installed in that version, or names no licence.
    """
    for name, version in locked((ROOT / "requirements/daemon.txt").read_text().splitlines()):
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            sys.exit(f"{name} is not installed: pip install -r requirements/daemon.txt")
        if distribution.version != version:
            sys.exit(f"{name} {distribution.version} is installed, the lock has {version}")
        yield Notice(name, version, _licence(distribution), tuple(_texts(distribution)))


def page_notices() -> Iterator[Notice]:
    """Yield a notice for each package that the page's build holds."""
    ui = ROOT / "daemon/ui"
    wanted = list(json.loads((ui / "package.json").read_text()).get("dependencies", {}))
    lock = json.loads((ui / "package-lock.json").read_text())["packages"]
    seen: set[str] = set()
    while wanted:
        name = wanted.pop()
        if name in seen:
            continue
        seen.add(name)
        entry = lock[f"node_modules/{name}"]
        wanted += entry.get("dependencies", {})
        files = sorted((ui / "node_modules" / name).glob("*"))
        texts = tuple(
            file.read_text() for file in files if file.is_file() and _LICENCE_FILE.match(file.name)
        )
        yield Notice(name, entry["version"], entry["license"], texts)


def document() -> str:
    """Return the whole file: every package with its licence, then each text once."""
    parts = [_INTRODUCTION]
    texts: dict[str, tuple[str, list[str]]] = {}
    for title, notices in (("Python", python_notices()), ("The page", page_notices())):
        parts.append(f"## {title}\n")
        parts.append("| package | version | licence |\n|---|---|---|")
        for notice in sorted(notices):
            parts.append(f"| {notice.name} | {notice.version} | {notice.licence} |")
            for text in notice.texts:
                # Most differ in nothing but their line breaks.
                texts.setdefault(" ".join(text.split()), (text, []))[1].append(notice.name)
        parts.append("")
    for text, names in texts.values():
        parts.append(f"## {', '.join(dict.fromkeys(names))}\n\n```text\n{text.strip()}\n```\n")
    return "\n".join(parts)


def main() -> int:
    """Write the file, or say whether it is as it should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    args = parser.parse_args()
    text = document()
    if not args.check:
        NOTICES.write_text(text)
        return 0
    if NOTICES.read_text() == text:
        return 0
    print("THIRD_PARTY_NOTICES.md is out of date: make notices", file=sys.stderr)
    return 1


def _licence(distribution: importlib.metadata.Distribution) -> str:
    metadata = distribution.metadata
    named = metadata.get("License-Expression") or metadata.get("License") or ""
    if named and "\n" not in named:
        return named
    classifiers = metadata.get_all("Classifier") or []
    found = [
        one.rpartition(" :: ")[2]
        for one in classifiers
        if one.startswith("License :: OSI Approved")
    ]
    if not found:
        sys.exit(f"{distribution.name} names no licence")
    return ", ".join(found)


def _texts(distribution: importlib.metadata.Distribution) -> Iterator[str]:
    for file in distribution.files or ():
        in_metadata = file.parts[0].endswith(".dist-info")
        if in_metadata and _LICENCE_FILE.match(file.name):
            yield Path(str(distribution.locate_file(file))).read_text(errors="replace")


if __name__ == "__main__":
    sys.exit(main())
