"""What leaves the node: applied to each record between its batch and its sink, in one place.

off        nothing
metadata   items within the bounds, without anything that is content
redacted   the same, with refs that tell what was there without showing it
full       all of it, as stored

At every level a record that names its sinks goes to no other, and configured secrets go nowhere.
"""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple

from sidespand import governed
from sidespand.config.model import Capture
from sidespand.errors import StoreUnreadable
from sidespand.files import create_file
from sidespand.model import Record
from sidespand.otlp_places import parse, walk
from sidespand.scrubbing import Secrets, may_hold_bearer, scrub_message
from sidespand.sinks.policy_bounds import Bounds, Manner

_SALT_BYTES: Final = 32


class Released(NamedTuple):
    """What a policy says of a record.

    Args:
        record: What the sink gets, with the same items in the same places; None for nothing.
        changed_values: Values in it that were left out, replaced or scrubbed.
    """

    record: Record | None
    changed_values: int = 0


_WITHHELD: Final = Released(None)


class Policy:
    """What one sink gets of each record.

    Args:
        sink: Its name.
        capture: How much.
        secrets: What goes nowhere.
        salt: Of the store, 32 bytes.
    """

    def __init__(self, sink: str, capture: Capture, secrets: Secrets, salt: bytes) -> None:
        self._sink = sink
        self._capture = capture
        self._secrets = secrets
        self._salt = salt

    def apply(self, record: Record) -> Released:
        """Return what the sink gets of a record that has its payload.

        With ``full`` and no secret in it, that is the very record.
        """
        payload = record.payload
        assert payload is not None
        if self._capture is Capture.OFF:
            return _WITHHELD
        kind = record.header.kind
        if kind.is_control:
            return _WITHHELD if self._secrets.are_in(payload) else Released(record)
        names = None
        request = None
        if governed.may_be_governed(payload):
            request = parse(kind, payload)
            names = _names(request)
            if names is not None and self._sink not in names:
                return _WITHHELD
        bounded = self._capture is not Capture.FULL
        scrubbed = self._secrets.are_in(payload) or (bounded and may_hold_bearer(payload))
        if not bounded and not scrubbed:
            return Released(record)
        request = request or parse(kind, payload)
        changed = scrub_message(request, self._secrets, bearer=bounded) if scrubbed else 0
        if bounded:
            bounds = Bounds(self._manner(is_governed=names is not None), self._salt, len(payload))
            walk(kind, request, bounds)
            changed += bounds.changed_values
            # Fields of a later OTLP were not looked at.
            request.DiscardUnknownFields()
        # Always written anew: what parsing passes over, such as the first of two names, is not in
        # it then.
        written = request.SerializeToString()
        if scrubbed and self._secrets.are_in(written):
            request.DiscardUnknownFields()
            written = request.SerializeToString()
            if self._secrets.are_in(written):
                return _WITHHELD
        return Released(replace(record, payload=written), changed)

    def scrub(self, text: str) -> str:
        """Return what somebody said of an export, without secrets."""
        return self._secrets.scrub(text)

    def _manner(self, *, is_governed: bool) -> Manner:
        if self._capture is Capture.METADATA:
            return Manner.DROP
        return Manner.TOMBSTONE if is_governed else Manner.REF


def load_salt(path: Path) -> bytes:
    """Return the store's salt; it is drawn where there is none yet.

    Args:
        path: A file of 32 bytes that its owner alone may read, in a directory that exists.

    Raises:
        StoreUnreadable: It cannot be read or made, or holds something else.
    """
    try:
        if not path.exists():
            create_file(path, os.urandom(_SALT_BYTES), 0o600)
        salt = path.read_bytes()
    except OSError as error:
        raise StoreUnreadable(
            f"{path}: {error.strerror}", hint="data_dir must be writable by the daemon's user"
        ) from error
    if len(salt) != _SALT_BYTES:
        raise StoreUnreadable(
            f"{path} is no salt of {_SALT_BYTES} bytes",
            hint="remove it: refs made from then on have hashes of their own",
        )
    return salt


def _names(request: Any) -> governed.Names | None:
    """Return the sinks that may have a request; None when nothing in it is governed.

    One of several parts that name different sinks goes where all of them may go.
    """
    found: governed.Names | None = None
    for resource in governed.resources(request):
        try:
            names = governed.sinks_of(resource)
        except ValueError:
            return frozenset()
        if names is not None:
            found = names if found is None else found & names
    return found
