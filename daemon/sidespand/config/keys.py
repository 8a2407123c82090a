"""Every configuration key: its place in the file, how it is read, its default, its meaning."""

import grp
import os
import re
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from sidespand.config import values
from sidespand.config.attributes import attribute_keys
from sidespand.config.model import Config
from sidespand.errors import ConfigError
from sidespand.limits import (
    DISK_FREE_MIN,
    GIB,
    KIB,
    LOG_FILE_BYTES_MAX,
    LOG_FILE_BYTES_MIN,
    LOG_FILES_MAX,
    LOG_FILES_MOST,
    MESSAGE_BYTES_MAX,
    MIB,
    REPEAT_WINDOW_S,
    REPEAT_WINDOW_S_MAX,
    RETENTION_AGE_S,
    RETENTION_BYTES,
    SEGMENT_AGE_S,
    SEGMENT_AGE_S_MIN,
    SEGMENT_BYTES,
    SEGMENT_BYTES_MAX,
    SEGMENT_BYTES_MIN,
)

Environment = Mapping[str, str]
READERS_GROUP = "sidespan-read"
# What a reload takes up, beside the tables of sinks.
RELOADED = frozenset({"log.level"})
_LOG_FILES = re.compile(r"[0-9]{1,3}")


class Key(NamedTuple):
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


def changed_keys(before: Config, after: Config) -> tuple[str, ...]:
    """Return the keys whose values differ and that are read at a start alone, in their order."""
    paths = [
        key.path
        for key in KEYS
        if key.path not in RELOADED and getattr(before, key.field) != getattr(after, key.field)
    ]
    if before.tenants != after.tenants:
        paths.append("receivers.tenants")
    return tuple(paths)


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


def _readers_gid(_environment: Environment) -> int | None:
    try:
        gid = grp.getgrnam(READERS_GROUP).gr_gid
    except KeyError:
        return None
    return gid if gid in os.getgroups() else None


def _message_bytes(value: Any) -> int:
    size = values.size_bytes(value)
    if not 1 <= size <= MESSAGE_BYTES_MAX:
        raise ValueError(f"expected 1 B to {MESSAGE_BYTES_MAX // MIB}MiB")
    return size


def _repeat_window_s(value: Any) -> float:
    window_s = values.duration_s(value)
    if window_s > REPEAT_WINDOW_S_MAX:
        raise ValueError(f"expected 0s to {REPEAT_WINDOW_S_MAX:g}s")
    return window_s


def _trace_spans_max(value: Any) -> int | None:
    if value == "off":
        return None
    number = int(value[:10]) if isinstance(value, str) and value.isdecimal() else value
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise ValueError('expected "off" or a number of spans, at least 1')
    return number


def _uid_bytes_per_s(value: Any) -> int | None:
    if value == "off":
        return None
    rate = values.size_bytes(value)
    if not rate:
        raise ValueError('expected "off" or at least 1 B')
    return rate


def _segment_bytes(value: Any) -> int:
    size = values.size_bytes(value)
    if not SEGMENT_BYTES_MIN <= size <= SEGMENT_BYTES_MAX:
        raise ValueError(f"expected {SEGMENT_BYTES_MIN // MIB}MiB to {SEGMENT_BYTES_MAX // GIB}GiB")
    return size


def _log_file_bytes(value: Any) -> int:
    size = values.size_bytes(value)
    if not LOG_FILE_BYTES_MIN <= size <= GIB:
        raise ValueError(f"expected {LOG_FILE_BYTES_MIN // KIB}KiB to 1GiB")
    return size


def _log_files(value: Any) -> int:
    number = int(value) if isinstance(value, str) and _LOG_FILES.fullmatch(value) else value
    if number not in range(1, LOG_FILES_MOST + 1) or isinstance(number, bool):
        raise ValueError(f"expected a number of files from 1 to {LOG_FILES_MOST}")
    return number


def _segment_age_s(value: Any) -> float:
    age_s = values.duration_s(value)
    if age_s < SEGMENT_AGE_S_MIN:
        raise ValueError(f"expected at least {SEGMENT_AGE_S_MIN}s")
    return age_s


KEYS: tuple[Key, ...] = (
    Key("data_dir", "data_dir", values.absolute_path, default_data_dir,
        'data_dir = "/var/lib/sidespan"',
        "The store. Root's default is /var/lib/sidespan, a user's ~/.local/state/sidespan."),
    Key("runtime_dir", "runtime_dir", values.absolute_path, default_runtime_dir,
        'runtime_dir = "/run/sidespan"',
        "The sockets. Root's default is /run/sidespan, a user's $XDG_RUNTIME_DIR/sidespan."),
    Key("node.source_node_ref", "source_node_ref", values.node_ref,
        lambda _: f"node://sidespan@{socket.gethostname()}",
        '[node]\nsource_node_ref = "node://sidespan@worker-1"',
        "Who this node is, in every stamp and receipt."),
    Key("node.node_instance_id", "node_instance_id", values.node_instance_id, lambda _: None,
        'node_instance_id = "0b2a7f0c-6f0e-4f0a-9a53-2f1f3c1f9d11"',
        "Which installation of it this is. Unset, each start draws another."),
    Key("node.node_role", "node_role", values.node_role, lambda _: "",
        'node_role = "worker"', "What it is for, in receipts and exports."),
    Key("node.deployment_ref", "deployment_ref", values.deployment_ref, lambda _: "",
        'deployment_ref = "deployment://shop/production"',
        "The deployment that it belongs to; part of the name under which it signs."),
    Key("node.cluster_ref", "cluster_ref", values.cluster_ref, lambda _: "",
        'cluster_ref = "cluster://eu-1"', "The cluster that it belongs to."),
    Key("receivers.otlp_grpc", "otlp_grpc", values.listen_address, _door("127.0.0.1:4317"),
        '[receivers]\notlp_grpc = "127.0.0.1:4317"',
        'OTLP over gRPC on TCP, or "off", as under systemd. Any local user may connect unless '
        "tokens or client certificates are asked for."),
    Key("receivers.otlp_http", "otlp_http", values.listen_address, _door("127.0.0.1:4318"),
        'otlp_http = "127.0.0.1:4318"',
        'OTLP over HTTP on TCP, or "off", as under systemd; the same holds for it.'),
    Key("receivers.message_bytes_max", "message_bytes_max", _message_bytes,
        lambda _: MESSAGE_BYTES_MAX, 'message_bytes_max = "64MiB"',
        "The largest request, before and after decompression."),
    Key("receivers.capture", "capture", values.one_of("full", "metadata", "off"),
        lambda _: "full", 'capture = "full"',
        'What this node keeps: "full", "metadata" (nothing that people or models said), or "off".'),
    Key("receivers.repeat_window", "repeat_window_s", _repeat_window_s,
        lambda _: REPEAT_WINDOW_S, 'repeat_window = "2m"',
        'A request that comes again within it is stored once; "0s" stores it again.'),
    Key("receivers.uid_bytes_per_s", "uid_bytes_per_s", _uid_bytes_per_s, lambda _: None,
        'uid_bytes_per_s = "off"',
        'What one user may send a second over the sockets that show users, such as "4MiB".'),
    Key("receivers.trace_spans_max", "trace_spans_max", _trace_spans_max, lambda _: None,
        'trace_spans_max = "off"',
        "Spans of one trace, such as 10000; what is over is refused as capacity_exceeded."),
    Key("receivers.socket_mode", "socket_mode", values.socket_mode, lambda _: 0o660,
        'socket_mode = "0660"', "Who may connect to the sockets: owner and group by default."),
    Key("receivers.socket_owner", "socket_uid", values.user_id, lambda _: None,
        'socket_owner = "root"',
        "Whose the sockets are, a name or a uid; to name another user takes root."),
    Key("receivers.socket_group", "socket_gid", values.group_id, lambda _: None,
        "socket_group = 1000",
        "The group of the sockets, a name or a gid; the daemon's user must be a member."),
    Key("receivers.http_hosts", "http_hosts", values.host_names, lambda _: (),
        'http_hosts = ["traces.example"]',
        "Names beside localhost by which HTTP clients may call the TCP door."),
    Key("receivers.grpc_reflection", "grpc_reflection", values.boolean, lambda _: False,
        "grpc_reflection = false",
        "Tell gRPC clients which services there are; needs `sidespan[reflection]`."),
    Key("receivers.insecure_listen", "insecure_listen", values.boolean, lambda _: False,
        "insecure_listen = false",
        "Listen beyond loopback without TLS or without authentication: whoever reaches it writes."),
    Key("receivers.tls.cert_file", "tls_cert_file", values.absolute_path, lambda _: None,
        '[receivers.tls]\ncert_file = "/etc/sidespan/tls/cert.pem"',
        "The certificate chain of both TCP doors, in PEM. With it they speak TLS alone."),
    Key("receivers.tls.key_file", "tls_key_file", values.absolute_path, lambda _: None,
        'key_file = "/etc/sidespan/tls/key.pem"',
        "Its private key, in PEM without a passphrase, which others may not read."),
    Key("receivers.tls.client_ca_file", "tls_client_ca_file", values.absolute_path, lambda _: None,
        'client_ca_file = "/etc/sidespan/tls/clients.pem"',
        "Clients must show a certificate that one of these authorities signed."),
    Key("journal.segment_bytes", "segment_bytes", _segment_bytes, lambda _: SEGMENT_BYTES,
        '[journal]\nsegment_bytes = "64MiB"', "A segment file is closed at this size."),
    Key("journal.segment_age", "segment_age_s", _segment_age_s, lambda _: float(SEGMENT_AGE_S),
        'segment_age = "1h"', "A segment file is closed at this age."),
    Key("journal.durability", "durability", values.one_of("fsync", "none"), lambda _: "fsync",
        'durability = "fsync"',
        '"fsync": an acknowledgement means on disk. "none": it promises nothing.'),
    Key("journal.anchor_dir", "anchor_dir", values.absolute_path, lambda _: None,
        'anchor_dir = "/run/sidespan/anchor"',
        "Where a file remembers how far the store has come; `anchor` in runtime_dir by default."),
    Key("journal.anchor_dir_durable", "anchor_dir_durable", values.absolute_path, lambda _: None,
        'anchor_dir_durable = "/var/lib/sidespan-anchor"',
        "A second such place that outlives a reboot, on another disk or volume than data_dir."),
    Key("journal.retention_age", "retention_age_s", values.duration_s,
        lambda _: float(RETENTION_AGE_S), 'retention_age = "7d"',
        "Segments whose newest record is older are removed."),
    Key("journal.retention_bytes", "retention_bytes", values.size_bytes,
        lambda _: RETENTION_BYTES, 'retention_bytes = "10GiB"',
        "What the journal may occupy; the oldest segments give way."),
    Key("journal.disk_free_min", "disk_free_min", values.fraction, lambda _: DISK_FREE_MIN,
        'disk_free_min = "10%"',
        "While less of the disk is free, the journal grows no further: its oldest segments go."),
    Key("journal.on_full", "on_full", values.one_of("refuse", "drop_oldest"), lambda _: "refuse",
        'on_full = "refuse"',
        'When a required sink is behind and no room is left: "refuse" new requests, or '
        '"drop_oldest", which the log then declares.'),
    Key("journal.allow_remote", "allow_remote", values.boolean, lambda _: False,
        "allow_remote = false", "Open a store on a network file system, where LMDB is not safe."),
    Key("evidence.node_key_file", "node_key_file", values.absolute_path, lambda _: None,
        '[evidence]\nnode_key_file = "/var/lib/sidespan/node.key"',
        "The node's key, which `sidespan keys init` makes; by default node.key in data_dir."),
    Key("web.listen", "web_listen", values.listen_address, _door("127.0.0.1:4320"),
        '[web]\nlisten = "127.0.0.1:4320"',
        'The web page and its API on TCP, or "off", as under systemd. It asks for the token in '
        "api.token."),
    Key("web.allowed_origins", "web_allowed_origins", values.origins, lambda _: (),
        'allowed_origins = ["https://traces.example"]',
        "Other pages that may ask the API, by their origins; they need the token, too."),
    Key("web.insecure_listen", "web_insecure_listen", values.boolean, lambda _: False,
        "insecure_listen = false",
        "Listen beyond loopback without TLS: whoever sees the traffic sees token and spans."),
    Key("web.socket_group", "web_socket_gid", values.group_id, _readers_gid,
        "socket_group = 1000",
        "The group that may ask on api.sock what was recorded, but change nothing. By default "
        "sidespan-read, where the daemon is in it, and else nobody but the daemon's own user."),
    Key("index.enabled", "index_enabled", values.boolean, lambda _: True,
        "[index]\nenabled = true",
        "Keep the index that searches and the web page ask; it can be built anew at any time."),
    Key("index.retention", "index_retention_s", values.duration_or_off, lambda _: None,
        'retention = "off"',
        'Older records leave the index; "off": with the journal, as all that is trimmed there.'),
    Key("index.retention_bytes", "index_retention_bytes", values.size_bytes,
        lambda _: RETENTION_BYTES, 'retention_bytes = "10GiB"',
        "What the index may occupy; its oldest part gives way."),
    Key("index.attributes", "index_attributes", attribute_keys, lambda _: {},
        'attributes = { conversation = ["acme.chat_id"], user = ["acme.user"] }',
        "Attributes of your own that say what the conventions say, by the field of a search."),
    Key("secrets.files", "secret_files", values.absolute_paths, lambda _: (),
        '[secrets]\nfiles = ["/etc/sidespan/secrets/provider"]',
        "Files of secrets, one a line, that others may not read: what stands in them is taken out "
        "of all that sinks deliver, of logs and of answers."),
    Key("tap.path", "tap_path", values.absolute_path, lambda _: None,
        '[tap]\npath = "/var/lib/sidespan/tap.jsonl"',
        "A file that gets a copy of each record as it was handed to a sink, for debugging."),
    Key("log.level", "log_level", values.one_of("debug", "info", "warning", "error"),
        lambda _: "info", '[log]\nlevel = "info"', "The least severe message that is logged."),
    Key("log.format", "log_format", values.one_of("text", "json"), lambda _: "text",
        'format = "text"', '"json": one object a line, with time, level, logger, pid and message.'),
    Key("log.file", "log_file", values.absolute_path, lambda _: None,
        'file = "/var/log/sidespan/sidespan.log"',
        "Where messages go in place of stderr; those of the worker into `worker-` and its name."),
    Key("log.file_bytes_max", "log_file_bytes_max", _log_file_bytes,
        lambda _: LOG_FILE_BYTES_MAX, 'file_bytes_max = "16MiB"',
        "A log file is rotated before it grows larger."),
    Key("log.files_max", "log_files_max", _log_files, lambda _: LOG_FILES_MAX,
        "files_max = 5", "Log files of each process, with the one that is being written."),
)  # fmt: skip
