"""The live sessions of a recorder, over all doors: one an instance."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from sidespand.errors import PermissionRefused
from sidespand.limits import (
    CONNECTIONS_MAX,
    FRAME_STALL_S,
    PEER_RECEIVING_BYTES_MAX,
    RECEIVING_BYTES_MAX,
    REQUEST_S,
)
from sidespand.receiver.absence import Absences
from sidespand.receiver.access import Access
from sidespand.receiver.budget import Budget
from sidespand.receiver.intake import Intake

if TYPE_CHECKING:
    from sidespand.receiver.conversation import Conversation

_log = logging.getLogger(__name__)


class SessionRegistry:
    """The live sessions of a recorder, one connection an instance.

    Args:
        intake: Where their records go.
        access: Who may open one.
        absences: Told who comes and who goes.
        message_bytes_max: Of a RECORDS body.
        source_node_ref: What clients are told.
        stall_s: How long a begun frame may wait for its rest, in seconds.
        request_s: Within what time a frame must be whole, in seconds.
        connections_max: Of them together; the next one is told to come back.
        room: For frames that are being received, of all connections.
        changed: Called with the name of a door and the number of its connections.
    """

    def __init__(
        self,
        intake: Intake,
        access: Access,
        absences: Absences,
        *,
        message_bytes_max: int,
        source_node_ref: str,
        stall_s: float = FRAME_STALL_S,
        request_s: float = REQUEST_S,
        connections_max: int = CONNECTIONS_MAX,
        room: Budget | None = None,
        changed: Callable[[str, int], None],
    ) -> None:
        self.intake = intake
        self.access = access
        self._absences = absences
        self.message_bytes_max = message_bytes_max
        self.source_node_ref = source_node_ref
        self.stall_s = stall_s
        self.request_s = request_s
        self.connections_max = connections_max
        self.room = room or Budget(RECEIVING_BYTES_MAX, PEER_RECEIVING_BYTES_MAX)
        self._changed = changed
        self._sessions: set[Conversation] = set()
        self._counts: Counter[str] = Counter()
        self._full = False
        self._by_instance: dict[bytes, Conversation] = {}

    @property
    def away_s_max(self) -> float:
        """For how many seconds a client may be away."""
        return self._absences.away_s_max

    @property
    def silent_s_max(self) -> float:
        """For how many seconds a client without a session may be silent."""
        return self._absences.silent_s_max

    def start(self) -> None:
        """Wait for the clients that had open spans when the daemon ended."""
        self._absences.start()

    def add(self, session: "Conversation") -> bool:
        """Take a session in; False when there are too many."""
        full = len(self._sessions) >= self.connections_max
        if full and not self._full:
            # Once: a crowd must not fill the log too.
            _log.warning(
                "more than %d sessions; the next are told to come back", self.connections_max
            )
        self._full = full
        if full:
            return False
        self._sessions.add(session)
        self._count(session.peer.door, 1)
        return True

    def remove(self, session: "Conversation") -> None:
        """Forget a session whose line is gone and whose steps are decided."""
        if session in self._sessions:
            self._sessions.remove(session)
            self._count(session.peer.door, -1)
        instance_id = session.instance_id
        if instance_id and self._by_instance.get(instance_id) is session:
            del self._by_instance[instance_id]
            self._absences.away(instance_id, session.process_id, said_goodbye=session.said_goodbye)

    async def bind(self, session: "Conversation", instance_id: bytes) -> None:
        """Make ``session`` the instance's only one, once the older one's steps are decided.

        Raises:
            PermissionRefused: The older one is another user's. It was not disturbed.
        """
        older = self._by_instance.get(instance_id)
        if older is not None and older.peer.uid != session.peer.uid:
            raise PermissionRefused("this instance id belongs to another user")
        session.instance_id = instance_id
        self._by_instance[instance_id] = session
        self._absences.present(instance_id)
        if older is not None:
            older.close("a newer connection of the same instance took over")
            await older.settled()

    def heard(self, instance_id: bytes) -> None:
        """Note a step of an instance that came without a session."""
        if instance_id not in self._by_instance:
            self._absences.heard(instance_id)

    async def drain(self) -> None:
        """Tell every client that the daemon stops, read no more, and wait for what is under way."""
        await self._absences.close()
        sessions = list(self._sessions)
        for session in sessions:
            session.say_drain()
        await asyncio.gather(*(session.settled() for session in sessions))
        for session in sessions:
            session.close("")

    def _count(self, door: str, step: int) -> None:
        self._counts[door] += step
        self._changed(door, self._counts[door])
