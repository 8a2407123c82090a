"""Who may write, as the configuration says it, and the rules that bind its keys together."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from sidespand.config import values
from sidespand.config.model import TenantConfig, authenticates
from sidespand.limits import TENANTS_MAX

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_MEANS = ("users", "groups", "token_file", "certificates")
_NAME_CHARACTERS_MAX = 256

_Value = TypeVar("_Value")


def read_tenants(tables: Any, faults: list[str]) -> tuple[TenantConfig, ...]:
    """Return the ``[receivers.tenants.<name>]`` tables, in the order of the file.

    Args:
        tables: What the file holds at ``receivers.tenants``.
        faults: Every fault is added here, with its key; a table that has one is left out.
    """
    if not isinstance(tables, dict):
        faults.append("receivers.tenants: expected tables such as [receivers.tenants.team-a]")
        return ()
    if len(tables) > TENANTS_MAX:
        faults.append(f"receivers.tenants: more than {TENANTS_MAX}")
        return ()
    read = (_tenant(name, table, faults) for name, table in tables.items())
    tenants = tuple(tenant for tenant in read if tenant is not None)
    faults.extend(_named_twice(tenants))
    return tenants


def exposure_faults(fields: Mapping[str, Any], tenants: tuple[TenantConfig, ...]) -> Iterator[str]:
    """Yield what is wrong with the doors' keys taken together.

    Args:
        fields: Of ``Config``, as far as they could be read.
        tenants: Those that could be read.
    """
    certificate, key = fields.get("tls_cert_file"), fields.get("tls_key_file")
    authority = fields.get("tls_client_ca_file")
    if (certificate is None) != (key is None):
        missing = "cert_file" if certificate is None else "key_file"
        yield f"receivers.tls.{missing}: missing; certificate and key come together"
    if authority is not None and certificate is None:
        yield "receivers.tls.client_ca_file: needs receivers.tls.cert_file"
    for tenant in tenants:
        if tenant.certificates and authority is None:
            yield (
                f"receivers.tenants.{tenant.name}.certificates: "
                "needs receivers.tls.client_ca_file, which says whose signature counts"
            )
    page = fields.get("web_listen")
    if page is not None and not page.is_loopback and not fields.get("web_insecure_listen"):
        yield (
            "web.listen: other addresses than loopback need web.insecure_listen = true, which shows"
            f" token and spans to whoever sees the traffic, got {page}"
        )
    closed = certificate is not None and authenticates(authority, tenants)
    for name in ("otlp_grpc", "otlp_http"):
        address = fields.get(name)
        if address is None or address.is_loopback or closed or fields.get("insecure_listen"):
            continue
        yield (
            f"receivers.{name}: other addresses than loopback need receivers.tls, and tokens in "
            "receivers.tenants or receivers.tls.client_ca_file; or "
            f"receivers.insecure_listen = true, got {address}"
        )


def _tenant(name: str, table: Any, faults: list[str]) -> TenantConfig | None:
    path = f"receivers.tenants.{name}"
    before = len(faults)
    if not _NAME.fullmatch(name):
        faults.append(f"{path}: a tenant's name is 1 to 64 of a-z, 0-9, - and _")
        return None
    if not isinstance(table, dict) or not table:
        faults.append(f"{path}: expected a table with at least one of {', '.join(_MEANS)}")
        return None
    faults.extend(f"{path}.{key}: unknown key" for key in table if key not in _MEANS)
    token_file = None
    if "token_file" in table:
        try:
            token_file = values.absolute_path(table["token_file"])
        except ValueError as error:
            faults.append(f"{path}.token_file: {error}")
    tenant = TenantConfig(
        name,
        _each(f"{path}.users", table.get("users", []), values.user_id, faults),
        _each(f"{path}.groups", table.get("groups", []), values.group_id, faults),
        token_file,
        _each(f"{path}.certificates", table.get("certificates", []), _certificate_name, faults),
    )
    return tenant if len(faults) == before else None


def _each(
    path: str, given: Any, parse: Callable[[Any], _Value], faults: list[str]
) -> tuple[_Value, ...]:
    if not isinstance(given, list):
        faults.append(f"{path}: expected a list")
        return ()
    found = []
    for index, value in enumerate(given):
        try:
            found.append(parse(value))
        except ValueError as error:
            faults.append(f"{path}[{index}]: {error}")
    return tuple(found)


def _certificate_name(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _NAME_CHARACTERS_MAX:
        raise ValueError(f"expected a name of 1 to {_NAME_CHARACTERS_MAX} characters")
    return value


def _named_twice(tenants: tuple[TenantConfig, ...]) -> Iterator[str]:
    # One writer has one tenant: which of two it would be, no order of tables should decide.
    owners: dict[object, str] = {}
    for tenant in tenants:
        claims = (
            *(("users", uid) for uid in tenant.uids),
            *(("groups", gid) for gid in tenant.gids),
            *(("certificates", name) for name in tenant.certificates),
            *((("token_file", tenant.token_file),) if tenant.token_file is not None else ()),
        )
        for key, value in claims:
            owner = owners.setdefault((key, value), tenant.name)
            if owner != tenant.name:
                yield f"receivers.tenants.{tenant.name}.{key}: {value} is {owner}'s already"
