"""A NATS operator of a test's own: keys, and the JWTs that an account and its user carry.

Source: NATS ADR-14, "JWT library free jwt user generation", and the nkeys README.
"""

import base64
import json
import os
import time
from pathlib import Path
from typing import Any, Final

import nkeys

_HEADER: Final = {"typ": "JWT", "alg": "ed25519-nkey"}


class Key:
    """An Ed25519 pair in NATS's encoding.

    Args:
        prefix: Of an operator, an account or a user.
    """

    def __init__(self, prefix: int) -> None:
        self.seed: bytes = bytes(nkeys.encode_seed(os.urandom(32), prefix))
        self._pair = nkeys.from_seed(bytearray(self.seed))
        self.public: str = self._pair.public_key.decode()

    def issue(self, subject: "Key", name: str, claims: dict[str, Any]) -> str:
        """Return a JWT that this key signs for another, or for itself."""
        body = {
            "jti": os.urandom(16).hex(),
            "iat": int(time.time()),
            "iss": self.public,
            "name": name,
            "sub": subject.public,
            "nats": {**claims, "version": 2},
        }
        signed = f"{_encoded(json.dumps(_HEADER))}.{_encoded(json.dumps(body))}"
        return f"{signed}.{_encoded(self._pair.sign(signed.encode()))}"


def made(place: Path) -> tuple[str, Path]:
    """Return what a server's configuration says of the operator, and a user's credentials file."""
    operator, account = Key(nkeys.PREFIX_BYTE_OPERATOR), Key(nkeys.PREFIX_BYTE_ACCOUNT)
    system, user = Key(nkeys.PREFIX_BYTE_ACCOUNT), Key(nkeys.PREFIX_BYTE_USER)
    limits = {
        **dict.fromkeys(("subs", "data", "payload", "imports", "exports", "conn", "leaf"), -1),
        "wildcards": True,
    }
    stored = dict.fromkeys(("mem_storage", "disk_storage", "streams", "consumer"), -1)
    jwts = {
        operator.public: operator.issue(
            operator, "op", {"type": "operator", "system_account": system.public}
        ),
        account.public: operator.issue(
            account, "shop", {"type": "account", "limits": {**limits, **stored}}
        ),
        system.public: operator.issue(system, "SYS", {"type": "account", "limits": limits}),
    }
    preload = "\n".join(f"  {key.public}: {jwts[key.public]}" for key in (account, system))
    config = (
        f"operator: {jwts[operator.public]}\nsystem_account: {system.public}\n"
        f"resolver: MEMORY\nresolver_preload {{\n{preload}\n}}"
    )
    path = place / "user.creds"
    path.touch(0o600)
    jwt = account.issue(user, "sidespan", {"type": "user", "subs": -1, "data": -1, "payload": -1})
    path.write_text(
        f"-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{user.seed.decode()}\n------END USER NKEY SEED------\n"
    )
    return config, path


def _encoded(body: str | bytes) -> str:
    raw = body.encode() if isinstance(body, str) else body
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
