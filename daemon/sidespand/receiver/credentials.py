"""Secrets from files, read once at start: bearer tokens, certificates and their keys."""

import hashlib
import os
import ssl
import stat
from dataclasses import dataclass
from pathlib import Path

import grpc

from sidespand.config import Config, TenantConfig
from sidespand.errors import ConfigError
from sidespand.limits import BEARER_CHARACTERS_MIN, BEARERS_PER_FILE_MAX, SECRET_FILE_BYTES_MAX
from sidespand.receiver.access import Access


@dataclass(frozen=True, slots=True)
class DoorKeys:
    """What the doors need of the files that the configuration names.

    Args:
        access: Who may write.
        http: How the HTTP door speaks TLS on TCP; None when it does not.
        grpc: The same of the gRPC door.
    """

    access: Access
    http: ssl.SSLContext | None
    grpc: grpc.ServerCredentials | None


def load_keys(config: Config) -> DoorKeys:
    """Read every file that the doors need.

    Raises:
        ConfigError: One cannot be used; the message names its key.
    """
    return DoorKeys(load_access(config), http_tls(config), grpc_tls(config))


def load_access(config: Config) -> Access:
    """Return who may write.

    Raises:
        ConfigError: A token file cannot be used; the message names its key.
    """
    tokens: dict[bytes, str] = {}
    for tenant in config.tenants:
        for token in read_tokens(tenant):
            owner = tokens.setdefault(hashlib.sha256(token.encode()).digest(), tenant.name)
            if owner != tenant.name:
                raise ConfigError(
                    f"receivers.tenants.{tenant.name}.token_file: a token in it is {owner}'s",
                    hint="give every tenant tokens of its own",
                )
    return Access(
        uids={uid: tenant.name for tenant in config.tenants for uid in tenant.uids},
        gids={gid: tenant.name for tenant in config.tenants for gid in tenant.gids},
        tokens=tokens,
        certificates={name: one.name for one in config.tenants for name in one.certificates},
    )


def read_tokens(tenant: TenantConfig) -> tuple[str, ...]:
    """Return the tokens in a tenant's file, in its order; none when it has no file.

    Raises:
        ConfigError: The file cannot be read, is open to others, or holds something else.
    """
    path = tenant.token_file
    if path is None:
        return ()
    key = f"receivers.tenants.{tenant.name}.token_file"
    body = _secret(key, path, 0o077)
    try:
        lines = [line.strip() for line in body.decode("ascii").splitlines()]
    except UnicodeDecodeError:
        lines = [""]
    tokens = tuple(line for line in lines if line)
    sound = all(len(one) >= BEARER_CHARACTERS_MIN and one.isprintable() for one in tokens)
    if not tokens or not sound or len(tokens) > BEARERS_PER_FILE_MAX or " " in "".join(tokens):
        raise ConfigError(
            f"{key}: {path}: expected 1 to {BEARERS_PER_FILE_MAX} lines, each a token of at least "
            f"{BEARER_CHARACTERS_MIN} visible ASCII characters",
            hint=f"umask 077; openssl rand -hex 32 > {path}",
        )
    return tokens


def http_tls(config: Config) -> ssl.SSLContext | None:
    """Return how the HTTP door speaks TLS; None when it does not.

    Raises:
        ConfigError: Certificate, key or authorities cannot be used; the message names the key.
    """
    certificate, key = config.tls_cert_file, config.tls_key_file
    if certificate is None or key is None:
        return None
    _read("receivers.tls.cert_file", certificate)
    _secret("receivers.tls.key_file", key, 0o007)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        # A passphrase is never asked for: nobody sits at the terminal of a daemon.
        context.load_cert_chain(certificate, key, password="")
    except (ssl.SSLError, ValueError) as error:
        raise ConfigError(
            f"receivers.tls.cert_file: {certificate} and key_file {key} are no pair: {error}",
            hint="both are PEM; the key has no passphrase",
        ) from error
    if config.tls_client_ca_file is not None:
        authorities = _read("receivers.tls.client_ca_file", config.tls_client_ca_file)
        try:
            context.load_verify_locations(cadata=authorities.decode("ascii"))
        except (ssl.SSLError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"receivers.tls.client_ca_file: {config.tls_client_ca_file}: {error}",
                hint="expected certificates in PEM",
            ) from error
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def grpc_tls(config: Config) -> grpc.ServerCredentials | None:
    """Return how the gRPC door speaks TLS; None when it does not.

    Raises:
        ConfigError: As ``http_tls``, which judges the same files.
    """
    if http_tls(config) is None:
        return None
    assert config.tls_cert_file is not None
    assert config.tls_key_file is not None
    authorities = config.tls_client_ca_file
    return grpc.ssl_server_credentials(
        [(config.tls_key_file.read_bytes(), config.tls_cert_file.read_bytes())],
        root_certificates=authorities.read_bytes() if authorities is not None else None,
        require_client_auth=authorities is not None,
    )


def _read(key: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"{key}: cannot read {path}: {error.strerror}",
            hint="it is read as the daemon's user",
        ) from error


def _secret(key: str, path: Path, mask: int) -> bytes:
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            body = file.read(SECRET_FILE_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError(
            f"{key}: cannot read {path}: {error.strerror}",
            hint="it is read as the daemon's user",
        ) from error
    if mode & mask:
        raise ConfigError(
            f"{key}: {path} has mode {mode:04o}; it is a secret", hint=f"chmod 600 {path}"
        )
    if len(body) > SECRET_FILE_BYTES_MAX:
        raise ConfigError(
            f"{key}: {path} is over {SECRET_FILE_BYTES_MAX} bytes", hint="name the right file"
        )
    return body
