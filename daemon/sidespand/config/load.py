"""Reads a configuration: every key is checked, and every fault is reported at once."""

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sidespand.config.keys import KEYS, Environment
from sidespand.config.model import Capture, Config, SinkConfig
from sidespand.config.tenants import exposure_faults, read_tenants
from sidespand.config.variables import expand
from sidespand.errors import ConfigError
from sidespand.limits import RETENTION_SEGMENTS_MIN, SINKS_MAX, SOCKET_PATH_BYTES_MAX

JudgeSinks = Callable[[tuple[SinkConfig, ...]], object]

_SHOWN_CHARACTERS_MAX = 80
_SINK_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
SOCKET_NAMES = ("ingest.sock", "grpc.sock", "http.sock", "api.sock")


def default_path(environment: Environment) -> Path | None:
    """Return the configuration file that is used when none is named; None when there is none.

    Raises:
        ConfigError: A service may not read the one in /etc. It is not left out in silence.
    """
    home = environment.get("XDG_CONFIG_HOME") or environment.get("HOME", "") + "/.config"
    system = Path("/etc/sidespan/sidespan.toml")
    for candidate in (Path(home) / "sidespan/sidespan.toml", system):
        try:
            if candidate.is_file():
                return candidate
        except PermissionError as error:
            # A service sees no home, and who may look at spans need not see the configuration.
            if candidate == system and "STATE_DIRECTORY" in environment:
                raise ConfigError(
                    f"{candidate}: {error.strerror}",
                    hint=f"chgrp {candidate.parent} to the group that the service runs as",
                ) from error
    return None


def load(
    path: Path | None,
    flags: Mapping[str, str] | None = None,
    environment: Environment | None = None,
    *,
    sinks: JudgeSinks = lambda _: None,
) -> Config:
    """Return the configuration: flags over environment over file over defaults.

    Args:
        path: The file; None for the default one, or none at all when there is none.
        flags: Values by key path, as text.
        environment: Variables; the process's own when None.
        sinks: Raises ConfigError with what is wrong in the tables of sinks, one fault a line.

    Raises:
        ConfigError: Names every key that cannot be used. Nothing was opened.
    """
    variables = os.environ if environment is None else environment
    source = path or default_path(variables)
    written = read(source) if source is not None else {}
    return assemble(written, source, flags or {}, variables, outer=variables, sinks=sinks)


def assemble(
    written: Mapping[str, Any],
    source: Path | None,
    flags: Mapping[str, str],
    variables: Environment,
    *,
    outer: Environment,
    sinks: JudgeSinks,
) -> Config:
    """Return the configuration that ``written`` makes.

    Args:
        written: What a file holds, as ``read`` returns it.
        source: The file; None without one.
        flags: Values by key path, as text.
        variables: They set keys.
        outer: What ``${env:NAME}`` is taken from.
        sinks: As ``load`` has it.

    Raises:
        ConfigError: As ``load`` says.
    """
    faults: list[str] = []
    hint = "`sidespan config init -` prints every key with its default"
    tree = expand(written, outer, faults)
    tables = _sinks(tree.pop("sinks", {}), faults)
    tenants = read_tenants(_tenant_tables(tree), faults)
    house = _index_attributes(tree)
    given = _flatten(tree) | house
    _reject_unknown(given, faults)
    fields = _fields(given, flags, variables, faults)
    if "runtime_dir" in fields:
        _check_socket_paths(fields["runtime_dir"], faults)
        if fields["runtime_dir"] == fields.get("data_dir"):
            faults.append("runtime_dir: is data_dir too; each has a lock of its own")
    _check_anchors(fields, faults)
    _check_retention(fields, faults)
    faults.extend(exposure_faults(fields, tenants))
    try:
        sinks(tables)
    except ConfigError as error:
        # Where nothing else is wrong, its own hint is the better one.
        hint = hint if faults else error.hint or hint
        faults.extend(str(error).split("\n"))
    if faults:
        where = f"{source}: " if source is not None else ""
        raise ConfigError(where + "\n".join(faults), hint=hint)
    return Config(source=source, sinks=tables, tenants=tenants, **fields)


def _fields(
    given: Mapping[str, Any],
    flags: Mapping[str, str],
    variables: Environment,
    faults: list[str],
) -> dict[str, Any]:
    fields = {}
    for key in KEYS:
        if key.path in flags:
            origin, value = f"flag for {key.path}", flags[key.path]
        elif key.variable in variables:
            origin, value = f"environment {key.variable}", variables[key.variable]
        elif key.path in given:
            origin, value = key.path, given[key.path]
        else:
            fields[key.field] = key.default(variables)
            continue
        try:
            fields[key.field] = key.parse(value)
        except ValueError as error:
            # Whoever writes a secret where its file belongs does not find it in a log.
            got = "" if key.path.startswith("secrets.") else f", got {_shown(value)}"
            faults.append(f"{origin}: {error}{got}")
    return fields


def read(source: Path) -> dict[str, Any]:
    """Return what a file holds, as it is written.

    Raises:
        ConfigError: It cannot be read, or is no TOML.
    """
    import tomllib

    try:
        with source.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise ConfigError(
            f"{source}: {error.strerror}", hint="name a file with --config FILE"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{source}: {error}", hint="the file is TOML: https://toml.io") from error


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            flat.update(_flatten(value, f"{prefix}{name}."))
        else:
            flat[prefix + name] = value
    return flat


def _reject_unknown(given: Mapping[str, Any], faults: list[str]) -> None:
    known = [key.path for key in KEYS]
    for path in given:
        if path not in known:
            import difflib

            elsewhere = [key for key in known if key.endswith(f".{path.rpartition('.')[2]}")]
            near = difflib.get_close_matches(path, known, 1) or elsewhere
            meant = f", did you mean {near[0]}?" if near else ""
            faults.append(f"{path}: unknown key{meant}")


def _tenant_tables(tree: dict[str, Any]) -> Any:
    receivers = tree.get("receivers")
    return receivers.pop("tenants", {}) if isinstance(receivers, dict) else {}


def _index_attributes(tree: dict[str, Any]) -> dict[str, Any]:
    # Its names are fields of a search: the table is one value.
    index = tree.get("index")
    if not isinstance(index, dict) or "attributes" not in index:
        return {}
    return {"index.attributes": index.pop("attributes")}


def _sinks(tables: Any, faults: list[str]) -> tuple[SinkConfig, ...]:
    found: list[SinkConfig] = []
    if not isinstance(tables, dict):
        faults.append("sinks: expected tables such as [sinks.archive]")
        return ()
    if len(tables) > SINKS_MAX:
        faults.append(f"sinks: more than {SINKS_MAX}")
        return ()
    for name, table in tables.items():
        path = f"sinks.{name}"
        if not _SINK_NAME.fullmatch(name):
            faults.append(f"{path}: a sink's name is 1 to 64 of a-z, 0-9, - and _")
        elif not isinstance(table, dict) or not isinstance(table.get("type"), str):
            faults.append(
                f'{path}.type: missing; set it to "otlp", "nats", "jsonl", "aitrace_file", '
                '"console" or the name of a type of your own'
            )
        else:
            found.append(_sink(name, table, faults))
    return tuple(found)


def _sink(name: str, table: Mapping[str, Any], faults: list[str]) -> SinkConfig:
    options = dict(table)
    required = options.pop("required", False)
    if not isinstance(required, bool):
        faults.append(f"sinks.{name}.required: expected true or false, got {_shown(required)}")
    capture = options.pop("capture", None)
    if capture is not None and capture not in tuple(Capture):
        levels = " or ".join(f'"{level}"' for level in Capture)
        faults.append(f"sinks.{name}.capture: expected {levels}, got {_shown(capture)}")
        capture = None
    level = Capture(capture) if capture is not None else None
    return SinkConfig(name, options.pop("type"), options, required is True, level)


def _check_retention(fields: Mapping[str, Any], faults: list[str]) -> None:
    if "retention_bytes" in fields and "segment_bytes" in fields:
        least = RETENTION_SEGMENTS_MIN * fields["segment_bytes"]
        if fields["retention_bytes"] < least:
            faults.append(
                f"journal.retention_bytes: expected {least} bytes or more: "
                f"{RETENTION_SEGMENTS_MIN} segments of journal.segment_bytes"
            )


def _check_socket_paths(runtime_dir: Path, faults: list[str]) -> None:
    # A socket is bound under a private name beside its public one.
    longest = max(len(os.fsencode(runtime_dir / f".{name}.new")) for name in SOCKET_NAMES)
    if longest > SOCKET_PATH_BYTES_MAX:
        over = longest - SOCKET_PATH_BYTES_MAX
        faults.append(f"runtime_dir: {over} bytes too long for a socket path, {runtime_dir}")


def _check_anchors(fields: Mapping[str, Any], faults: list[str]) -> None:
    data_dir = fields.get("data_dir")
    for field in ("anchor_dir", "anchor_dir_durable"):
        directory = fields.get(field)
        if directory and data_dir and directory.is_relative_to(data_dir):
            faults.append(f"journal.{field}: lies in data_dir, and would go back together with it")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS_MAX else text[:_SHOWN_CHARACTERS_MAX] + "..."
