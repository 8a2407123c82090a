"""The node's key file: made once by its operator, read by the recorder, never changed.

One line, a signer key as ``evidence.note`` has it. Readers pin the verifier key that goes with it.
"""

from pathlib import Path

from sidespand.errors import ConfigError
from sidespand.evidence import note
from sidespand.evidence.failures import Malformed
from sidespand.evidence.note import Signer
from sidespand.files import create_file, read_secret

_KEY = "evidence.node_key_file"
_OWNER_ALONE = 0o600
# A group may read it: some service managers hand credentials over so.
_EVERYBODY = 0o007


def create(path: Path, name: str) -> Signer:
    """Make a key of that name and keep it at ``path``, readable by its owner alone.

    Raises:
        ConfigError: There is a file already, or it cannot be written. Nothing was changed.
    """
    signer = Signer.generate(name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise _cannot_write(path, error) from error
    try:
        create_file(path, signer.text().encode() + b"\n", _OWNER_ALONE)
    except FileExistsError as error:
        raise ConfigError(
            f"{_KEY}: {path} exists, and a key is never replaced",
            hint="`sidespan keys show` prints its verifier key; move it away to make another",
        ) from error
    except OSError as error:
        raise _cannot_write(path, error) from error
    return signer


def load(path: Path, *, required: bool) -> Signer | None:
    """Return the key at ``path``; None when there is no file.

    Raises:
        ConfigError: It is required and not there, it cannot be read, it is open to everybody, or it
            holds no key. No message repeats any of it.
    """
    try:
        raw = read_secret(_KEY, path, _EVERYBODY)
    except FileNotFoundError as error:
        if required:
            raise ConfigError(
                f"{_KEY}: {path} is not there", hint="`sidespan keys init` makes it"
            ) from error
        return None
    try:
        return note.parse_signer(raw.decode("utf-8").removesuffix("\n"))
    except (Malformed, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{_KEY}: {path} holds no signer key",
            hint="restore it from a backup, or move it away and run `sidespan keys init`",
        ) from error


def _cannot_write(path: Path, error: OSError) -> ConfigError:
    return ConfigError(
        f"{_KEY}: cannot write {path}: {error.strerror}",
        hint="run it as the daemon's user, or name another file",
    )
