"""A checked configuration. Everything here is a value."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple


class Address(NamedTuple):
    """A TCP address to listen on."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class SinkConfig:
    """One ``[sinks.<name>]`` table.

    Args:
        name: 1 to 64 of ``[a-z0-9_-]``; it names a directory.
        type: What kind of sink.
        options: Its other keys, checked by the sink itself.
    """

    name: str
    type: str
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Config:
    """All that the daemon can be told. The keys, their units and defaults: ``config.keys``."""

    source: Path | None
    data_dir: Path
    runtime_dir: Path
    source_node_ref: str
    otlp_grpc: Address | None
    otlp_http: Address | None
    message_bytes_max: int
    segment_bytes: int
    segment_age_s: float
    durability: str
    allow_remote: bool
    log_level: str
    sinks: tuple[SinkConfig, ...]

    @property
    def sync(self) -> bool:
        """Whether an acknowledgement waits for the disk."""
        return self.durability == "fsync"
