"""``sidespan env``: the variables that point a stock SDK, or the thin client, at this daemon."""

import argparse
import shlex
from pathlib import Path

from sidespand import config
from sidespand.cli import exits
from sidespand.cli.output import print_json, print_note
from sidespand.config import Config
from sidespand.errors import NotFound

_DOORS = ("socket", "grpc", "http")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--config", metavar="FILE", type=Path, help="the configuration file")
    parser.add_argument("--run", metavar="DIR", help="the sockets; default: runtime_dir")
    parser.add_argument(
        "--door",
        choices=_DOORS,
        default="socket",
        help="socket: OTLP/gRPC on the Unix socket; grpc, http: OTLP on TCP (default: socket)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Print the variables, as lines for ``eval`` in a shell or as JSON.

    Raises:
        NotFound: The configuration keeps that door closed.
    """
    flags = {} if args.run is None else {"runtime_dir": args.run}
    settings = config.load(args.config, flags)
    variables = _variables(settings, args.door)
    if not Path(variables["SIDESPAN_SOCKET"]).exists():
        print_note(f"no daemon has its sockets in {settings.runtime_dir} now; `sidespan serve`")
    if args.json:
        print_json(variables)
    else:
        for name, value in variables.items():
            print(f"export {name}={shlex.quote(value)}")
    return exits.OK


def _variables(settings: Config, door: str) -> dict[str, str]:
    variables = {"SIDESPAN_SOCKET": str(settings.runtime_dir / "ingest.sock")}
    if door == "socket":
        variables["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"unix://{settings.runtime_dir / 'grpc.sock'}"
        # Without it SDKs try TLS on anything that is not http://.
        variables["OTEL_EXPORTER_OTLP_INSECURE"] = "true"
        variables["OTEL_EXPORTER_OTLP_PROTOCOL"] = "grpc"
        return variables
    address = settings.otlp_grpc if door == "grpc" else settings.otlp_http
    if address is None:
        raise NotFound(
            f"receivers.otlp_{door} is off",
            hint=f'set it to an address such as "127.0.0.1:431{7 if door == "grpc" else 8}", '
            "or use `sidespan env --door socket`",
        )
    variables["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://{address}"
    variables["OTEL_EXPORTER_OTLP_PROTOCOL"] = "grpc" if door == "grpc" else "http/protobuf"
    return variables
