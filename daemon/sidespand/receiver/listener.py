"""Where doors listen: Unix sockets that are never stolen, and TCP ports."""

import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sidespand.config import Address
from sidespand.errors import ConfigError, InUse

# Connections that wait to be accepted: a burst of starting programs. The kernel bounds it too
# (net.core.somaxconn); beyond it a TCP client tries again after a second. A server that takes a
# socket over says so once more.
BACKLOG = 4096


@dataclass(frozen=True, slots=True)
class Ownership:
    """Who may connect to a socket: whoever may write to its file (unix(7)).

    Args:
        mode: Permission bits.
        uid: Of its owner; None for the daemon's.
        gid: Of its group; None for the daemon's.
    """

    mode: int = 0o660
    uid: int | None = None
    gid: int | None = None


class UnixPath:
    """A socket path that becomes visible only when its server is ready.

    The caller holds the flock of the directory, so a socket that lies there is a leftover of a
    process that died.

    Args:
        public: Where clients connect.
        ownership: Whose the socket is.

    Attributes:
        stays: The file of a closed socket is left in place, so that who connects between two lives
            of the daemon is refused (ECONNREFUSED) rather than told that there is none (ENOENT).
    """

    def __init__(self, public: Path, ownership: Ownership | None = None) -> None:
        self.public = public
        self._ownership = ownership or Ownership()
        self.stays = False
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
            with self.guarded():
                listener.bind(os.fspath(self.private))
            listener.listen(BACKLOG)
            self.publish()
        except (OSError, ConfigError):
            listener.close()
            self.discard()
            raise
        return listener

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Let nobody but this user connect to a socket that is bound meanwhile."""
        before = os.umask(0o177)
        try:
            yield
        finally:
            os.umask(before)

    def publish(self) -> None:
        """Give the bound socket to whom it belongs and move it to its public name.

        Raises:
            ConfigError: This user may not give it to that owner or group.
        """
        self._give()
        self.private.rename(self.public)
        self._published = True

    def discard(self) -> None:
        """Remove the socket file, unless it stays."""
        self.private.unlink(missing_ok=True)
        if self._published:
            if not self.stays:
                self.public.unlink(missing_ok=True)
            self._published = False

    def _give(self) -> None:
        owner, group = self._ownership.uid, self._ownership.gid
        for key, given, uid, gid in (
            ("socket_group", group, -1, group),
            ("socket_owner", owner, owner, -1),
        ):
            if uid is None or gid is None:
                continue
            try:
                os.chown(self.private, uid, gid)
            except OSError as error:
                raise ConfigError(
                    f"receivers.{key}: cannot give {self.public} to {given}: {error.strerror}",
                    hint="root may name anybody, another user a group that they are in",
                ) from error
        self.private.chmod(self._ownership.mode)


def listen_tcp(address: Address, key: str) -> socket.socket:
    """Return a socket that listens on ``address``.

    Args:
        address: An address of this host; port 0 lets the kernel choose.
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
