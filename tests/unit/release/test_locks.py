"""What a release installs is pinned, hashed, named and licensed."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from release import notices

ROOT = Path(__file__).parents[3]
LOCK = (ROOT / "requirements/daemon.txt").read_text().splitlines()
# MIT, BSD, Apache-2.0, MPL-2.0, ISC and what asks for no more than they do.
LICENCES = re.compile(
    r"(MIT(-0)?|BSD-[23]-Clause|Apache-2\.0|Apache 2|MPL-2\.0|ISC|PSF-2\.0|OLDAP-2\.8|3-Clause BSD)"
    r"( License)?"
)


def daemon_requirements() -> list[Requirement]:
    """Return what the daemon asks for, with and without NATS."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    return [Requirement(line) for line in (*extras["daemon"], *extras["nats"])]


@pytest.mark.parametrize("requirement", daemon_requirements(), ids=lambda one: one.name)
def test_every_requirement_is_pinned_within_its_bounds(requirement: Requirement) -> None:
    """The lock has each direct dependency, in a version that pyproject.toml allows."""
    pinned = dict(notices.locked(LOCK))

    assert requirement.specifier.contains(pinned[requirement.name], prereleases=True)


def test_every_package_has_hashes() -> None:
    """Installing with --require-hashes refuses a file in which one of them has none."""
    begins = [number for number, line in enumerate(LOCK) if re.match(r"[a-z0-9]", line)]

    assert len(begins) > 20
    for begin in begins:
        assert LOCK[begin + 1].strip().startswith("--hash=sha256:"), LOCK[begin]


def test_no_lock_names_where_it_was_made() -> None:
    """Neither a path nor a registry is in a lock file."""
    locks = [
        ROOT / "requirements/daemon.txt",
        *ROOT.glob("daemon/ui/package-lock.json"),
        *ROOT.glob("bindings/*/package-lock.json"),
    ]

    for lock in locks:
        assert not re.search(r"https?://[^\"]*\.tgz|--index-url|/home/|/root/", lock.read_text())


def test_the_notices_list_every_package_with_a_licence_we_accept() -> None:
    """THIRD_PARTY_NOTICES.md names what is locked, Python and page, each under a known licence."""
    rows = re.findall(r"^\| (\S+) \| (\S+) \| (.+) \|$", notices.NOTICES.read_text(), re.MULTILINE)
    listed = {(name, version) for name, version, _ in rows if name != "package"}

    assert set(notices.locked(LOCK)) | pages() == listed
    for name, _, licence in rows:
        parts = re.split(r" (?:AND|OR) ", licence)
        assert name == "package" or all(map(LICENCES.fullmatch, parts)), (name, licence)


def pages() -> set[tuple[str, str]]:
    """Return what the page's build holds."""
    return {(one.name, one.version) for one in notices.page_notices()}
