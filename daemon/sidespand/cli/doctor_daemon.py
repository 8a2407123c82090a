"""Whether the daemon runs, can be reached, and may be written to by this user."""

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

from sidespand import lock
from sidespand.cli import api
from sidespand.cli.findings import Finding, Patient, State
from sidespand.journal.layout import Layout
from sidespand.platform import clock_error_us

_CONNECT_S = 2.0
# The answer to "before or after" is then left to tokens and the log.
_CLOCK_ERROR_US_MAX = 500_000
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def findings(patient: Patient) -> Iterator[Finding]:
    """Yield what holds for the daemon."""
    held = lock.is_held(Layout(patient.config.data_dir).lock_path)
    yield _running(patient, held=held)
    if held is False:
        yield from _left_behind(patient)
    else:
        yield from _doors(patient)
    yield from _client(patient)
    yield _clock()
    yield from _token(patient)


def _running(patient: Patient, *, held: bool | None) -> Finding:
    where = patient.config.data_dir
    if held:
        return Finding("daemon", State.GOOD, f"runs, and owns {where}")
    if held is None:
        return Finding(
            "daemon", State.NOTE, f"this user may not see whether one owns {where}",
            "sudo sidespan doctor",
        )  # fmt: skip
    text = "does not run: nothing is recorded"
    return Finding("daemon", State.BAD, text, patient.serve)


def _left_behind(patient: Patient) -> Iterator[Finding]:
    path = patient.socket("ingest.sock")
    if path.is_socket() and isinstance(_connect(path), ConnectionRefusedError):
        text = f"{path} is left of a daemon that is gone; the next one replaces it"
        yield Finding("ingest.sock", State.NOTE, text, patient.serve)


def _doors(patient: Patient) -> Iterator[Finding]:
    for name in ("ingest.sock", "grpc.sock", "http.sock", "api.sock"):
        path = patient.socket(name)
        fault = _connect(path)
        if not fault:
            yield Finding(name, State.GOOD, str(path))
        elif isinstance(fault, PermissionError):
            text = f"{path}: this user may not connect"
            yield Finding(name, State.NOTE, text, f"ls -l {path}; see socket_mode in docs/doors.md")
        elif name == "api.sock":
            text = f"{path}: {fault.strerror}: the worker serves nothing"
            yield Finding(
                name, State.BAD, text, f"sidespan status --data {patient.config.data_dir}"
            )
        else:
            text = f"{path}: {fault.strerror}: the daemon has its sockets elsewhere, or starts"
            yield Finding(name, State.BAD, text, "name its directory: sidespan doctor --run DIR")
    yield from _readiness(patient)


def _readiness(patient: Patient) -> Iterator[Finding]:
    try:
        api.text(patient.socket("http.sock"), "/readyz")
    except api.Absent as error:
        text = f"it does not take spans now: {error}"
        yield Finding("ready", State.BAD, text, "read the daemon's log: journalctl -u sidespan")
    else:
        yield Finding("ready", State.GOOD, "it takes spans")


def _connect(path: Path) -> OSError | None:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(_CONNECT_S)
        try:
            probe.connect(os.fspath(path))
        except OSError as error:
            return error
    return None


def _client(patient: Patient) -> Iterator[Finding]:
    named = os.environ.get("SIDESPAN_SOCKET")
    own = str(patient.socket("ingest.sock"))
    if named is not None and named.removeprefix("unix://") != own:
        text = f"SIDESPAN_SOCKET is {named}: programs of this shell send there, not to {own}"
        run = patient.config.runtime_dir
        yield Finding("client", State.NOTE, text, f'eval "$(sidespan env --run {run})"')


def _clock() -> Finding:
    error_us = clock_error_us()
    if error_us is None:
        text = "nothing disciplines this node's clock, or this user may not ask"
        return Finding("clock", State.NOTE, text, "timedatectl set-ntp true")
    text = f"at most {error_us / 1000:.3g} ms off, as its time daemon says"
    if error_us > _CLOCK_ERROR_US_MAX:
        return Finding("clock", State.NOTE, text, "timedatectl timesync-status")
    return Finding("clock", State.GOOD, text)


def _token(patient: Patient) -> Iterator[Finding]:
    path = patient.config.data_dir / "api.token"
    try:
        mode = path.stat().st_mode
    except OSError:
        # Without a page there is no token either.
        return
    if mode & _OTHERS:
        yield Finding("token", State.BAD, f"others may read {path}", f"chmod 600 {path}")
    else:
        yield Finding("token", State.GOOD, f"{path}, its owner's alone")
