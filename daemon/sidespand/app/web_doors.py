"""The doors of the API in the worker: ``api.sock``, and the web page on TCP."""

import contextlib
import logging
import os
import socket

from sidespand.answers.stock import Stock
from sidespand.app.checking import StoreChecker
from sidespand.config import Address, Config
from sidespand.errors import ConfigError, InUse
from sidespand.files import replace_file
from sidespand.receiver.listener import Ownership, UnixPath, listen_tcp
from sidespand.web.access import Door, load_token
from sidespand.web.app import Api
from sidespand.web.server import ApiServer
from sidespand.web.writing import Admin

_log = logging.getLogger(__name__)
# The names by which the API may be called.
_HOSTS = ("localhost", "127.0.0.1", "[::1]")


class WebDoors:
    """Everything of the API that listens; must be made on the event loop.

    What cannot be opened is logged and left out: delivering matters more.

    Args:
        config: Checked.
        stock: What answers are made of.
        admin: Does what changes the store.
    """

    def __init__(self, config: Config, stock: Stock, admin: Admin) -> None:
        self._config = config
        self._address: str | None = None
        self._checker = StoreChecker(config.data_dir)
        ingest = config.runtime_dir / "ingest.sock"
        self._api = Api(stock, admin, self._checker, lambda: self._address, ingest)
        # Who may connect may read all that was recorded: its owner, and the group that is named.
        group = config.web_socket_gid
        ownership = Ownership(mode=0o600) if group is None else Ownership(gid=group)
        self._path = UnixPath(config.runtime_dir / "api.sock", ownership)
        self._servers: list[ApiServer] = []
        try:
            listener = self._path.listen()
        except (OSError, ConfigError) as error:
            _log.error("the API is off: %s: %s", self._path.public, error)
        else:
            self._serve(Door(_HOSTS, writes=True, writers=(0, os.geteuid())), listener)
        if config.web_listen is not None:
            self._listen(config.web_listen)

    def start(self) -> None:
        """Begin to answer."""
        for server in self._servers:
            server.start()
        if self._address is not None:
            _log.info("the web page is at %s", self._address)

    async def close(self) -> None:
        """Take no new request; let those that run go on for a second."""
        self._path.discard()
        with contextlib.suppress(OSError):
            self._config.web_address_path.unlink(missing_ok=True)
        await self._api.close()
        for server in self._servers:
            await server.close()
        await self._checker.close()

    def _listen(self, address: Address) -> None:
        try:
            token = load_token(self._config.api_token_path)
            listener = listen_tcp(address, "web.listen")
        except (ConfigError, InUse) as error:
            _log.error("the web page is off: %s%s", error, f" ({error.hint})" if error.hint else "")
            return
        if not address.is_loopback:
            _log.warning("web.insecure_listen: %s shows token and spans without TLS", address)
        bound = Address(address.host, listener.getsockname()[1])
        self._address = f"http://{bound}"
        try:
            replace_file(self._config.web_address_path, f"{self._address}\n".encode())
        except OSError as error:
            _log.warning("nobody is told where the web page is: %s", error)
        hosts = (*_HOSTS, str(bound).rpartition(":")[0])
        self._serve(Door(hosts, self._config.web_allowed_origins, token), listener)

    def _serve(self, door: Door, listener: socket.socket) -> None:
        self._servers.append(ApiServer(self._api.app(door), [listener]))
