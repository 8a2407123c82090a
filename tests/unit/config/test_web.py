"""Where the web page listens, and who else may ask it."""

from pathlib import Path

import pytest

from sidespand.config import Config, load
from sidespand.errors import ConfigError
from tests.unit.config.test_load import HOME


def read(place: Path, text: str) -> Config:
    """Return the configuration of a file."""
    path = place / "sidespan.toml"
    path.write_text(text)
    return load(path, environment=HOME)


def test_beyond_loopback_it_must_be_said_twice(tmp_path: Path) -> None:
    """Token and spans would be on the network in clear."""
    text = '[web]\nlisten = "0.0.0.0:4320"\n'
    with pytest.raises(ConfigError, match=r"web\.listen: .*web\.insecure_listen"):
        read(tmp_path, text)
    config = read(tmp_path, f"{text}insecure_listen = true\n")
    assert str(config.web_listen) == "0.0.0.0:4320"


def test_a_system_service_has_no_page_by_default(tmp_path: Path) -> None:
    """A user's daemon has one, on loopback."""
    path = tmp_path / "sidespan.toml"
    path.write_text("")
    assert load(path, environment={**HOME, "STATE_DIRECTORY": "/var/lib/x"}).web_listen is None
    assert str(load(path, environment=HOME).web_listen) == "127.0.0.1:4320"


@pytest.mark.parametrize(
    "origin",
    [
        "https://a.b/",
        "https://a.b/path",
        "*",
        "null",
        "a.b",
        "https://*.b",
        "https://A.b",
        "file://x",
    ],
)
def test_an_origin_is_what_a_browser_sends(tmp_path: Path, origin: str) -> None:
    """Anything else would never be equal to one, or to too many."""
    with pytest.raises(ConfigError, match=r"web\.allowed_origins"):
        read(tmp_path, f'[web]\nallowed_origins = ["{origin}"]\n')
