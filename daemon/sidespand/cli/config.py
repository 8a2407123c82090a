"""``sidespan config``: writes a file with every key and its meaning, or shows what holds."""

import argparse
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from sidespand.cli import config_show, exits
from sidespand.cli.output import print_json
from sidespand.cli.text import safe
from sidespand.errors import ConfigError

_STDOUT = "-"
_HEAD = """\
# Configuration of the Sidespan daemon, in TOML (https://toml.io). Every key stands here with its
# default or an example; take the # before it away to set it. Flags and the environment go before
# this file: SIDESPAN_DATA_DIR sets data_dir, SIDESPAN_LOG_LEVEL sets log.level, and so on.
# `sidespan check FILE` tells every mistake.
"""
_TENANTS = """\
# Who may write, and under what name it is recorded. Users and groups count on ingest.sock and
# http.sock; where some are listed, the others are refused. Tokens and certificates count on TCP,
# tokens on grpc.sock too. The name after the last dot is yours to choose.
#[receivers.tenants.team-a]
#users = ["root"]
#groups = [1000]
#token_file = "/etc/sidespan/tokens/team-a"
#certificates = ["agent-1.example"]
"""
_SINKS = """\
# Where recorded spans go, each sink at its own pace. The name after the dot is yours to choose.
#[sinks.archive]
#type = "jsonl"
# Nothing is trimmed before it has passed this sink; see journal.on_full.
#required = true
# What it gets: "off", "metadata", "redacted" or "full". What leaves the node is redacted unless
# told otherwise: every type but a jsonl without a path.
#capture = "full"

#[sinks.collector]
#type = "otlp"
#endpoint = "http://127.0.0.1:14317"
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    actions = parser.add_subparsers(metavar="ACTION", dest="action", required=True)
    text = "write a file with every key and its meaning"
    init = actions.add_parser("init", help=text, description=text)
    init.add_argument(
        "path",
        metavar="PATH",
        nargs="?",
        help='the file, or "-" for stdout; default: where the daemon looks for it',
    )
    init.add_argument("--force", action="store_true", help="replace the file if it is there")
    init.add_argument("--json", action="store_true", help="print JSON")
    text = "print the value of every key, without secrets"
    config_show.add_arguments(actions.add_parser("show", help=text, description=text))


def run(args: argparse.Namespace) -> int:
    """Write the file, or print it, or show what holds.

    Raises:
        ConfigError: The file is there already, or cannot be written; or it cannot be used.
    """
    if args.action == "show":
        return config_show.run(args)
    if args.path == _STDOUT:
        if args.json:
            print_json({"path": None, "text": render()})
        else:
            print(render(), end="")
        return exits.OK
    path = Path(args.path).absolute() if args.path is not None else default_path(os.environ)
    _write(path, replace=args.force)
    if args.json:
        print_json({"path": os.fspath(path)})
    else:
        print(f"wrote {safe(os.fspath(path))}")
    return exits.OK


def default_path(environment: Mapping[str, str]) -> Path:
    """Return where ``config init`` writes, which the daemon of the same user reads."""
    if os.geteuid() == 0:
        return Path("/etc/sidespan/sidespan.toml")
    home = environment.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(home) / "sidespan/sidespan.toml"


def render() -> str:
    """Return the file: it loads as it is, and changes nothing."""
    return "\n".join((_HEAD, *_sections(), _TENANTS, _SINKS))


def _sections() -> Iterator[str]:
    from sidespand.config.keys import KEYS

    for key in KEYS:
        # A table's header is no setting; what stands below it is.
        lines = [line if line.startswith("[") else f"#{line}" for line in key.example.split("\n")]
        tables = [line for line in lines if line.startswith("[")]
        settings = [line for line in lines if not line.startswith("[")]
        yield "\n".join((*tables, f"# {key.text}", *settings)) + "\n"


def _write(path: Path, *, replace: bool) -> None:
    from sidespand.files import replace_file

    body = render().encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if replace:
            replace_file(path, body)
        else:
            with path.open("xb") as file:
                file.write(body)
    except FileExistsError as error:
        raise ConfigError(f"{path} exists", hint="--force replaces it") from error
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}", hint="name another file") from error
