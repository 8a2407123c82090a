"""The real doors on a real journal, where admission answers as told."""

import functools
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from sidespand.admission import OtlpAdmission
from sidespand.config import Address
from sidespand.errors import Refused
from sidespand.limits import CONNECTIONS_MAX, MESSAGE_BYTES_MAX
from sidespand.model import Admitted, Kind
from sidespand.receiver.absence import Absences
from sidespand.receiver.access import Access
from sidespand.receiver.grpc_callers import GrpcCallers
from sidespand.receiver.grpc_door import GrpcDoor
from sidespand.receiver.http_door import HttpDoor
from sidespand.receiver.http_gate import HttpGate
from sidespand.receiver.intake import Intake
from sidespand.receiver.listener import UnixPath
from sidespand.receiver.registry import SessionRegistry
from sidespand.telemetry import Telemetry
from tests.e2e.exporters.programs import Emitted, Exporter, emit
from tests.journals import opened
from tests.unit.receiver.serving import SlowJournal


class ScriptedAdmission:
    """Admits what the daemon admits, after what it is told to say. Implements ``ports.Admission``.

    Args:
        script: One step a request. A refusal is raised; text is why some item of it was refused.
            Afterwards the last step is repeated.
    """

    def __init__(self, *script: Refused | str) -> None:
        self._script = deque(script)
        self._admission = OtlpAdmission()
        self.attempts_s: list[float] = []

    def admit(self, kind: Kind, body: bytes, digest: bytes = b"") -> Admitted:
        """Do the next step."""
        self.attempts_s.append(time.monotonic())
        step = self._script.popleft() if len(self._script) > 1 else self._script[0]
        if isinstance(step, Refused):
            raise step
        admitted = self._admission.admit(kind, body, digest)
        return admitted._replace(rejected_items=1 if step else 0, rejected_reason=step)

    def carries_error(self, kind: Kind, body: bytes) -> bool:
        """Tell what the daemon's own would."""
        return self._admission.carries_error(kind, body)

    def withdraw(self, admitted: Admitted) -> None:
        """Do what the daemon's own would."""
        self._admission.withdraw(admitted)


@asynccontextmanager
async def answering(
    exporter: Exporter,
    admission: ScriptedAdmission,
    root: Path,
    port: int = 0,
    *,
    refusals: Sequence[Refused] = (),
) -> AsyncIterator[int]:
    """Yield the port of the door that ``exporter`` speaks to; the store is ``root/data``.

    Args:
        exporter: Who will come.
        admission: What it is told.
        root: A directory of its own that exists.
        port: Of this host; 0 for any.
        refusals: What the journal says first, one a request.
    """
    path, address = UnixPath(root / "door.sock"), Address("127.0.0.1", port)
    telemetry = Telemetry()
    async with opened(root / "data") as store:
        journal = SlowJournal(store)
        journal.refusals += refusals
        intake = Intake(admission, journal, telemetry)
        close: Callable[[], Awaitable[None]]
        if exporter.protocol == "grpc":
            grpc_door = GrpcDoor(
                intake,
                GrpcCallers(Access()),
                SessionRegistry(
                    intake,
                    Access(),
                    Absences(store, telemetry.abandoned_spans.inc),
                    message_bytes_max=MESSAGE_BYTES_MAX,
                    source_node_ref="node://test@host",
                    changed=lambda _door, _count: None,
                ),
                MESSAGE_BYTES_MAX,
            )
            close = functools.partial(grpc_door.close, 0)
            bound = await grpc_door.open(path, address)
        else:
            gate = HttpGate(Access(), telemetry, CONNECTIONS_MAX)
            http_door = HttpDoor(intake, gate, telemetry, lambda: True, MESSAGE_BYTES_MAX)
            close = http_door.close
            bound = await http_door.open(path, address)
        try:
            yield bound
        finally:
            await close()


async def told(
    exporter: Exporter, root: Path, *script: Refused | str
) -> tuple[Emitted, list[float]]:
    """Return what an exporter said that was answered by ``script``, and when its requests came.

    Args:
        exporter: It sends one batch.
        root: A directory of its own that exists; the store is ``root/data``.
        script: As in ``ScriptedAdmission``.
    """
    admission = ScriptedAdmission(*script)
    async with answering(exporter, admission, root) as port:
        emitted = await emit(exporter, port)
    return emitted, admission.attempts_s
