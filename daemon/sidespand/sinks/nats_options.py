"""The keys of the ``nats`` sink, and how its servers are reached."""

import asyncio
import contextlib
import importlib.util
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from sidespand.config import values
from sidespand.errors import ConfigError
from sidespand.files import read_secret
from sidespand.limits import MESSAGE_BYTES_MAX, NATS_CLOSE_S
from sidespand.sinks.otlp_options import Tls, ssl_context
from sidespand.sinks.spec import Option

if TYPE_CHECKING:
    import nats.aio.client

_log = logging.getLogger(__name__)
_OTHERS: Final = 0o007
_SUBJECT: Final = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")
_STREAM: Final = re.compile(r"[A-Za-z0-9_-]{0,255}")
_SUBJECT_CHARACTERS_MAX: Final = 255
_SERVERS_MAX: Final = 64
_SECURE: Final = "tls"


@dataclass(frozen=True, slots=True)
class Login:
    """How to reach a cluster.

    Args:
        servers: URLs without credentials.
        tls: Files for ``tls://``.
        user: With a password in ``password_file``; empty without.
        password_file: Its only line is the password.
        token_file: Its only line is a token.
        credentials_file: A ``.creds`` file: a JWT and a seed.
    """

    servers: tuple[str, ...]
    tls: Tls
    user: str = ""
    password_file: Path | None = None
    token_file: Path | None = None
    credentials_file: Path | None = None

    @property
    def is_secure(self) -> bool:
        """Whether one of the servers is reached over TLS."""
        return any(urlsplit(server).scheme == _SECURE for server in self.servers)

    @property
    def secrets(self) -> dict[str, Path]:
        """The files by which it logs in, by key."""
        files = {
            "password_file": self.password_file,
            "token_file": self.token_file,
            "credentials_file": self.credentials_file,
        }
        return {key: path for key, path in files.items() if path is not None}

    async def connect(self, server: str, timeout_s: float) -> "nats.aio.client.Client":
        """Return a new connection, which does not connect again by itself.

        Args:
            server: One of the servers.
            timeout_s: For all of it.

        Raises:
            ConfigError: A file cannot be used; no message repeats any of it.
            OSError, TimeoutError, nats.errors.Error: There is none.
        """
        from nats.aio.client import Client

        client = Client()
        try:
            async with asyncio.timeout(timeout_s):
                await client.connect(
                    server,
                    name="sidespan",
                    allow_reconnect=False,
                    connect_timeout=timeout_s,  # type: ignore[arg-type]
                    error_cb=_note,
                    **self._given(server),
                )
        except BaseException:
            # What it had opened before it failed stays open otherwise.
            await close(client)
            raise
        return client

    def _given(self, server: str) -> dict[str, Any]:
        from nats.aio.client import RawCredentials

        given: dict[str, Any] = {}
        if urlsplit(server).scheme == _SECURE:
            given["tls"] = ssl_context(self.tls)
        if self.password_file is not None:
            given["user"] = self.user
            given["password"] = _secret("password_file", self.password_file).strip()
        if self.token_file is not None:
            given["token"] = _secret("token_file", self.token_file).strip()
        if self.credentials_file is not None:
            # A copy in memory: the library would read the file again by its path.
            text = _secret("credentials_file", self.credentials_file)
            given["user_credentials"] = RawCredentials(text)
        return given


async def close(client: "nats.aio.client.Client") -> None:
    """Break a connection off; a peer that does not answer is not waited for."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(NATS_CLOSE_S):
            await client.close()


def login_of(options: Mapping[str, Any]) -> Login:
    """Return how the servers of a checked configuration are reached."""
    return Login(
        options["servers"],
        Tls(options["ca_file"], options["cert_file"], options["key_file"]),
        options["user"],
        options["password_file"],
        options["token_file"],
        options["credentials_file"],
    )


def faults(options: Mapping[str, Any]) -> list[str]:
    """Return what of the keys does not go together, each with the key in front."""
    login = login_of(options)
    return _contradictions(login) or _unusable(login)


def _contradictions(login: Login) -> list[str]:
    found = []
    if login.tls != Tls() and not login.is_secure:
        found.append("servers: ca_file, cert_file and key_file are for tls://")
    if (login.tls.cert_file is None) != (login.tls.key_file is None):
        found.append("cert_file: goes together with key_file")
    if bool(login.user) != (login.password_file is not None):
        found.append("user: goes together with password_file")
    if len(login.secrets) > 1:
        found.append("credentials_file: is one way to log in, password and token are others")
    if importlib.util.find_spec("nats") is None:
        found.append('type: nats needs a client: pip install "sidespan[daemon,nats]"')
    return found


def _unusable(login: Login) -> list[str]:
    try:
        for key, path in login.secrets.items():
            _secret(key, path)
        if login.is_secure:
            ssl_context(login.tls)
    except ConfigError as error:
        return [str(error)]
    return []


def _secret(key: str, path: Path) -> str:
    try:
        return read_secret(key, path, _OTHERS).decode()
    except FileNotFoundError:
        raise ConfigError(f"{key}: {path} is not there") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{key}: {path} is not text") from None


async def _note(error: Exception) -> None:
    # What comes of it is told where something is delivered.
    _log.debug("nats: %s", error)


def _servers(value: Any) -> tuple[str, ...]:
    expected = 'expected servers such as ["nats://127.0.0.1:4222"], nats:// or tls://'
    servers = [value] if isinstance(value, str) else value
    if not isinstance(servers, list) or not 0 < len(servers) <= _SERVERS_MAX:
        raise ValueError(expected)
    for server in servers:
        try:
            url = urlsplit(server)
            # Reading the port is what checks it.
            plain = url.port is not None or not url.netloc.endswith(":")
        except (ValueError, AttributeError, TypeError):
            raise ValueError(expected) from None
        if not isinstance(server, str) or not server.isprintable() or not plain:
            raise ValueError(expected)
        if url.scheme not in ("nats", _SECURE) or not url.hostname or url.path not in ("", "/"):
            raise ValueError(expected)
        if "@" in url.netloc:
            raise ValueError("expected servers without credentials; they have keys of their own")
    return tuple(servers)


def _prefix(value: Any) -> str:
    fits = isinstance(value, str) and len(value) <= _SUBJECT_CHARACTERS_MAX
    if not fits or not _SUBJECT.fullmatch(value):
        raise ValueError("expected tokens of A-Z a-z 0-9 _ - with dots between")
    return str(value)


def _stream(value: Any) -> str:
    if not isinstance(value, str) or not _STREAM.fullmatch(value):
        raise ValueError("expected the name of a stream: A-Z a-z 0-9 _ -")
    return value


def _user(value: Any) -> str:
    if not isinstance(value, str) or not value.isprintable():
        raise ValueError("expected the name of a user")
    return value


def _timeout_s(value: Any) -> float:
    seconds = values.duration_s(value)
    if not seconds:
        raise ValueError("expected a duration above 0")
    return seconds


def _message_bytes(value: Any) -> int:
    size = values.size_bytes(value)
    if not 1 <= size <= MESSAGE_BYTES_MAX:
        raise ValueError(f"expected 1 to {MESSAGE_BYTES_MAX} bytes")
    return size


OPTIONS: Final[Mapping[str, Option]] = {
    "servers": Option(_servers, example='["nats://127.0.0.1:4222"]', secret=True),
    "subject_prefix": Option(_prefix, "sidespan"),
    "stream": Option(_stream, ""),
    "timeout": Option(_timeout_s, 5.0),
    "message_bytes_max": Option(_message_bytes, MESSAGE_BYTES_MAX),
    "ca_file": Option(values.absolute_path),
    "cert_file": Option(values.absolute_path),
    "key_file": Option(values.absolute_path),
    "user": Option(_user, ""),
    "password_file": Option(values.absolute_path),
    "token_file": Option(values.absolute_path),
    "credentials_file": Option(values.absolute_path),
}
