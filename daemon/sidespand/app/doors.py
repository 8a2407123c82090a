"""All doors of a recorder, opened and closed together."""

import asyncio
from dataclasses import dataclass

from sidespand.config import Address, Config
from sidespand.errors import ConfigError
from sidespand.limits import STOP_GRACE_S
from sidespand.receiver.grpc_door import GrpcDoor
from sidespand.receiver.http_door import HttpDoor
from sidespand.receiver.intake import Intake
from sidespand.receiver.listener import BACKLOG, UnixPath
from sidespand.receiver.session import SessionRegistry
from sidespand.telemetry import Telemetry


@dataclass(slots=True)
class Readiness:
    """Whether the recorder can accept durably now."""

    ready: bool = False

    def __call__(self) -> bool:
        """Tell it to whoever asks."""
        return self.ready


class Doors:
    """Frames, gRPC and HTTP on their sockets and ports.

    Args:
        config: Which doors, and where.
        intake: Where requests go.
        telemetry: What ``/metrics`` shows.
        ready: What ``/readyz`` says.
    """

    def __init__(
        self, config: Config, intake: Intake, telemetry: Telemetry, ready: Readiness
    ) -> None:
        self._config = config
        self._telemetry = telemetry
        self._sessions = SessionRegistry(
            intake,
            message_bytes_max=config.message_bytes_max,
            source_node_ref=config.source_node_ref,
            changed=telemetry.connections.labels("ingest").set,
        )
        self._grpc = GrpcDoor(intake, config.message_bytes_max)
        self._http = HttpDoor(intake, telemetry, ready, config.message_bytes_max)
        self._ingest: asyncio.Server | None = None
        self._ingest_path = UnixPath(config.runtime_dir / "ingest.sock")

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
        """Take nothing new; answer what was accepted, gRPC within ``grace_s``."""
        self._ingest_path.discard()
        if self._ingest is not None:
            self._ingest.close()
        await asyncio.gather(self._sessions.drain(), self._http.close(), self._grpc.close(grace_s))

    async def _open(self) -> list[str]:
        runtime = self._config.runtime_dir
        loop = asyncio.get_running_loop()
        grpc_port = await self._grpc.open(UnixPath(runtime / "grpc.sock"), self._config.otlp_grpc)
        http_port = await self._http.open(UnixPath(runtime / "http.sock"), self._config.otlp_http)
        self._ingest = await loop.create_unix_server(
            self._sessions.protocol, sock=self._ingest_path.listen(), backlog=BACKLOG
        )
        opened = [f"unix:{runtime / name}" for name in ("ingest.sock", "grpc.sock", "http.sock")]
        for address, port in (
            (self._config.otlp_grpc, grpc_port),
            (self._config.otlp_http, http_port),
        ):
            if address is not None:
                opened.append(str(Address(address.host, port)))
        return opened
