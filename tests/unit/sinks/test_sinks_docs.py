"""What docs/sinks.md shows can be typed as it stands."""

import re
import sqlite3
from pathlib import Path

import pytest

from sidespand.config import load
from sidespand.sinks import registry
from tests.certificates import Authority

PAGE = (Path(__file__).parents[3] / "docs/sinks.md").read_text(encoding="utf-8")
BLOCKS = [
    block for block in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL) if "[sinks." in block
]


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """Return a directory with the files that the page names."""
    authority = Authority(tmp_path)
    authority.cert.rename(tmp_path / "nats-ca.pem")
    for name in ("nats.creds", "langfuse.headers", "logfire.headers", "datadog.headers"):
        (tmp_path / name).touch(0o600)
        (tmp_path / name).write_text("authorization: x\n")
    return tmp_path


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.split("]")[0][1:])
def test_a_configuration_loads(block: str, secrets: Path, tmp_path: Path) -> None:
    """Every key is known, every value is taken, and the keys go together."""
    config = tmp_path / "sidespan.toml"
    config.write_text(block.replace("/etc/sidespan", str(secrets)))
    plans = registry.parse(load(config, environment={"HOME": str(tmp_path)}).sinks)
    assert len(plans) == block.count("[sinks.")


def test_every_type_has_a_section_and_a_configuration() -> None:
    """A sink that is not on the page does not exist for its users."""
    for kind in registry.TYPES:
        assert f"\n## `{kind}`\n" in PAGE
        assert any(f'type = "{kind}"' in block for block in BLOCKS)


@pytest.mark.parametrize("kind", ["aitrace_file", "console", "jsonl", "nats", "otlp"])
def test_every_key_is_told(kind: str) -> None:
    """A section names all keys of its type."""
    section = PAGE.split(f"## `{kind}`")[1].split("\n## ")[0]
    assert [key for key in registry.TYPES[kind].options if key not in section] == []


def test_the_primary_key_drops_repetitions() -> None:
    """The SQL runs, and leaves one row."""
    (script,) = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
    database = sqlite3.connect(":memory:")
    database.executescript(script)
    assert database.execute("SELECT count(*) FROM spans").fetchone() == (1,)
    database.close()
