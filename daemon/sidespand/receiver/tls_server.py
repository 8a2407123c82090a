"""Accepts TLS connections one by one, so that those still in their handshake count too."""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable

from sidespand.limits import TLS_HANDSHAKE_S
from sidespand.receiver.http_gate import HttpGate

_log = logging.getLogger(__name__)
# Where the process has no descriptor left, the listener rests this long.
_REST_S = 1.0
# Others get their turn after so many.
_ACCEPTS_PER_TURN = 64


class TlsServer:
    """Hands connections that have shaken hands to a protocol.

    What comes beyond the gate's limit is closed at once: before the handshake nothing can be said.

    Args:
        listener: Listening; closed with the server.
        context: How TLS is spoken.
        protocol: Makes the protocol of one connection.
        gate: Counts connections.
        handshake_s: How long a handshake may take, in seconds.
    """

    def __init__(
        self,
        listener: socket.socket,
        context: ssl.SSLContext,
        protocol: Callable[[], asyncio.Protocol],
        gate: HttpGate,
        handshake_s: float = TLS_HANDSHAKE_S,
    ) -> None:
        self._listener = listener
        self._context = context
        self._protocol = protocol
        self._gate = gate
        self._handshake_s = handshake_s
        self._loop = asyncio.get_running_loop()
        self._handshakes: set[asyncio.Task[None]] = set()
        self._rest: asyncio.TimerHandle | None = None
        self._listen()

    def close(self) -> None:
        """Take no new connection and give up those that have not shaken hands."""
        if self._rest is not None:
            self._rest.cancel()
        self._loop.remove_reader(self._listener)
        self._listener.close()
        for task in self._handshakes:
            task.cancel()

    def _listen(self) -> None:
        self._loop.add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        for _ in range(_ACCEPTS_PER_TURN):
            try:
                connection, address = self._listener.accept()
            except (BlockingIOError, ConnectionAbortedError, InterruptedError):
                return
            except OSError as error:
                _log.warning("http: cannot accept: %s", error.strerror)
                self._loop.remove_reader(self._listener)
                self._rest = self._loop.call_later(_REST_S, self._listen)
                return
            if self._gate.is_full():
                connection.close()
                continue
            connection.setblocking(False)
            self._gate.handshakes += 1
            task = self._loop.create_task(self._shake_hands(connection, str(address[0])))
            self._handshakes.add(task)
            task.add_done_callback(self._shaken)

    async def _shake_hands(self, connection: socket.socket, host: str) -> None:
        try:
            await self._loop.connect_accepted_socket(
                self._protocol,
                connection,
                ssl=self._context,
                ssl_handshake_timeout=self._handshake_s,
            )
        except OSError as error:
            _log.info("http client %s closed: no TLS handshake: %s", host, error)

    def _shaken(self, task: asyncio.Task[None]) -> None:
        self._handshakes.discard(task)
        self._gate.handshakes -= 1
