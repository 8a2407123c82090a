"""Where doors listen: Unix sockets that are never stolen nor left behind, and loopback ports."""

import os
import socket
import stat
from pathlib import Path

from sidespand.config import Address
from sidespand.errors import ConfigError, InUse

# Owner and group may connect; who that is, the directory and the service's group decide.
SOCKET_MODE = 0o660
# Connections that wait to be accepted: a burst of starting programs. A server that takes a socket
# over says so once more.
BACKLOG = 512


class UnixPath:
    """A socket path that becomes visible only when its server is ready.

    The caller holds the flock of the directory, so a socket that lies there is a leftover of a
    process that died.

    Args:
        public: Where clients connect.
    """

    def __init__(self, public: Path) -> None:
        self.public = public
        self.private = public.with_name(f".{public.name}.new")
        self._published = False

    def prepare(self) -> None:
        """Make sure that both names may be used.

        Raises:
            ConfigError: Something that is not a socket lies there; it is left alone.
        """
        for path in (self.public, self.private):
            try:
                mode = path.lstat().st_mode
            except FileNotFoundError:
                continue
            if not stat.S_ISSOCK(mode):
                raise ConfigError(
                    f"runtime_dir: {path} exists and is not a socket",
                    hint=f"look with `ls -l {path}`; remove it, or set another runtime_dir",
                )
        self.private.unlink(missing_ok=True)

    def listen(self) -> socket.socket:
        """Return a listening socket at the public path."""
        self.prepare()
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listener.setblocking(False)
            listener.bind(os.fspath(self.private))
            listener.listen(BACKLOG)
            self.publish()
        except OSError:
            listener.close()
            self.discard()
            raise
        return listener

    def publish(self) -> None:
        """Move the bound socket to its public name."""
        self.private.chmod(SOCKET_MODE)
        self.private.rename(self.public)
        self._published = True

    def discard(self) -> None:
        """Remove the socket file; nobody can connect afterwards."""
        self.private.unlink(missing_ok=True)
        if self._published:
            self.public.unlink(missing_ok=True)
            self._published = False


def listen_tcp(address: Address, key: str) -> socket.socket:
    """Return a socket that listens on ``address``.

    Args:
        address: A loopback address; port 0 lets the kernel choose.
        key: The configuration key, for the message.

    Raises:
        InUse: The port has another owner. It was not disturbed.
    """
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setblocking(False)
        # A restart must not wait for old connections to time out; a live listener is still refused.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise InUse(
            f"{key}: cannot listen on {address}: {error.strerror}",
            hint=f'stop the other program, or set {key} to another port or "off"',
        ) from error
    return listener
