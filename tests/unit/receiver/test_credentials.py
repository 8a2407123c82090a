"""Secrets from files: what is not one, or not kept like one, stops the start with its key."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from sidespand.config import Config, TenantConfig, load
from sidespand.errors import ConfigError, Unauthenticated
from sidespand.limits import BEARERS_PER_FILE_MAX, SECRET_FILE_BYTES_MAX
from sidespand.receiver.credentials import load_keys, read_tokens
from tests.certificates import Authority

DEFAULTS = load(Path(os.devnull), environment={"HOME": "/home/someone"})
GOOD = "0123456789abcdef"


def written(path: Path, text: bytes, mode: int = 0o600) -> Path:
    """Return a file that holds ``text``."""
    path.write_bytes(text)
    path.chmod(mode)
    return path


def configured(**fields: object) -> Config:
    """Return the default configuration with other values."""
    return DEFAULTS._replace(**fields)


def test_a_token_file_may_hold_several(tmp_path: Path) -> None:
    """So a token can be replaced without a moment in which none is good."""
    path = written(tmp_path / "token", f"\n {GOOD}1 \n{GOOD}2\n".encode())
    access = load_keys(configured(tenants=(TenantConfig("a", token_file=path),))).access

    for token in (f"{GOOD}1", f"{GOOD}2"):
        assert access.peer(access.unseen("grpc"), f"Bearer {token}").tenant == "a"
    with pytest.raises(Unauthenticated):
        access.peer(access.unseen("grpc"), f"Bearer {GOOD}1\n{GOOD}2")


@pytest.mark.fault(30)
@pytest.mark.parametrize(
    ("text", "mode", "fault"),
    [
        (GOOD.encode(), 0o640, "has mode 0640; it is a secret"),
        (GOOD.encode(), 0o604, "has mode 0604; it is a secret"),
        (b"", 0o600, "expected 1 to"),
        (b"\n \n", 0o600, "expected 1 to"),
        (GOOD[:-1].encode(), 0o600, "at least 16 visible ASCII characters"),
        (b"two words are no token", 0o600, "expected 1 to"),
        (f"{GOOD}\x00".encode(), 0o600, "expected 1 to"),
        (b"\xff" * 20, 0o600, "expected 1 to"),
        (f"{GOOD}\n".encode() * (BEARERS_PER_FILE_MAX + 1), 0o600, "expected 1 to"),
        (b"x" * (SECRET_FILE_BYTES_MAX + 1), 0o600, "is over"),
    ],
)
def test_what_is_no_token_file_is_refused(
    text: bytes, mode: int, fault: str, tmp_path: Path
) -> None:
    """The key and the path are named, no byte of the secret is."""
    path = written(tmp_path / "token", text, mode)

    with pytest.raises(ConfigError) as caught:
        read_tokens(TenantConfig("a", token_file=path))

    assert str(caught.value).startswith(f"receivers.tenants.a.token_file: {path}")
    assert fault in str(caught.value)
    assert GOOD not in str(caught.value) + caught.value.hint


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    """With the key, and as whom it is read."""
    tenant = TenantConfig("a", token_file=tmp_path / "absent")
    with pytest.raises(ConfigError, match=r"receivers\.tenants\.a\.token_file: cannot read"):
        read_tokens(tenant)


def test_two_tenants_do_not_share_a_token(tmp_path: Path) -> None:
    """A token stands for one of them."""
    tenants = tuple(
        TenantConfig(name, token_file=written(tmp_path / name, GOOD.encode())) for name in "ab"
    )
    with pytest.raises(ConfigError, match=r"receivers\.tenants\.b\.token_file: a token in it is a"):
        load_keys(configured(tenants=tenants))


def test_without_a_certificate_there_is_no_tls() -> None:
    """Nothing is read."""
    keys = load_keys(DEFAULTS)
    assert (keys.http, keys.grpc) == (None, None)


Spoil = Callable[[Path, Path], object]


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (lambda cert, _: cert.unlink(), r"receivers\.tls\.cert_file: cannot read"),
        (lambda _, key: key.unlink(), r"receivers\.tls\.key_file: cannot read"),
        (lambda _, key: key.chmod(0o604), r"receivers\.tls\.key_file: .* has mode 0604"),
        (lambda cert, _: cert.write_text("x"), r"receivers\.tls\.cert_file: .* are no pair"),
        (lambda _, key: key.write_text("x"), "are no pair"),
    ],
)
def test_a_certificate_that_cannot_be_used_is_told(
    spoil: Spoil, fault: str, tmp_path: Path
) -> None:
    """Before anything opens, with the key of the configuration."""
    pair = Authority(tmp_path).issue("node")
    config = configured(tls_cert_file=pair.cert, tls_key_file=pair.key)
    keys = load_keys(config)
    assert keys.http is not None
    assert keys.grpc is not None

    spoil(pair.cert, pair.key)

    with pytest.raises(ConfigError, match=fault):
        load_keys(config)


def test_a_key_of_another_certificate_is_told(tmp_path: Path) -> None:
    """Each is good, the two do not belong together."""
    authority = Authority(tmp_path)
    one, other = authority.issue("one"), authority.issue("other")
    with pytest.raises(ConfigError, match="are no pair"):
        load_keys(configured(tls_cert_file=one.cert, tls_key_file=other.key))


def test_what_is_no_authority_is_told(tmp_path: Path) -> None:
    """Or no client could ever connect."""
    pair = Authority(tmp_path).issue("node")
    config = configured(tls_cert_file=pair.cert, tls_key_file=pair.key)
    for text in (b"x", b"\xff"):
        path = written(tmp_path / "clients.pem", text)
        with pytest.raises(ConfigError, match=r"receivers\.tls\.client_ca_file"):
            load_keys(config._replace(tls_client_ca_file=path))
