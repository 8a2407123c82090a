"""Every configuration key: its place in the file, how it is read, its default, its meaning."""

import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sidespand.config import values
from sidespand.errors import ConfigError
from sidespand.limits import (
    GIB,
    MESSAGE_BYTES_MAX,
    MIB,
    SEGMENT_AGE_S,
    SEGMENT_AGE_S_MIN,
    SEGMENT_BYTES,
    SEGMENT_BYTES_MAX,
    SEGMENT_BYTES_MIN,
)

Environment = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Key:
    """One key.

    Args:
        path: Dotted, as in the file.
        field: Of ``Config``.
        parse: Raises ValueError with what it expected.
        default: From the environment and the effective user id.
        example: What ``config init`` writes, in TOML.
        text: One sentence for people.
    """

    path: str
    field: str
    parse: Callable[[Any], Any]
    default: Callable[[Environment], Any]
    example: str
    text: str

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return "SIDESPAN_" + self.path.replace(".", "_").upper()


def default_data_dir(environment: Environment) -> Path:
    """Return where the store lies by default: systemd's choice, else root's, else the user's."""
    if state := environment.get("STATE_DIRECTORY"):
        return Path(state.split(":")[0])
    if os.geteuid() == 0:
        return Path("/var/lib/sidespan")
    state_home = environment.get("XDG_STATE_HOME") or _home(environment) / ".local/state"
    return Path(state_home) / "sidespan"


def default_runtime_dir(environment: Environment) -> Path:
    """Return where the sockets lie by default: systemd's choice, else root's, else the user's."""
    if runtime := environment.get("RUNTIME_DIRECTORY"):
        return Path(runtime.split(":")[0])
    if os.geteuid() == 0:
        return Path("/run/sidespan")
    if runtime := environment.get("XDG_RUNTIME_DIR"):
        return Path(runtime) / "sidespan"
    return default_data_dir(environment) / "run"


def _home(environment: Environment) -> Path:
    if home := environment.get("HOME"):
        return Path(home)
    try:
        return Path.home()
    except RuntimeError as error:
        raise ConfigError(
            "data_dir: this user has no home directory", hint="set data_dir, or use --data DIR"
        ) from error


def _door(address: str) -> Callable[[Environment], Any]:
    # A system service opens only its sockets by default: a TCP port accepts every local user.
    def default(environment: Environment) -> Any:
        return values.listen_address("off" if environment.get("STATE_DIRECTORY") else address)

    return default


def _message_bytes(value: Any) -> int:
    size = values.size_bytes(value)
    if not 1 <= size <= MESSAGE_BYTES_MAX:
        raise ValueError(f"expected 1 B to {MESSAGE_BYTES_MAX // MIB}MiB")
    return size


def _segment_bytes(value: Any) -> int:
    size = values.size_bytes(value)
    if not SEGMENT_BYTES_MIN <= size <= SEGMENT_BYTES_MAX:
        raise ValueError(f"expected {SEGMENT_BYTES_MIN // MIB}MiB to {SEGMENT_BYTES_MAX // GIB}GiB")
    return size


def _segment_age_s(value: Any) -> float:
    age_s = values.duration_s(value)
    if age_s < SEGMENT_AGE_S_MIN:
        raise ValueError(f"expected at least {SEGMENT_AGE_S_MIN}s")
    return age_s


KEYS: tuple[Key, ...] = (
    Key("data_dir", "data_dir", values.directory, default_data_dir,
        'data_dir = "/var/lib/sidespan"',
        "The store. Root's default is /var/lib/sidespan, a user's ~/.local/state/sidespan."),
    Key("runtime_dir", "runtime_dir", values.directory, default_runtime_dir,
        'runtime_dir = "/run/sidespan"',
        "The sockets. Root's default is /run/sidespan, a user's $XDG_RUNTIME_DIR/sidespan."),
    Key("node.source_node_ref", "source_node_ref", values.node_ref,
        lambda _: f"node://sidespan@{socket.gethostname()}",
        '[node]\nsource_node_ref = "node://sidespan@worker-1"',
        "Who this node is, in every stamp and receipt."),
    Key("receivers.otlp_grpc", "otlp_grpc", values.listen_address, _door("127.0.0.1:4317"),
        '[receivers]\notlp_grpc = "127.0.0.1:4317"',
        'OTLP over gRPC on TCP, or "off", as under systemd. Any local user may connect.'),
    Key("receivers.otlp_http", "otlp_http", values.listen_address, _door("127.0.0.1:4318"),
        'otlp_http = "127.0.0.1:4318"',
        'OTLP over HTTP on TCP, or "off", as under systemd. Any local user may connect.'),
    Key("receivers.message_bytes_max", "message_bytes_max", _message_bytes,
        lambda _: MESSAGE_BYTES_MAX, 'message_bytes_max = "64MiB"',
        "The largest request, before and after decompression."),
    Key("journal.segment_bytes", "segment_bytes", _segment_bytes, lambda _: SEGMENT_BYTES,
        '[journal]\nsegment_bytes = "64MiB"', "A segment file is closed at this size."),
    Key("journal.segment_age", "segment_age_s", _segment_age_s, lambda _: float(SEGMENT_AGE_S),
        'segment_age = "1h"', "A segment file is closed at this age."),
    Key("journal.durability", "durability", values.one_of("fsync", "none"), lambda _: "fsync",
        'durability = "fsync"',
        '"fsync": an acknowledgement means on disk. "none": it promises nothing.'),
    Key("journal.allow_remote", "allow_remote", values.boolean, lambda _: False,
        "allow_remote = false", "Open a store on a network file system, where LMDB is not safe."),
    Key("log.level", "log_level", values.one_of("debug", "info", "warning", "error"),
        lambda _: "info", '[log]\nlevel = "info"', "The least severe message that is logged."),
)  # fmt: skip
