"""``sidespan env``: the variables that point a stock SDK, or the thin client, at this daemon."""

import argparse
import shlex
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from sidespand import config
from sidespand.cli import exits
from sidespand.cli.output import print_json, print_note
from sidespand.config import Config
from sidespand.errors import NotFound

_DOORS = ("socket", "grpc", "http")
_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - it is what the configuration may say.


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
    parser.add_argument(
        "--tenant", metavar="NAME", help="add the bearer token of this tenant, from its token_file"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Print the variables, as lines for ``eval`` in a shell or as JSON.

    Raises:
        NotFound: The configuration keeps that door closed, or does not know that tenant.
        ConfigError: This user may not read the tenant's token.
    """
    flags = {} if args.run is None else {"runtime_dir": args.run}
    settings = config.load(args.config, flags)
    variables = _variables(settings, args.door)
    if args.tenant is not None:
        variables["OTEL_EXPORTER_OTLP_HEADERS"] = _authorization(settings, args.tenant)
    if args.door == "socket":
        _note_what_the_socket_asks(settings, variables)
    else:
        _note_what_is_missing(settings, variables)
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
    scheme = "http" if settings.tls_cert_file is None else "https"
    # Who listens everywhere is called by a name that its certificate may bear.
    host = f"localhost:{address.port}" if address.host in _EVERYWHERE else str(address)
    variables["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"{scheme}://{host}"
    if settings.tls_cert_file is not None and _signed_itself(settings.tls_cert_file):
        variables["OTEL_EXPORTER_OTLP_CERTIFICATE"] = str(settings.tls_cert_file)
    variables["OTEL_EXPORTER_OTLP_PROTOCOL"] = "grpc" if door == "grpc" else "http/protobuf"
    return variables


def _authorization(settings: Config, name: str) -> str:
    from sidespand.receiver.credentials import read_tokens

    for tenant in settings.tenants:
        if tenant.name == name and tenant.token_file is not None:
            # Values are percent-encoded there, as in W3C Baggage.
            return "authorization=" + quote(f"Bearer {read_tokens(tenant)[0]}", safe="")
    raise NotFound(
        f"receivers.tenants.{name}: no such tenant, or it has no token_file",
        hint="the configuration lists them",
    )


def _signed_itself(certificate: Path) -> bool:
    from cryptography import x509

    try:
        loaded = x509.load_pem_x509_certificate(certificate.read_bytes())
    except (OSError, ValueError):
        return False
    return loaded.issuer == loaded.subject


def _note_what_the_socket_asks(settings: Config, variables: Mapping[str, str]) -> None:
    listed = any(tenant.uids or tenant.gids for tenant in settings.tenants)
    if listed and "OTEL_EXPORTER_OTLP_HEADERS" not in variables:
        print_note(
            "users are listed, so gRPC on a socket asks for a token: --tenant NAME adds it; "
            "SIDESPAN_SOCKET needs none"
        )


def _note_what_is_missing(settings: Config, variables: Mapping[str, str]) -> None:
    if settings.tls_cert_file is not None and "OTEL_EXPORTER_OTLP_CERTIFICATE" not in variables:
        print_note("set OTEL_EXPORTER_OTLP_CERTIFICATE if a private authority signed the node's")
    if settings.tls_client_ca_file is not None:
        print_note(
            "this door asks for a client's certificate: set OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE "
            "and OTEL_EXPORTER_OTLP_CLIENT_KEY"
        )
    tokens = any(tenant.token_file is not None for tenant in settings.tenants)
    if tokens and "OTEL_EXPORTER_OTLP_HEADERS" not in variables:
        print_note("this door asks for a token: --tenant NAME adds it for who may read it")
