"""``sidespan serve``: the daemon in the foreground."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sidespand.config import SinkConfig

# Flags that override a key of the configuration.
_FLAGS = {
    "data": ("data_dir", "DIR", "the store"),
    "run": ("runtime_dir", "DIR", "the sockets"),
    "otlp_grpc": ("receivers.otlp_grpc", "HOST:PORT|off", "OTLP over gRPC on TCP"),
    "otlp_http": ("receivers.otlp_http", "HOST:PORT|off", "OTLP over HTTP on TCP"),
    "web": ("web.listen", "HOST:PORT|off", "the web page and its API on TCP"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of ``serve``."""
    parser.add_argument("--config", metavar="FILE", type=Path, help="the configuration file")
    for name, (_, metavar, text) in _FLAGS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", metavar=metavar, help=text)
    parser.add_argument(
        "--accept-move",
        action="store_true",
        help="go on in a store that is a copy or was moved, in a new lineage; needed once",
    )


def run(args: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT; return the exit status.

    Raises:
        SidespanError: It could not start; nothing is left open.
    """
    # Read when grpc is first imported. The worker is exec'd; nothing here goes on after a fork.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    from sidespand.app.recorder import serve
    from sidespand.config import load

    flags = {
        path: getattr(args, name)
        for name, (path, _, _) in _FLAGS.items()
        if getattr(args, name) is not None
    }
    # The worker delivers, but a sink that can never work must stop the start.
    config = load(args.config, flags, sinks=_judge_sinks)
    return serve(config, worker_arguments(args), accept_move=args.accept_move)


def _judge_sinks(sinks: tuple["SinkConfig", ...]) -> None:
    if sinks:
        from sidespand.sinks import registry

        registry.parse(sinks)


def worker_arguments(args: argparse.Namespace) -> list[str]:
    """Return the flags by which the worker reads the same configuration."""
    arguments = ["--config", os.fspath(args.config)] if args.config is not None else []
    for name in ("data", "run", "web"):
        if getattr(args, name) is not None:
            arguments += [f"--{name}", getattr(args, name)]
    return arguments
