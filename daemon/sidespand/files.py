"""Small files: those that must survive a crash whole, and those that hold a secret."""

import os
import stat
from pathlib import Path

from sidespand import platform
from sidespand.errors import ConfigError
from sidespand.limits import SECRET_FILE_BYTES_MAX


def create_file(path: Path, body: bytes, mode: int) -> None:
    """Put ``body`` at ``path``, where nothing is yet, atomically and durably.

    After a crash it is there as a whole or not at all. Root hands it to the owner of its directory.

    Args:
        path: In a directory that exists.
        body: All of it.
        mode: Permission bits; nobody ever sees it with others.

    Raises:
        FileExistsError: Something is there; it was not touched.
        OSError: It cannot be written; nothing is there.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(temporary, flags, mode), "wb") as file:
        try:
            if os.geteuid() == 0:
                owner = path.parent.stat()
                os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
            # Unlike rename(2), link(2) replaces nothing.
            os.link(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    platform.sync_directory(path.parent)


def replace_file(path: Path, body: bytes) -> None:
    """Put ``body`` at ``path`` atomically and durably.

    After a crash it is the old file or the new one.

    Raises:
        OSError: The old file is still there, unchanged.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    platform.sync_directory(path.parent)


def read_secret(key: str, path: Path, forbidden_mode: int) -> bytes:
    """Return what a file holds that not everybody may read.

    Args:
        key: Of the configuration, for messages.
        path: The file.
        forbidden_mode: Permission bits that it must not have. Those of the group do not count for
            one of systemd's credentials: there they are the mask of an ACL that names the service.

    Raises:
        FileNotFoundError: It is not there.
        ConfigError: It cannot be read, others may read it, or it is too long. No message repeats
            any of it.
    """
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            body = file.read(SECRET_FILE_BYTES_MAX + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ConfigError(
            f"{key}: cannot read {path}: {error.strerror}",
            hint=f"it is read as the daemon's user: chown it, and chmod 600 {path}",
        ) from error
    if mode & (forbidden_mode & ~stat.S_IRWXG if _is_credential(path) else forbidden_mode):
        raise ConfigError(
            f"{key}: {path} has mode {mode:04o}; it is a secret", hint=f"chmod 600 {path}"
        )
    if len(body) > SECRET_FILE_BYTES_MAX:
        raise ConfigError(
            f"{key}: {path} is over {SECRET_FILE_BYTES_MAX} bytes", hint="name the right file"
        )
    return body


def _is_credential(path: Path) -> bool:
    # systemd.exec(5), LoadCredential=: the directory is the service's alone.
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    return directory is not None and path.resolve().is_relative_to(Path(directory).resolve())
