"""The configuration as a whole: where each value comes from, and every fault at once."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sidespand.config import Address, Config, SinkConfig, default_path, load
from sidespand.config.keys import KEYS
from sidespand.errors import ConfigError
from sidespand.limits import GIB, MESSAGE_BYTES_MAX, MIB, SEGMENT_BYTES, SOCKET_PATH_BYTES_MAX

# Of every key: its value in TOML, another one as text, and what each is read as.
CASES: Mapping[str, tuple[str, Any, str, Any]] = {
    "data_dir": ('"/srv/file"', Path("/srv/file"), "/srv/text", Path("/srv/text")),
    "runtime_dir": ('"/run/file"', Path("/run/file"), "/run/text", Path("/run/text")),
    "node.source_node_ref": ('"node://file"', "node://file", "node://text", "node://text"),
    "node.node_instance_id": ('"file-1"', "file-1", "text-1", "text-1"),
    "node.node_role": ('"planner"', "planner", "worker", "worker"),
    "node.deployment_ref": ('"deployment://a"', "deployment://a", "d://b", "d://b"),
    "node.cluster_ref": ('"cluster://a"', "cluster://a", "cluster://b", "cluster://b"),
    "receivers.otlp_grpc": ('"off"', None, "127.0.0.1:5", Address("127.0.0.1", 5)),
    "receivers.otlp_http": ('"127.0.0.1:6"', Address("127.0.0.1", 6), "off", None),
    "receivers.socket_mode": ('"0666"', 0o666, "0600", 0o600),
    "receivers.socket_owner": ("1234", 1234, "root", 0),
    "receivers.socket_group": ('"root"', 0, "1234", 1234),
    "receivers.http_hosts": ('["A.example"]', ("a.example",), "b, [::2]", ("b", "[::2]")),
    "receivers.grpc_reflection": ("true", True, "false", False),
    "receivers.insecure_listen": ("true", True, "false", False),
    "receivers.tls.cert_file": ('"/srv/a"', Path("/srv/a"), "/srv/b", Path("/srv/b")),
    "receivers.tls.key_file": ('"/srv/a"', Path("/srv/a"), "/srv/b", Path("/srv/b")),
    "receivers.tls.client_ca_file": ('"/srv/a"', Path("/srv/a"), "/srv/b", Path("/srv/b")),
    "receivers.message_bytes_max": ('"1MiB"', MIB, "2097152", 2 * MIB),
    "receivers.capture": ('"metadata"', "metadata", "off", "off"),
    "receivers.repeat_window": ('"0s"', 0.0, "30s", 30.0),
    "receivers.uid_bytes_per_s": ('"4MiB"', 4 * MIB, "off", None),
    "receivers.trace_spans_max": ("10000", 10_000, "5", 5),
    "journal.segment_bytes": ("2097152", 2 * MIB, "3MiB", 3 * MIB),
    "journal.segment_age": ('"90s"', 90.0, "2h", 7200.0),
    "journal.retention_age": ('"3d"', 3 * 86400.0, "0s", 0.0),
    "journal.retention_bytes": ('"1GiB"', GIB, "2GiB", 2 * GIB),
    "journal.disk_free_min": ("0.25", 0.25, "5%", 0.05),
    "journal.on_full": ('"drop_oldest"', "drop_oldest", "refuse", "refuse"),
    "journal.durability": ('"none"', "none", "fsync", "fsync"),
    "journal.anchor_dir": ('"/run/file"', Path("/run/file"), "/run/text", Path("/run/text")),
    "journal.anchor_dir_durable": ('"/srv/f"', Path("/srv/f"), "/srv/t", Path("/srv/t")),
    "journal.allow_remote": ("true", True, "false", False),
    "evidence.node_key_file": ('"/srv/a"', Path("/srv/a"), "/srv/b", Path("/srv/b")),
    "web.listen": ('"127.0.0.1:7"', Address("127.0.0.1", 7), "off", None),
    "web.allowed_origins": ('["https://a.b:1"]', ("https://a.b:1",), "http://a", ("http://a",)),
    "web.insecure_listen": ("true", True, "false", False),
    "web.socket_group": ('"root"', 0, "1234", 1234),
    "index.enabled": ("false", False, "true", True),
    "index.retention": ('"2d"', 2 * 86400.0, "off", None),
    "index.retention_bytes": ('"1GiB"', GIB, "2GiB", 2 * GIB),
    "index.attributes": (
        '{ user = "a", tokens.in = ["b", "c"] }',
        {"user": ("a",), "tokens.in": ("b", "c")},
        "kind=acme.kind; cost=a,b",
        {"kind": ("acme.kind",), "cost": ("a", "b")},
    ),
    "secrets.files": ('["/srv/a"]', (Path("/srv/a"),), "/b:/c", (Path("/b"), Path("/c"))),
    "tap.path": ('"/srv/a"', Path("/srv/a"), "/srv/b", Path("/srv/b")),
    "log.level": ('"debug"', "debug", "error", "error"),
    "log.format": ('"json"', "json", "text", "text"),
    "log.file": ('"/srv/a"', Path("/srv/a"), "/srv/b", Path("/srv/b")),
    "log.file_bytes_max": ('"1MiB"', MIB, "2097152", 2 * MIB),
    "log.files_max": ("3", 3, "7", 7),
}
# What must be set beside a key that has no meaning alone.
_CERT, _KEY = "receivers.tls.cert_file", "receivers.tls.key_file"
COMPANIONS: Mapping[str, tuple[str, ...]] = {
    _CERT: (_KEY,),
    _KEY: (_CERT,),
    "receivers.tls.client_ca_file": (_CERT, _KEY),
}
# The default file of the machine that runs the tests is not theirs.
NO_FILE = Path(os.devnull)
HOME = {"HOME": "/home/someone", "XDG_RUNTIME_DIR": "/run/user/1000"}


def file(directory: Path, text: str) -> Path:
    """Write a configuration file."""
    path = directory / "sidespan.toml"
    path.write_text(text)
    return path


def toml(path: str, value: str) -> str:
    """Return a file that sets one key."""
    table, _, name = path.rpartition(".")
    return (f"[{table}]\n" if table else "") + f"{name} = {value}\n"


def value_of(config: Config, path: str) -> Any:
    """Return what a key came to."""
    (key,) = (key for key in KEYS if key.path == path)
    return getattr(config, key.field)


def variable(path: str) -> str:
    """Return the environment variable of a key."""
    return "SIDESPAN_" + path.replace(".", "_").upper()


def surroundings(path: str) -> dict[str, str]:
    """Return an environment in which a key may be set."""
    return HOME | {variable(one): "/srv/companion" for one in COMPANIONS.get(path, ())}


def test_every_key_has_its_case() -> None:
    """A new key is tested, or this fails."""
    assert set(CASES) == {key.path for key in KEYS}


@pytest.mark.parametrize("path", CASES)
def test_a_key_in_the_file(path: str, tmp_path: Path) -> None:
    """The file's value holds over the default, and the other keys keep theirs."""
    written, expected, _, _ = CASES[path]
    config = load(file(tmp_path, toml(path, written)), environment=surroundings(path))
    default = load(file(tmp_path, ""), environment=HOME)
    assert value_of(config, path) == expected
    for key in KEYS:
        if key.path not in (path, *COMPANIONS.get(path, ())):
            assert getattr(config, key.field) == getattr(default, key.field)


@pytest.mark.parametrize("path", CASES)
def test_a_key_in_the_environment(path: str, tmp_path: Path) -> None:
    """A variable's value holds over the file's."""
    written, _, text, expected = CASES[path]
    environment = surroundings(path) | {variable(path): text}
    config = load(file(tmp_path, toml(path, written)), environment=environment)
    assert value_of(config, path) == expected


@pytest.mark.parametrize("path", CASES)
def test_a_key_in_a_flag(path: str, tmp_path: Path) -> None:
    """A flag's value holds over the environment's and the file's."""
    written, _, text, expected = CASES[path]
    environment = surroundings(path) | {variable(path): "nonsense that a flag makes harmless"}
    config = load(file(tmp_path, toml(path, written)), {path: text}, environment)
    assert value_of(config, path) == expected


@pytest.mark.parametrize("path", CASES)
def test_a_fault_names_where_it_is(path: str, tmp_path: Path) -> None:
    """The key, what was expected and what was given, from each of the three places."""
    for config_file, flags, environment, origin in (
        (file(tmp_path, toml(path, "[1]")), {}, HOME, path),
        (NO_FILE, {}, HOME | {variable(path): ""}, f"environment {variable(path)}"),
        (NO_FILE, {path: ""}, HOME, f"flag for {path}"),
    ):
        with pytest.raises(ConfigError) as caught:
            load(config_file, flags, environment)
        assert f"{origin}: expected" in str(caught.value)
        # What stands where a secret belongs is not repeated.
        assert (", got " in str(caught.value)) == (not path.startswith("secrets."))


def test_defaults_of_a_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """XDG directories where they are set, else below the home."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    config = load(NO_FILE, environment=HOME | {"XDG_STATE_HOME": "/home/someone/state"})
    assert config.data_dir == Path("/home/someone/state/sidespan")
    assert config.runtime_dir == Path("/run/user/1000/sidespan")
    bare = load(NO_FILE, environment={"HOME": "/home/someone"})
    assert bare.data_dir == Path("/home/someone/.local/state/sidespan")
    assert bare.runtime_dir == bare.data_dir / "run"
    assert (bare.otlp_grpc, bare.otlp_http) == (
        Address("127.0.0.1", 4317),
        Address("127.0.0.1", 4318),
    )
    assert (bare.segment_bytes, bare.segment_age_s) == (SEGMENT_BYTES, 3600.0)
    assert bare.sync
    assert bare.source_node_ref.startswith("node://sidespan@")
    assert bare.sinks == ()


def test_defaults_of_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's directories."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    config = load(NO_FILE, environment=HOME)
    assert config.data_dir == Path("/var/lib/sidespan")
    assert config.runtime_dir == Path("/run/sidespan")


def test_defaults_of_a_service() -> None:
    """What systemd chose holds, and no TCP door is open to every local user."""
    environment = {
        "STATE_DIRECTORY": "/var/lib/sidespan:/var/lib/other",
        "RUNTIME_DIRECTORY": "/run/sidespan",
    }
    config = load(NO_FILE, environment=environment)
    assert config.data_dir == Path("/var/lib/sidespan")
    assert config.runtime_dir == Path("/run/sidespan")
    assert (config.otlp_grpc, config.otlp_http) == (None, None)


def test_a_user_without_a_home_is_told_which_key_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no default directory, that is a fault of the configuration."""

    def nowhere() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(os, "geteuid", lambda: 4_000_000)
    monkeypatch.setattr(Path, "home", nowhere)
    with pytest.raises(ConfigError, match=r"data_dir: .* no home") as caught:
        load(NO_FILE, environment={})
    assert "--data" in caught.value.hint
    flags = {"data_dir": "/srv/data", "runtime_dir": "/srv/run"}
    assert load(NO_FILE, flags, {}).data_dir == Path("/srv/data")


def test_the_default_file(tmp_path: Path) -> None:
    """The user's file if there is one; without any, the defaults hold."""
    environment = {"XDG_CONFIG_HOME": str(tmp_path)}
    path = tmp_path / "sidespan/sidespan.toml"
    assert default_path(environment) != path
    path.parent.mkdir()
    path.write_text('[log]\nlevel = "error"\n')
    assert default_path(environment) == path
    assert default_path({"HOME": str(tmp_path)}) != path
    config = load(None, environment=HOME | environment)
    assert (config.source, config.log_level) == (path, "error")


def test_without_any_file_the_defaults_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file is not needed."""
    monkeypatch.setattr(sys.modules[load.__module__], "default_path", lambda _: None)
    assert load(None, environment=HOME).source is None


def test_the_home_s_default_file(tmp_path: Path) -> None:
    """Without XDG_CONFIG_HOME it lies below ~/.config."""
    path = tmp_path / ".config/sidespan/sidespan.toml"
    path.parent.mkdir(parents=True)
    path.touch()
    assert default_path({"HOME": str(tmp_path)}) == path
    assert default_path({"HOME": str(tmp_path), "XDG_CONFIG_HOME": ""}) == path


@pytest.mark.fault(42)
def test_every_fault_is_reported_at_once(tmp_path: Path) -> None:
    """One run shows all that is to be mended, each with its key."""
    path = file(
        tmp_path,
        """
        data_dri = "/srv/data"
        capture = "metadata"
        [journal]
        segment_byte = "64MiB"
        segment_age = 5
        durability = "maybe"
        [receivers]
        otlp_grpc = "0.0.0.0:4317"
        [sinks.Archive]
        type = "jsonl"
        [sinks.collector]
        endpoint = "x"
        [unheard]
        of = 1
        """,
    )
    with pytest.raises(ConfigError) as caught:
        load(path, {"log.level": "loud"}, HOME | {"SIDESPAN_JOURNAL_ALLOW_REMOTE": "maybe"})
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    for fault in (
        "data_dri: unknown key, did you mean data_dir?",
        "journal.segment_byte: unknown key, did you mean journal.segment_bytes?",
        'journal.segment_age: expected a duration such as "500ms", "90s" or "1h", got 5',
        'journal.durability: expected "fsync" or "none", got \'maybe\'',
        "receivers.otlp_grpc: other addresses than loopback",
        "sinks.Archive: a sink's name",
        "sinks.collector.type: missing",
        "unheard.of: unknown key",
        "capture: unknown key, did you mean receivers.capture?",
        "flag for log.level: expected",
        "environment SIDESPAN_JOURNAL_ALLOW_REMOTE: expected true or false",
    ):
        assert fault in message
    assert len(message.splitlines()) == 11
    assert "config init" in caught.value.hint


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("receivers.message_bytes_max", "0", "1 B to 64MiB"),
        ("receivers.message_bytes_max", str(MESSAGE_BYTES_MAX + 1), "1 B to 64MiB"),
        ("journal.segment_bytes", str(MIB - 1), "1MiB to 16GiB"),
        ("journal.segment_bytes", str(16 * GIB + 1), "1MiB to 16GiB"),
        ("journal.segment_bytes", "9" * 30, "1MiB to 16GiB"),
        ("journal.segment_age", "0s", "at least 1s"),
    ],
)
def test_bounds_are_part_of_what_is_expected(path: str, value: str, expected: str) -> None:
    """A number out of range is refused with its range."""
    with pytest.raises(ConfigError, match=f"expected .*{expected}"):
        load(NO_FILE, {path: value}, HOME)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("receivers.message_bytes_max", str(MESSAGE_BYTES_MAX)),
        ("journal.segment_bytes", "1MiB"),
        ("journal.segment_bytes", "16GiB"),
        ("journal.segment_age", "1s"),
    ],
)
def test_bounds_are_inclusive(path: str, value: str) -> None:
    """Exactly the bound is still in range."""
    # The largest segments need a store that holds some of them.
    load(NO_FILE, {"journal.retention_bytes": "64GiB", path: value}, HOME)


def test_a_long_value_is_not_shown_whole(tmp_path: Path) -> None:
    """A fault stays a line that can be read."""
    with pytest.raises(ConfigError) as caught:
        load(file(tmp_path, toml("log.level", '"' + "x" * 5000 + '"')), environment=HOME)
    assert len(str(caught.value)) < 300 + len(str(tmp_path))


def test_a_socket_path_must_fit() -> None:
    """A runtime directory that is too long for a socket is refused, saying by how much."""
    room = SOCKET_PATH_BYTES_MAX - len("/ingest.sock")
    refused = next(
        length for length in range(2, room + 2) if _fault_of_runtime_dir("r" * (length - 1))
    )
    for over in (0, 1, 7):
        fault = _fault_of_runtime_dir("r" * (refused - 1 + over))
        assert f"runtime_dir: {over + 1} bytes too long for a socket path" in fault
    # What counts is bytes, not characters.
    assert _fault_of_runtime_dir("ü" * (refused - 2))


def _fault_of_runtime_dir(name: str) -> str:
    try:
        load(NO_FILE, {"runtime_dir": f"/{name}"}, HOME)
    except ConfigError as error:
        return str(error)
    return ""


def test_store_and_sockets_do_not_share_a_directory() -> None:
    """Each has a lock of its own, of the same name."""
    with pytest.raises(ConfigError, match="runtime_dir: is data_dir too"):
        load(NO_FILE, {"data_dir": "/srv/x", "runtime_dir": "/srv/x"}, HOME)


@pytest.mark.parametrize(
    ("text", "match"),
    [("journal = ", "TOML|Invalid"), ("a = 1\na = 2", "overwrite"), ("\udcff", "utf-8")],
)
def test_a_file_that_is_not_toml(tmp_path: Path, text: str, match: str) -> None:
    """The file is named with the parser's complaint."""
    path = tmp_path / "sidespan.toml"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ConfigError, match=match) as caught:
        load(path, environment=HOME)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """A named file must exist; nothing else is taken for it."""
    with pytest.raises(ConfigError, match="No such file") as caught:
        load(tmp_path / "absent.toml", environment=HOME)
    assert "--config" in caught.value.hint


def test_a_table_where_a_value_belongs(tmp_path: Path) -> None:
    """The wrong shape is a fault, not a crash, in either direction."""
    for text in ("[data_dir]\nx = 1\n", "journal = 5\n", "sinks = 5\n", "[sinks]\na = 5\n"):
        with pytest.raises(ConfigError):
            load(file(tmp_path, text), environment=HOME)


def test_sinks_keep_their_options(tmp_path: Path) -> None:
    """A sink's own keys are the sink's to check; names come in the file's order."""
    path = file(
        tmp_path,
        """
        [sinks.archive]
        type = "jsonl"
        path = "spans.jsonl"
        [sinks.a-collector_2]
        type = "otlp"
        """,
    )
    assert load(path, environment=HOME).sinks == (
        SinkConfig("archive", "jsonl", {"path": "spans.jsonl"}),
        SinkConfig("a-collector_2", "otlp", {}),
    )


@pytest.mark.parametrize("name", ["", "A", "-a", "a.b", "a/b", "..", "a b", "x" * 65])
def test_a_sink_s_name_builds_a_path(tmp_path: Path, name: str) -> None:
    """So it is of few characters, none of which means anything in a path."""
    with pytest.raises(ConfigError, match="a sink's name"):
        load(file(tmp_path, f'[sinks."{name}"]\ntype = "jsonl"\n'), environment=HOME)
