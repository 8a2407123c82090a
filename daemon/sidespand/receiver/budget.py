"""Room for requests, in bytes: so much in all, and so much of it for one peer."""

from collections.abc import Hashable

from sidespand.errors import Unavailable
from sidespand.model import Peer


def owner_of(peer: Peer) -> Hashable:
    """Return whom a peer's requests are counted for: tenant, user, or else address."""
    return peer.tenant or (peer.address if peer.uid is None else peer.uid)


class Budget:
    """Counts what is held, and refuses what does not fit.

    Args:
        total_bytes: For all peers together.
        peer_bytes: For one; a whole message must fit.
    """

    def __init__(self, total_bytes: int, peer_bytes: int) -> None:
        self._total_bytes = total_bytes
        self._peer_bytes = peer_bytes
        self._held: dict[Hashable, int] = {}
        self.used_bytes = 0

    def take(self, owner: Hashable, size: int) -> None:
        """Hold ``size`` more bytes for ``owner``.

        Raises:
            Unavailable: They do not fit now. Retryable; nothing is held for this call.
        """
        held = self._held.get(owner, 0) + size
        if self.used_bytes + size > self._total_bytes:
            raise Unavailable("too many bytes of requests are under way")
        if held > self._peer_bytes:
            raise Unavailable("too many bytes of this sender's requests are under way")
        self._held[owner] = held
        self.used_bytes += size

    def give_back(self, owner: Hashable, size: int) -> None:
        """Let go of bytes that were taken."""
        self.used_bytes -= size
        left = self._held[owner] - size
        if left:
            self._held[owner] = left
        else:
            del self._held[owner]


class Share:
    """What one connection holds of a budget: as much as it was last told, until it lets go.

    Args:
        budget: Of all connections.
        owner: Whom it is counted for.
    """

    def __init__(self, budget: Budget, owner: Hashable) -> None:
        self._budget = budget
        self._owner = owner
        self._size = 0

    def resize(self, size: int) -> None:
        """Hold ``size`` bytes from here on.

        Raises:
            Unavailable: There is no room for more. Retryable; what was held still is.
        """
        if size > self._size:
            self._budget.take(self._owner, size - self._size)
        elif size < self._size:
            self._budget.give_back(self._owner, self._size - size)
        self._size = size
