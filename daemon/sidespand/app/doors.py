"""All doors of a recorder, opened and closed together."""

import asyncio
from collections.abc import Callable
from functools import partial

from sidespand import platform
from sidespand.config import Address, Config
from sidespand.errors import ConfigError
from sidespand.limits import (
    CONNECTIONS_MAX,
    DESCRIPTORS_RESERVED,
    PEER_RECEIVING_BYTES_MAX,
    RECEIVING_BYTES_MAX,
    STOP_GRACE_S,
)
from sidespand.ports import OpenSpanTable
from sidespand.receiver.absence import Absences
from sidespand.receiver.budget import Budget
from sidespand.receiver.credentials import DoorKeys
from sidespand.receiver.grpc_callers import GrpcCallers
from sidespand.receiver.grpc_door import GrpcDoor
from sidespand.receiver.http_door import HttpDoor
from sidespand.receiver.http_gate import HttpGate
from sidespand.receiver.intake import Intake
from sidespand.receiver.listener import BACKLOG, Ownership, UnixPath
from sidespand.receiver.registry import SessionRegistry
from sidespand.receiver.session import IngestConnection
from sidespand.telemetry import Telemetry


class Doors:
    """Frames, gRPC and HTTP on their sockets and ports.

    Args:
        config: Which doors, and where.
        keys: Who may write, and how TLS is spoken.
        intake: Where requests go.
        telemetry: What ``/metrics`` shows.
        open_spans: What clients have left open.
        ready: What ``/readyz`` says.
    """

    def __init__(
        self,
        config: Config,
        keys: DoorKeys,
        intake: Intake,
        telemetry: Telemetry,
        *,
        open_spans: OpenSpanTable,
        ready: Callable[[], bool],
    ) -> None:
        self._config = config
        self._intake = intake
        self._telemetry = telemetry
        self._keys = keys
        connections_max = _connections_max()
        room = Budget(RECEIVING_BYTES_MAX, PEER_RECEIVING_BYTES_MAX)
        self._sessions = SessionRegistry(
            intake,
            keys.access,
            Absences(open_spans, telemetry.abandoned_spans.inc),
            message_bytes_max=config.message_bytes_max,
            connections_max=connections_max,
            source_node_ref=config.source_node_ref,
            room=room,
            changed=lambda door, count: telemetry.connections.labels(door).set(count),
        )
        self._grpc = GrpcDoor(
            intake,
            GrpcCallers(keys.access),
            self._sessions,
            config.message_bytes_max,
            connections_max,
        )
        telemetry.follow(telemetry.unread_calls, lambda: self._grpc.unread_calls)
        gate = HttpGate(keys.access, telemetry, connections_max, config.http_hosts)
        self._http = HttpDoor(intake, gate, telemetry, ready, config.message_bytes_max, room=room)
        self._ingest: asyncio.Server | None = None
        ownership = Ownership(config.socket_mode, config.socket_uid, config.socket_gid)
        runtime = config.runtime_dir
        self._ingest_path = UnixPath(runtime / "ingest.sock", ownership)
        self._grpc_path = UnixPath(runtime / "grpc.sock", ownership)
        self._http_path = UnixPath(runtime / "http.sock", ownership)

    async def open(self) -> list[str]:
        """Open every door; return the addresses, for people.

        Raises:
            InUse: A port has another owner. Every door that was opened is closed again.
            ConfigError: A socket path cannot be used. The same.
        """
        try:
            return await self._open()
        except OSError as error:
            await self.close(0)
            raise ConfigError(
                f"runtime_dir: {error.filename or self._config.runtime_dir}: {error.strerror}",
                hint="choose a directory that this user may write",
            ) from error
        except BaseException:
            await self.close(0)
            raise

    async def close(self, grace_s: float = STOP_GRACE_S) -> None:
        """Take nothing new; answer what was accepted, and what has begun within ``grace_s``."""
        self._ingest_path.discard()
        if self._ingest is not None:
            self._ingest.close()
        self._intake.release()
        await asyncio.gather(
            self._sessions.drain(), self._http.close(grace_s), self._grpc.close(grace_s)
        )

    async def _open(self) -> list[str]:
        config = self._config
        loop = asyncio.get_running_loop()
        self._sessions.start()
        if config.grpc_reflection:
            self._grpc.offer_reflection()
        grpc_port = await self._grpc.open(self._grpc_path, config.otlp_grpc, self._keys.grpc)
        http_port = await self._http.open(self._http_path, config.otlp_http, self._keys.http)
        self._ingest = await loop.create_unix_server(
            partial(IngestConnection, self._sessions),
            sock=self._ingest_path.listen(),
            backlog=BACKLOG,
        )
        # Node's HTTP exporters come back to a socket that refuses, not to one that is not there.
        self._http_path.stays = True
        paths = (self._ingest_path, self._grpc_path, self._http_path)
        opened = [f"unix:{path.public}" for path in paths]
        for address, port in ((config.otlp_grpc, grpc_port), (config.otlp_http, http_port)):
            if address is not None:
                opened.append(str(Address(address.host, port)))
        return opened


def _connections_max() -> int:
    # Of each of the three doors; grpc-core counts those of its socket and of its port apart.
    share = (platform.file_limit() - DESCRIPTORS_RESERVED) // 4
    return max(1, min(CONNECTIONS_MAX, share))
