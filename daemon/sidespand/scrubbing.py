"""Takes secrets out of text by their value, wherever they stand.

A secret is looked for as it is, as JSON escapes it and as a URL does; not in base64, in parts, or
in another case.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, quote_plus

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message

from sidespand import platform
from sidespand.errors import ConfigError
from sidespand.files import read_secret
from sidespand.limits import SECRET_CHARACTERS_MIN, SECRETS_MAX
from sidespand.model import Record
from sidespand.otlp_places import parse

REDACTED: Final = "<redacted>"
_KEY: Final = "secrets.files"
_OTHERS: Final = 0o007
# RFC 6750, section 2.1; a URL or a log may write the space in other ways.
_BEARER: Final = re.compile(r"(?i)bearer(?:[\s:+]|%20|\\[nt])+[A-Za-z0-9._~+/=%-]+")


class Secrets:
    """What must not leave the process in any text.

    Args:
        values: Each of SECRET_CHARACTERS_MIN characters or more.
    """

    def __init__(self, values: Iterable[str] = ()) -> None:
        forms = {form for value in values for form in _forms(value)}
        # The longest first: one may be part of another.
        self._texts = sorted(forms, key=len, reverse=True)
        self._bytes = [text.encode() for text in self._texts]

    def __bool__(self) -> bool:
        return bool(self._texts)

    def are_in(self, body: bytes) -> bool:
        """Tell whether any of them is in ``body``."""
        return any(platform.contains(body, one) for one in self._bytes)

    def fingerprint(self, salt: str) -> str:
        """Return a text that is another one for other secrets; empty without any.

        It costs some 50 ms, so that whoever reads it cannot try out many secrets.
        """
        if not self._bytes:
            return ""
        told = b"\n".join(sorted(self._bytes))
        return hashlib.scrypt(told, salt=salt.encode(), n=2**14, r=8, p=1, dklen=32).hex()

    def scrub(self, text: str) -> str:
        """Return ``text`` with ``<redacted>`` in their place."""
        for secret in self._texts:
            if secret in text:
                text = text.replace(secret, REDACTED)
        return text

    def scrub_bytes(self, body: bytes) -> bytes:
        """Return ``body`` with ``<redacted>`` in their place."""
        for secret in self._bytes:
            body = body.replace(secret, REDACTED.encode())
        return body


def load(paths: Sequence[Path]) -> Secrets:
    """Read the files that ``secrets.files`` names: a secret a line.

    Raises:
        ConfigError: One cannot be read, others may read it, or a line is too short. No message
            repeats any of it.
    """
    values: list[str] = []
    for path in paths:
        try:
            text = read_secret(_KEY, path, _OTHERS).decode()
        except FileNotFoundError as error:
            raise ConfigError(
                f"{_KEY}: {path} does not exist", hint="make it, or take it out of the list"
            ) from error
        except UnicodeDecodeError:
            raise ConfigError(
                f"{_KEY}: {path} is no UTF-8", hint="write one secret a line"
            ) from None
        found = [line.strip() for line in text.splitlines() if line.strip()]
        if any(len(one) < SECRET_CHARACTERS_MIN for one in found):
            raise ConfigError(
                f"{_KEY}: {path}: a line is under {SECRET_CHARACTERS_MIN} characters",
                hint="so short a secret would be found in ordinary words: use a longer one",
            )
        values += found
    if len(values) > SECRETS_MAX:
        raise ConfigError(
            f"{_KEY}: {len(values)} secrets, the limit is {SECRETS_MAX}",
            hint="each of them is looked for in all that leaves",
        )
    return Secrets(values)


def may_hold_bearer(body: bytes) -> bool:
    """Tell whether a look for bearer tokens is worth it."""
    return platform.contains(body.lower(), b"bearer")


def scrub_bearer(text: str) -> str:
    """Return ``text`` with ``<redacted>`` in place of each ``Bearer`` and its token."""
    return _BEARER.sub(REDACTED, text)


def scrub_message(message: Any, secrets: Secrets, *, bearer: bool) -> int:
    """Scrub every text and every value of bytes in a message, at any depth; return how many.

    Args:
        message: Of protobuf; ids, which are bytes of a fixed length, are not looked at.
        secrets: What to take out.
        bearer: Take out bearer tokens, too.
    """
    found = 0
    for field, value in message.ListFields():
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            inner = (value,) if isinstance(value, Message) else value
            found += sum(scrub_message(one, secrets, bearer=bearer) for one in inner)
        elif field.type == FieldDescriptor.TYPE_STRING:
            found += _scrub_text(message, field, value, secrets, bearer=bearer)
        elif field.name == "bytes_value":
            clean = secrets.scrub_bytes(value)
            if clean != value:
                setattr(message, field.name, clean)
                found += 1
    return found


def without_secrets(record: Record, secrets: Secrets) -> Record:
    """Return a record with no secret in what is read of it, its items in the same places.

    One that has none is returned itself, and so is one that nobody can read: of the daemon's own
    kinds, redacted, or damaged.
    """
    payload, kind = record.payload, record.header.kind
    if payload is None or kind.is_control or not secrets.are_in(payload):
        return record
    try:
        message = parse(kind, payload)
    except DecodeError:
        return record
    scrub_message(message, secrets, bearer=False)
    return replace(record, payload=message.SerializeToString())


def _scrub_text(message: Any, field: Any, value: Any, secrets: Secrets, *, bearer: bool) -> int:
    texts = [value] if isinstance(value, str) else list(value)
    clean = [secrets.scrub(scrub_bearer(text) if bearer else text) for text in texts]
    if clean == texts:
        return 0
    if isinstance(value, str):
        setattr(message, field.name, clean[0])
    else:
        value[:] = clean
    return 1


def _forms(secret: str) -> Iterable[str]:
    yield secret
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield quote(secret, safe="")
    yield quote(secret)
    yield quote_plus(secret)
