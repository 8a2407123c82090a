"""Who may write, as the configuration says it: every fault has its key, nothing is open by luck."""

import os
from pathlib import Path

import pytest

from sidespand.config import Address, Config, TenantConfig, load
from sidespand.errors import ConfigError
from sidespand.limits import TENANTS_MAX

HOME = {"HOME": "/home/someone", "XDG_RUNTIME_DIR": "/run/user/1000"}
TLS = '[receivers.tls]\ncert_file = "/srv/cert.pem"\nkey_file = "/srv/key.pem"\n'
CLIENTS = TLS + 'client_ca_file = "/srv/clients.pem"\n'
TOKEN = '[receivers.tenants.a]\ntoken_file = "/srv/token"\n'


def read(directory: Path, text: str) -> Config:
    """Return the configuration that ``text`` makes."""
    path = directory / "sidespan.toml"
    path.write_text(text, encoding="utf-8")
    return load(path, environment=HOME)


def faults(directory: Path, text: str) -> str:
    """Return what is wrong with ``text``."""
    with pytest.raises(ConfigError) as caught:
        read(directory, text)
    return str(caught.value)


def test_a_tenant_has_its_means(tmp_path: Path) -> None:
    """Names of users and groups become numbers; order is that of the file."""
    config = read(
        tmp_path,
        CLIENTS
        + """
        [receivers.tenants.b]
        users = ["root", 1234, "77"]
        groups = ["root"]
        [receivers.tenants.a-1]
        token_file = "/srv/token"
        certificates = ["agent-1", "agent.example"]
        """,
    )

    assert config.tenants == (
        TenantConfig("b", (0, 1234, 77), (0,)),
        TenantConfig("a-1", (), (), Path("/srv/token"), ("agent-1", "agent.example")),
    )
    assert read(tmp_path, "").tenants == ()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[receivers]\ntenants = 5", "receivers.tenants: expected tables"),
        ("[receivers.tenants]\na = 5", "receivers.tenants.a: expected a table"),
        ("[receivers.tenants.a]", "receivers.tenants.a: expected a table with at least one of"),
        ('[receivers.tenants."../x"]\nusers = [1]', "receivers.tenants.../x: a tenant's name"),
        ("[receivers.tenants.a]\nuser = [1]", "receivers.tenants.a.user: unknown key"),
        ("[receivers.tenants.a]\nusers = 1", "receivers.tenants.a.users: expected a list"),
        ('[receivers.tenants.a]\nusers = [1, "no-such-user"]', "a.users[1]: expected the name"),
        ("[receivers.tenants.a]\ngroups = [-1]", "a.groups[0]: expected a group id"),
        ("[receivers.tenants.a]\nusers = [4294967295]", "a.users[0]: expected a user id"),
        ("[receivers.tenants.a]\nusers = [true]", "a.users[0]: expected the name or number"),
        ("[receivers.tenants.a]\ntoken_file = 5", "a.token_file: expected a path"),
        (CLIENTS + '[receivers.tenants.a]\ncertificates = [""]', "a.certificates[0]: expected"),
        ('[receivers.tenants.a]\ncertificates = ["x"]', "needs receivers.tls.client_ca_file"),
        (
            "[receivers.tenants.a]\nusers = [7]\n[receivers.tenants.b]\nusers = [7]",
            "receivers.tenants.b.users: 7 is a's already",
        ),
        (TOKEN + TOKEN.replace("tenants.a", "tenants.b"), "b.token_file: /srv/token is a's"),
        (TLS.replace("cert_file", "client_ca_file"), "client_ca_file: needs receivers.tls.cert"),
        (TLS.splitlines()[0] + '\nkey_file = "/k"', "receivers.tls.cert_file: missing"),
        (TLS.rpartition("key_file")[0], "receivers.tls.key_file: missing"),
    ],
)
def test_a_fault_names_its_key(text: str, fault: str, tmp_path: Path) -> None:
    """Nothing starts with a list of writers that is not what its author meant."""
    assert fault in faults(tmp_path, text)


def test_there_are_not_more_tenants_than_the_limit(tmp_path: Path) -> None:
    """A token is compared with each, on every request."""
    text = "".join(
        f"[receivers.tenants.t{number}]\nusers = [{number}]\n" for number in range(TENANTS_MAX + 1)
    )
    assert f"receivers.tenants: more than {TENANTS_MAX}" in faults(tmp_path, text)


LISTEN = '[receivers]\notlp_{door} = "{address}"\n'


@pytest.mark.parametrize("door", ["grpc", "http"])
@pytest.mark.parametrize("address", ["0.0.0.0:4317", "[::]:4317", "10.0.0.1:4317"])
@pytest.mark.parametrize("rest", ["", TLS, TOKEN], ids=["nothing", "TLS alone", "tokens alone"])
def test_beyond_loopback_both_tls_and_authentication_are_needed(
    door: str, address: str, rest: str, tmp_path: Path
) -> None:
    """One without the other is refused at start."""
    text = LISTEN.format(door=door, address=address) + rest

    assert f"receivers.otlp_{door}: other addresses than loopback need" in faults(tmp_path, text)
    config = read(tmp_path, text.replace("[receivers]", "[receivers]\ninsecure_listen = true"))
    assert [str(one) for one in config.exposed] == [address]


@pytest.mark.parametrize("rest", [TLS + TOKEN, CLIENTS], ids=["tokens", "client certificates"])
def test_with_both_a_port_may_face_the_network(rest: str, tmp_path: Path) -> None:
    """Then nothing is exposed."""
    config = read(tmp_path, LISTEN.format(door="grpc", address="0.0.0.0:4317") + rest)

    assert config.otlp_grpc == Address("0.0.0.0", 4317)
    assert config.exposed == ()


def test_a_loopback_port_needs_neither() -> None:
    """Any local user may write there, as the docs say."""
    assert load(Path(os.devnull), environment=HOME).exposed == ()
