"""The keys of the ``otlp`` sink: what each takes, and which do not go together."""

import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from sidespand.config import values
from sidespand.errors import ConfigError
from sidespand.files import read_secret
from sidespand.limits import REQUEST_BYTES_MAX, REQUEST_BYTES_MIN
from sidespand.model import Kind
from sidespand.sinks.spec import Option

GRPC: Final = "grpc"
HTTP: Final = "http/protobuf"
SIGNALS: Final = {"traces": Kind.SPANS, "logs": Kind.LOGS, "metrics": Kind.METRICS}

_PORTS = {GRPC: 4317, HTTP: 4318}
_OTHERS = 0o007
_HEADER = re.compile(r"[a-z0-9_.-]+")
_HEADER_VALUE = re.compile(r"[ -~]*")
# A request has these from the transport.
_OWN_HEADERS = frozenset(
    {"host", "connection", "transfer-encoding"}
    | {f"content-{name}" for name in ("length", "type", "encoding")}
)
_EXPECTED = 'expected "http://host:4317", "https://host:4317" or "unix:///path/to/socket"'


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a collector listens.

    Args:
        tls: Whether to speak TLS.
        host: Name or address; empty for a socket.
        port: None for the protocol's own.
        socket: Path of a Unix socket; empty for TCP.
        path: What stands before ``/v1/traces``; empty, or with a slash in front and none behind.
    """

    tls: bool = False
    host: str = ""
    port: int | None = None
    socket: str = ""
    path: str = ""

    def authority(self, protocol: str) -> str:
        """Return host and port as a URL has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port or _PORTS[protocol]}"


@dataclass(frozen=True, slots=True)
class Tls:
    """How a collector's certificate is judged, and what is shown to it, in files of PEM.

    Args:
        ca_file: The authorities to trust; None for the system's.
        cert_file: A certificate chain of our own; None without.
        key_file: Its private key.
    """

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None


class Headers:
    """What goes with every request: set, and read from a file that may change meanwhile.

    Args:
        fixed: Keys in lower case.
        file: Lines of ``key: value``, which others may not read; None without.
    """

    def __init__(self, fixed: Mapping[str, str], file: Path | None = None) -> None:
        self._fixed = dict(fixed)
        self._file = file

    def read(self) -> dict[str, str]:
        """Return all of them.

        Raises:
            ConfigError: The file cannot be used; no message repeats any of it.
        """
        if self._file is None:
            return self._fixed
        key = "headers_file"
        try:
            text = read_secret(key, self._file, _OTHERS).decode()
        except FileNotFoundError:
            raise ConfigError(f"{key}: {self._file} is not there") from None
        except UnicodeDecodeError:
            raise ConfigError(f"{key}: {self._file} is not text") from None
        lines = [line for line in text.splitlines() if line.strip()]
        given = {}
        for number, line in enumerate(lines, 1):
            name, colon, value = line.partition(":")
            if not colon:
                raise ConfigError(f'{key}: {self._file}: line {number} is not "key: value"')
            given[name.strip()] = value.strip()
        try:
            return self._fixed | parse_headers(given)
        except ValueError as error:
            raise ConfigError(f"{key}: {self._file}: {error}") from None


def parse_endpoint(value: Any) -> Endpoint:
    """Return the endpoint of ``http[s]://host[:port][/path]`` or ``unix:///path``.

    Raises:
        ValueError: It is none of these.
    """
    try:
        url = urlsplit(value)
        port = url.port
    except (ValueError, AttributeError, TypeError):
        raise ValueError(_EXPECTED) from None
    if not isinstance(value, str) or not value.isprintable() or url.query or url.fragment:
        raise ValueError(_EXPECTED)
    if url.scheme == "unix" and not url.netloc and url.path.startswith("/"):
        return Endpoint(socket=url.path)
    if url.scheme not in ("http", "https") or not url.hostname or "@" in url.netloc or port == 0:
        raise ValueError(_EXPECTED)
    path = url.path.rstrip("/")
    if path.endswith(("/v1/traces", "/v1/logs", "/v1/metrics")):
        raise ValueError(f"{_EXPECTED}; leave out what begins with /v1, each signal has its own")
    return Endpoint(url.scheme == "https", url.hostname, port, path=path)


def parse_headers(value: Any) -> dict[str, str]:
    """Return headers: keys of ``[a-z0-9_.-]``, values of printable ASCII.

    Raises:
        ValueError: Another key or value, or one that the transport sets; values are not shown.
    """
    if not isinstance(value, Mapping):
        raise ValueError('expected a table such as {authorization = "Bearer ..."}')
    headers = {}
    for given, text in value.items():
        key = str(given).lower()
        own = key in _OWN_HEADERS or key.startswith("grpc-") or key.endswith("-bin")
        if own or not _HEADER.fullmatch(key):
            raise ValueError(f"{given!r} cannot be a header")
        if not isinstance(text, str) or not _HEADER_VALUE.fullmatch(text):
            raise ValueError(f"the value of {given!r} is not printable ASCII")
        headers[key] = text
    return headers


def faults(options: Mapping[str, Any]) -> list[str]:
    """Return what of the keys does not go together, each with the key in front."""
    found = []
    endpoint: Endpoint = options["endpoint"]
    if options["protocol"] == GRPC and endpoint.path:
        found.append("endpoint: OTLP over gRPC has no path")
    tls = tls_of(options)
    if tls != Tls() and not endpoint.tls:
        found.append("endpoint: ca_file, cert_file and key_file are for https://")
    if (tls.cert_file is None) != (tls.key_file is None):
        found.append("cert_file: goes together with key_file")
    try:
        if endpoint.tls and not found:
            ssl_context(tls)
        headers_of(options).read()
    except ConfigError as error:
        found.append(str(error))
    return found


def tls_of(options: Mapping[str, Any]) -> Tls:
    """Return the files of a checked configuration."""
    return Tls(options["ca_file"], options["cert_file"], options["key_file"])


def headers_of(options: Mapping[str, Any]) -> Headers:
    """Return the headers of a checked configuration."""
    return Headers(options["headers"], options["headers_file"])


def ssl_context(tls: Tls) -> ssl.SSLContext:
    """Return how TLS is spoken to a collector: 1.2 or later, its name verified.

    Raises:
        ConfigError: A file cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=tls.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"ca_file: cannot use {tls.ca_file}: {error}") from error
    if tls.cert_file is not None and tls.key_file is not None:
        try:
            # An empty password: the prompt for another one would wait for ever.
            context.load_cert_chain(tls.cert_file, tls.key_file, password="")
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"cert_file: cannot use {tls.cert_file}: {error}") from error
    return context


def read_pem(tls: Tls) -> tuple[bytes | None, bytes | None, bytes | None]:
    """Return the authorities, the key and the chain, as gRPC takes them.

    Raises:
        ConfigError: A file cannot be read.
    """
    found = []
    for path in (tls.ca_file, tls.key_file, tls.cert_file):
        try:
            found.append(path.read_bytes() if path is not None else None)
        except OSError as error:
            raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    return found[0], found[1], found[2]


def _timeout_s(value: Any) -> float:
    seconds = values.duration_s(value)
    if not seconds:
        raise ValueError("expected a duration above 0")
    return seconds


def _request_bytes(value: Any) -> int:
    size = values.size_bytes(value)
    if not REQUEST_BYTES_MIN <= size <= REQUEST_BYTES_MAX:
        raise ValueError(f"expected {REQUEST_BYTES_MIN} to {REQUEST_BYTES_MAX} bytes")
    return size


def _signals(value: Any) -> frozenset[Kind]:
    expected = f"expected a list of {', '.join(SIGNALS)}"
    if not isinstance(value, list) or not value:
        raise ValueError(expected)
    if not all(isinstance(one, str) and one in SIGNALS for one in value):
        raise ValueError(expected)
    return frozenset(SIGNALS[one] for one in value)


def _one_of(*choices: str) -> Callable[[Any], Any]:
    return values.one_of(*choices)  # type: ignore[no-any-return]


OPTIONS: Final[Mapping[str, Option]] = {
    "endpoint": Option(parse_endpoint, example='"http://127.0.0.1:4317"'),
    "protocol": Option(_one_of(GRPC, HTTP), GRPC),
    "signals": Option(_signals, frozenset(SIGNALS.values())),
    "stamp": Option(_one_of("span", "resource", "none"), "span"),
    "headers": Option(parse_headers, {}, secret=True),
    "headers_file": Option(values.absolute_path),
    "timeout": Option(_timeout_s, 10.0),
    "compression": Option(_one_of("none", "gzip"), "none"),
    "request_bytes_max": Option(_request_bytes, 4 << 20),
    "ca_file": Option(values.absolute_path),
    "cert_file": Option(values.absolute_path),
    "key_file": Option(values.absolute_path),
}
