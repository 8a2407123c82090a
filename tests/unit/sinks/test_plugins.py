"""Sinks of other distributions: found by entry point, imported when named, kept to the contract."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sidespand.config import SinkConfig
from sidespand.errors import ConfigError
from sidespand.sinks import plugins, registry
from tests.journals import content, records, run
from tests.otlp import encoded

PAGE = Path(__file__).parents[3] / "docs/sinks.md"
SOURCE, SUITE = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)

Installer = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installer:
    """Return what puts a distribution on the path, as an installer would."""

    def installed(
        name: str = "acme-sink", points: str = "notes = acme_sink:NOTES", source: str = SOURCE
    ) -> Path:
        site = tmp_path / f"site-{name}"
        information = site / f"{name.replace('-', '_')}-1.0.dist-info"
        information.mkdir(parents=True)
        (information / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
        )
        (information / "entry_points.txt").write_text(f"[sidespan.sinks]\n{points}\n")
        (site / "acme_sink.py").write_text(source)
        monkeypatch.syspath_prepend(str(site))
        monkeypatch.delitem(sys.modules, "acme_sink", raising=False)
        return site

    return installed


def refusal(kind: str) -> ConfigError:
    """Return what is said of a type that cannot be used."""
    with pytest.raises(ConfigError) as refused:
        registry.parse([SinkConfig("mine", kind, {})])
    return refused.value


def test_an_installed_sink_delivers(install: Installer, tmp_path: Path) -> None:
    """Its type is its entry point's name; its keys are checked like ours."""
    install()
    path = tmp_path / "notes"
    assert plugins.names() == ["notes"]
    assert str(refusal("notes")) == 'sinks.mine.path: missing; set it to "/tmp/notes"'
    (plan,) = registry.parse([SinkConfig("mine", "notes", {"path": str(path)})])

    async def test() -> None:
        sink = registry.build(plan, tmp_path / "sink", lambda *_: {})
        await sink.deliver(records([content(encoded(3))]))
        await sink.close()

    run(test())
    assert path.read_text() == "1\n2\n3\n"


def test_an_unknown_type_lists_what_is_installed(install: Installer) -> None:
    """A typing error is answered with the name that was meant, whoever brings it."""
    install()
    error = refusal("notse")
    assert str(error) == 'sinks.mine.type: unknown type "notse", did you mean notes?'
    assert "notes" in error.hint


def test_what_nobody_names_is_not_imported(install: Installer) -> None:
    """A distribution that breaks harms nobody who does not use it."""
    install(source="raise RuntimeError('broken')")
    registry.parse([SinkConfig("archive", "jsonl", {})])
    assert "acme_sink" not in sys.modules


@pytest.mark.parametrize(
    ("points", "source", "message"),
    [
        ("notes = acme_sink:NOTES", "raise RuntimeError('broken')", "RuntimeError: broken"),
        ("notes = acme_sink:MISSING", SOURCE, "AttributeError"),
        ("notes = no_such_module:X", SOURCE, "ModuleNotFoundError"),
        ("notes = acme_sink:NotesSink", SOURCE, "is no sidespand.sinks.spec.SinkType"),
    ],
)
def test_one_that_cannot_be_used_names_its_distribution(
    install: Installer, points: str, source: str, message: str
) -> None:
    """What went wrong, and whose it is, is a configuration error."""
    install(points=points, source=source)
    error = refusal("notes")
    assert message in str(error)
    assert "acme-sink" in str(error)
    assert error.hint


def test_two_that_bring_the_same_type_are_refused(install: Installer) -> None:
    """Which one counts is not left to the order of a path."""
    install()
    install("other-sink")
    assert "acme-sink and by other-sink" in str(refusal("notes"))


def test_ours_cannot_be_replaced(install: Installer) -> None:
    """A distribution that brings a type of ours is passed over."""
    install(points="jsonl = acme_sink:NOTES")
    (plan,) = registry.parse([SinkConfig("archive", "jsonl", {})])
    assert plan.type is registry.TYPES["jsonl"]


def test_one_that_fails_to_be_made_is_a_configuration_error(
    install: Installer, tmp_path: Path
) -> None:
    """A stranger's exception names the sink."""
    install(source=SOURCE.replace('NotesSink(options["path"])', '{}["x"]'))
    (plan,) = registry.parse([SinkConfig("mine", "notes", {"path": "/tmp/x"})])
    with pytest.raises(ConfigError, match=r"sinks.mine: cannot be made"):
        registry.build(plan, tmp_path / "sink", lambda *_: {})


@pytest.mark.slow
def test_authors_run_the_contract_from_the_installed_package(
    install: Installer, tmp_path: Path
) -> None:
    """``sidespand.testing`` needs nothing of this repository's tests, and finds what is broken."""
    site = install()
    (tmp_path / "suite").mkdir()
    path = tmp_path / "suite" / "test_notes.py"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(path)]
    for suite, passes in (
        (SUITE, True),
        (SUITE.replace("[int(lsn)", "[1 + int(lsn)"), False),
    ):
        path.write_text(suite)
        done = subprocess.run(
            command,
            cwd=tmp_path / "suite",
            env={**os.environ, "PYTHONPATH": str(site)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode == 0) is passes, done.stdout
        assert ("7 passed" in done.stdout) is passes
