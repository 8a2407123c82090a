"""install-service and uninstall-service in the file tree of an image, where nothing is started."""

import shutil
from pathlib import Path

import pytest

from tests.toolchain import require
from tests.unit.cli.conftest import Run

pytestmark = pytest.mark.slow

PROGRAM = "/opt/sidespan/bin/sidespan"


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """Return a file tree that has the program."""
    require(shutil.which("systemctl"), "systemctl", "apt install systemd")
    program = tmp_path / PROGRAM.lstrip("/")
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return tmp_path


def below(image: Path) -> set[str]:
    """Return the paths of files and links in an image's /etc that sidespan has put there."""
    found = (image / "etc").rglob("*sidespan*") if (image / "etc").exists() else ()
    return {str(path.relative_to(image)) for path in found}


def test_an_image_gets_unit_users_and_directories(image: Path, run: Run) -> None:
    """The unit starts the program that is named, and is enabled."""
    done = run("install-service", "--root", image, "--exec", PROGRAM)

    assert (done.status, done.err) == (0, "")
    assert below(image) == {
        "etc/sidespan",
        "etc/sysusers.d/sidespan.conf",
        "etc/tmpfiles.d/sidespan.conf",
        "etc/systemd/system/sidespan.service",
        "etc/systemd/system/multi-user.target.wants/sidespan.service",
    }
    unit = (image / "etc/systemd/system/sidespan.service").read_text()
    assert f"\nExecStart={PROGRAM} serve\n" in unit
    assert f"\nExecReload={PROGRAM} reload\n" in unit
    assert "/usr/bin/sidespan" not in unit
    users = (image / "etc/passwd").read_text()
    groups = (image / "etc/group").read_text()
    assert "sidespan:" in users
    assert "sidespan-read:" in groups
    assert groups.split("sidespan-read:")[1].split("\n")[0].endswith(":sidespan")


def test_a_dry_run_says_each_step_and_does_none(image: Path, run: Run) -> None:
    """It lists what would be written and run."""
    said = run("install-service", "--root", image, "--exec", PROGRAM, "--dry-run")

    assert said.status == 0
    assert f"write {image}/etc/systemd/system/sidespan.service" in said.out
    assert f"run systemctl --root={image} enable sidespan.service" in said.out
    assert below(image) == set()


def test_a_unit_of_another_hand_is_left_alone(image: Path, run: Run) -> None:
    """It is neither replaced, but with --force, nor removed."""
    unit = image / "etc/systemd/system/sidespan.service"
    unit.parent.mkdir(parents=True)
    unit.write_text("[Service]\nExecStart=/bin/true\n")

    refused = run("install-service", "--root", image, "--exec", PROGRAM)
    assert (refused.status, "--force replaces it" in refused.err) == (2, True)
    assert run("uninstall-service", "--root", image).status == 2
    assert unit.read_text() == "[Service]\nExecStart=/bin/true\n"
    assert run("install-service", "--root", image, "--exec", PROGRAM, "--force").status == 0
    assert run("install-service", "--root", image, "--exec", PROGRAM).status == 0


def test_what_the_sandbox_hides_cannot_be_started(image: Path, run: Run) -> None:
    """A program in a home is refused with the reason, and so is one that is not there."""
    hidden = image / "home/ann/bin/sidespan"
    hidden.parent.mkdir(parents=True)
    shutil.copy(image / PROGRAM.lstrip("/"), hidden)

    refused = run("install-service", "--root", image, "--exec", "/home/ann/bin/sidespan")
    assert (refused.status, "does not see /home" in refused.err) == (2, True)
    refused = run("install-service", "--root", image, "--exec", "/usr/bin/nothing")
    assert (refused.status, "is no program" in refused.err) == (2, True)
    assert below(image) == set()


def test_uninstalling_keeps_what_was_recorded_unless_purged(image: Path, run: Run) -> None:
    """The store and drop-ins stay; --purge without anybody to ask needs --yes."""
    run("install-service", "--root", image, "--exec", PROGRAM)
    store = image / "var/lib/sidespan/STORE.json"
    store.parent.mkdir(parents=True)
    store.write_text("{}")

    kept = run("uninstall-service", "--root", image)
    assert (kept.status, str(store.parent) in kept.out) == (0, True)
    assert below(image) == {"etc/sidespan"}
    assert store.exists()
    asked = run("uninstall-service", "--root", image, "--purge")
    assert (asked.status, "--yes" in asked.err) == (2, True)
    assert store.exists()
    assert run("uninstall-service", "--root", image, "--purge", "--yes").status == 0
    assert not store.parent.exists()
    assert below(image) == set()


def test_a_user_gets_a_unit_of_its_own(
    image: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would lie in the user's configuration, and needs neither users nor root."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(image / "config"))
    program = image / PROGRAM.lstrip("/")

    said = run("install-service", "--user", "--exec", program, "--dry-run")
    assert said.status == 0
    assert said.out.splitlines()[:4] == [
        f"write {image}/config/systemd/user/sidespan.service",
        "run systemctl --user daemon-reload",
        "run systemctl --user enable sidespan.service",
        "run systemctl --user restart sidespan.service",
    ]
    assert "sysusers" not in said.out
    refused = run("install-service", "--user", "--root", image, "--exec", PROGRAM)
    assert (refused.status, "exclude each other" in refused.err) == (2, True)
