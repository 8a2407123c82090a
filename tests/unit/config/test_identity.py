"""Who the node says it is, and where its store is remembered, as the configuration has them."""

import os
import re
from pathlib import Path

import pytest

from sidespand.config import load
from sidespand.config.keys import KEYS
from sidespand.errors import ConfigError

HOME = {"HOME": "/home/someone", "XDG_RUNTIME_DIR": "/run/user/1000"}
NO_FILE = Path("/dev/null")
REFERENCES = ["source_node_ref", "node_instance_id", "node_role", "deployment_ref", "cluster_ref"]
HOSTILE = [
    "",
    " ",
    "two words",
    "a" * 256,
    "line\nbreak",
    "\x1b[31mred",
    "nul\0",
    "caf\u00e9",
    "\u202ereversed",
    "tab\t",
    "\x7f",
]


@pytest.mark.parametrize("name", REFERENCES)
@pytest.mark.parametrize("value", HOSTILE)
def test_what_is_no_reference(name: str, value: str) -> None:
    """It could break a line, a terminal or a signed note: the variable and what fits are named."""
    variable = f"SIDESPAN_NODE_{name.upper()}"

    with pytest.raises(ConfigError) as caught:
        load(NO_FILE, environment=HOME | {variable: value})

    message = str(caught.value)
    assert f"environment {variable}: expected 1 to 255 printable ASCII characters" in message
    assert message.isprintable()


@pytest.mark.parametrize("name", REFERENCES)
def test_references_take_any_printable_character(name: str) -> None:
    """From one to 255 of them."""
    for value in ("x", "!~", "node://worker@host/1", "a" * 255):
        config = load(NO_FILE, environment=HOME | {f"SIDESPAN_NODE_{name.upper()}": value})
        assert getattr(config, name) == value


def test_a_node_that_nobody_named() -> None:
    """It has its host's name; what is not configured is not made up."""
    config = load(NO_FILE, environment=HOME)

    assert config.source_node_ref.startswith("node://sidespan@")
    assert config.node_instance_id is None
    assert (config.node_role, config.deployment_ref, config.cluster_ref) == ("", "", "")


def test_anchors_lie_beside_the_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    """One by default, wherever the sockets are, and a second one where it is configured."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert load(NO_FILE, environment=HOME).anchor_dirs == (Path("/run/user/1000/sidespan/anchor"),)
    moved = load(NO_FILE, {"runtime_dir": "/run/mine"}, HOME)
    assert moved.anchor_dirs == (Path("/run/mine/anchor"),)
    both = load(NO_FILE, {"journal.anchor_dir": "/a", "journal.anchor_dir_durable": "/b"}, HOME)
    assert both.anchor_dirs == (Path("/a"), Path("/b"))


@pytest.mark.parametrize("name", ["anchor_dir", "anchor_dir_durable"])
def test_an_anchor_in_the_store_is_refused(name: str) -> None:
    """It would go back together with what it should tell of."""
    flags = {"data_dir": "/srv/store", f"journal.{name}": "/srv/store/anchor"}

    with pytest.raises(ConfigError, match=rf"journal\.{name}: lies in data_dir"):
        load(NO_FILE, flags, HOME)


def test_the_variables_of_the_container_example_are_keys() -> None:
    """What the page tells people to set is read."""
    page = Path(__file__).parents[3] / "docs/evidence.md"
    named = set(re.findall(r"SIDESPAN_NODE_\w+", page.read_text(encoding="utf-8")))
    assert len(named) == 3
    assert named <= {key.variable for key in KEYS}
