"""The token of a store's API, and what one door of it lets in."""

import contextlib
import hmac
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from sidespand.errors import ConfigError
from sidespand.files import create_file, read_secret
from sidespand.limits import API_TOKEN_BYTES, BEARER_CHARACTERS_MIN

_OTHERS = 0o077


@dataclass(frozen=True, slots=True)
class Door:
    """One listening socket of the API.

    Args:
        hosts: Names, without port, by which it may be called.
        origins: Of other pages that may ask, such as ``https://traces.example``.
        token: Who asks must show it; None where the socket's mode decides.
        writes: Whether what changes the store may be asked for.
        writers: The uids that may ask for it; None where the socket's mode decides.
    """

    hosts: Collection[str]
    origins: Collection[str] = ()
    token: str | None = None
    writes: bool = False
    writers: Collection[int] | None = None

    def may_write(self, uid: int | None) -> bool:
        """Tell whether a peer may change the store; None is one that is not known."""
        return self.writes and (self.writers is None or uid in self.writers)

    def admits(self, authorization: str | None) -> bool:
        """Tell whether an Authorization header shows the token; True where none is needed."""
        if self.token is None:
            return True
        scheme, _, shown = (authorization or "").partition(" ")
        # Both are compared whole: how long it takes tells nothing of the token.
        same = hmac.compare_digest(shown.strip().encode("utf-8", "replace"), self.token.encode())
        return same and scheme.lower() == "bearer"


def load_token(path: Path) -> str:
    """Return the token in a file, which is made when there is none.

    Args:
        path: In the data directory; its owner alone may read it.

    Raises:
        ConfigError: It cannot be read or made, others may read it, or it holds no token.
    """
    try:
        with contextlib.suppress(FileExistsError):
            create_file(path, secrets.token_urlsafe(API_TOKEN_BYTES).encode() + b"\n", 0o600)
        text = read_secret("the API's token", path, _OTHERS).decode("ascii").strip()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}", hint='or set web.listen = "off"') from error
    except UnicodeDecodeError:
        text = ""
    if len(text) < BEARER_CHARACTERS_MIN or not text.isprintable() or " " in text:
        raise ConfigError(
            f"{path} holds no token of {BEARER_CHARACTERS_MIN} characters or more",
            hint=f"rm {path} and start again: a new one is made",
        )
    return text
