"""A checked configuration. Everything here is a value."""

import ipaddress
from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple


class Address(NamedTuple):
    """A TCP address to listen on."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether only programs of this host reach it."""
        return ipaddress.ip_address(self.host).is_loopback


class Capture(StrEnum):
    """How much of a record a sink gets; ``docs/persistence.md`` says what each level lets out."""

    OFF = "off"
    METADATA = "metadata"
    REDACTED = "redacted"
    FULL = "full"


class SinkConfig(NamedTuple):
    """One ``[sinks.<name>]`` table.

    Args:
        name: 1 to 64 of ``[a-z0-9_-]``; it names a directory.
        type: What kind of sink.
        options: Its other keys, checked by the sink itself.
        required: Nothing is trimmed before it has passed the sink.
        capture: How much it gets; None for what is usual for its type.
    """

    name: str
    type: str
    options: Mapping[str, Any]
    required: bool = False
    capture: Capture | None = None


class TenantConfig(NamedTuple):
    """One ``[receivers.tenants.<name>]`` table: who writes under that name.

    Args:
        name: 1 to 64 of ``[a-z0-9_-]``.
        uids: Users, on the sockets that show them.
        gids: Groups; membership of one is enough.
        token_file: Bearer tokens, one a line; None without.
        certificates: Names in client certificates: a subject's common name or an alternative name.
    """

    name: str
    uids: tuple[int, ...] = ()
    gids: tuple[int, ...] = ()
    token_file: Path | None = None
    certificates: tuple[str, ...] = ()


def authenticates(client_ca_file: Path | None, tenants: Iterable[TenantConfig]) -> bool:
    """Tell whether TCP clients must show who they are."""
    return client_ca_file is not None or any(one.token_file is not None for one in tenants)


class Config(NamedTuple):
    """All that the daemon can be told. The keys, their units and defaults: ``config.keys``."""

    source: Path | None
    data_dir: Path
    runtime_dir: Path
    source_node_ref: str
    node_instance_id: str | None
    node_role: str
    deployment_ref: str
    cluster_ref: str
    otlp_grpc: Address | None
    otlp_http: Address | None
    message_bytes_max: int
    capture: str
    repeat_window_s: float
    uid_bytes_per_s: int | None
    trace_spans_max: int | None
    socket_mode: int
    socket_uid: int | None
    socket_gid: int | None
    http_hosts: tuple[str, ...]
    grpc_reflection: bool
    insecure_listen: bool
    tls_cert_file: Path | None
    tls_key_file: Path | None
    tls_client_ca_file: Path | None
    segment_bytes: int
    segment_age_s: float
    retention_age_s: float
    retention_bytes: int
    disk_free_min: float
    on_full: str
    durability: str
    anchor_dir: Path | None
    anchor_dir_durable: Path | None
    allow_remote: bool
    node_key_file: Path | None
    web_listen: Address | None
    web_allowed_origins: tuple[str, ...]
    web_insecure_listen: bool
    web_socket_gid: int | None
    index_enabled: bool
    index_retention_s: float | None
    index_retention_bytes: int
    index_attributes: Mapping[str, tuple[str, ...]]
    secret_files: tuple[Path, ...]
    tap_path: Path | None
    log_level: str
    log_format: str
    log_file: Path | None
    log_file_bytes_max: int
    log_files_max: int
    sinks: tuple[SinkConfig, ...]
    tenants: tuple[TenantConfig, ...]

    @property
    def sync(self) -> bool:
        """Whether an acknowledgement waits for the disk."""
        return self.durability == "fsync"

    @property
    def node_key_path(self) -> Path:
        """Where the node's key is, when its operator made one."""
        return self.node_key_file or self.data_dir / "node.key"

    @property
    def exposed(self) -> tuple[Address, ...]:
        """The addresses beyond loopback that take spans from anybody who reaches them."""
        if self.tls_cert_file is not None and authenticates(self.tls_client_ca_file, self.tenants):
            return ()
        addresses = (self.otlp_grpc, self.otlp_http)
        return tuple(one for one in addresses if one is not None and not one.is_loopback)

    @property
    def api_token_path(self) -> Path:
        """Where the token of the API is, which the worker makes."""
        return self.data_dir / "api.token"

    @property
    def web_address_path(self) -> Path:
        """Where the worker writes at which address the web page is, as long as it runs."""
        return self.data_dir / "web.address"

    @property
    def anchor_dirs(self) -> tuple[Path, ...]:
        """Where it is remembered how far the store has come."""
        first = self.anchor_dir or self.runtime_dir / "anchor"
        return (first,) if self.anchor_dir_durable is None else (first, self.anchor_dir_durable)
