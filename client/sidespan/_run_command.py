"""``sidespan run -- COMMAND``: a span around any program, and the trace in its environment.

The command's own behaviour is untouched: its streams, its terminal, its exit status, and the
signals that it would have had.
"""

import argparse
import os
import shutil
import signal
import sys
from collections.abc import Sequence
from time import monotonic, sleep
from typing import Any

import sidespan
from sidespan._limits import COMMAND_BYTES_MAX, CONNECT_WAIT_S, EXIT_TIMEOUT_S
from sidespan._span import Span

_NOT_EXECUTABLE, _NOT_FOUND, _BY_SIGNAL = 126, 127, 128
# What ends a service, or tells it something; what stops or continues a job reaches it by itself.
_FORWARDED_NAMES = ("SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2")
# What Python changes for itself and a command expects as it was.
_RESTORED_NAMES = ("SIGPIPE", "SIGXFSZ")
# A terminal's signal has gone to every process in front of it, the command too.
_FROM_KERNEL = 0x80
_POLL_S = 0.002


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--name", help="the span's name; without it the command's")
    parser.add_argument(
        "--service", help="names this program; without it SIDESPAN_SERVICE, then the command's name"
    )
    parser.add_argument(
        "--no-args", action="store_true", help="record the command's name alone, not its arguments"
    )
    parser.add_argument(
        "--durable",
        action="store_true",
        help="have the start on disk before the command runs, or wait a second for it",
    )
    parser.add_argument("argv", nargs=argparse.REMAINDER, metavar="-- COMMAND", help="what to run")


def run(args: argparse.Namespace) -> int:
    """Run the command and return its exit status; 128 + n when signal n ended it.

    Returns:
        Also 126 and 127 when it cannot be run or found, as a shell's, and 2 without a command.
    """
    argv = args.argv[1:] if args.argv[:1] == ["--"] else args.argv
    if not argv:
        _complain("no command was given; usage: sidespan run [--name NAME] -- COMMAND …")
        return 2
    if not hasattr(os, "posix_spawn"):
        _complain("this system is not POSIX; run the command without it")
        return _NOT_EXECUTABLE
    # From here on signals wait until there is somebody to hand them to. The sender's thread, which
    # inherits this, must not be the one that gets them.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    awaited = _signals(*_FORWARDED_NAMES, "SIGCHLD")
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, awaited)
    opened = _span_of(args, argv)
    environment = _environment(opened)
    try:
        pid = _spawn(argv, environment, mask)
    except OSError as error:
        _complain(f"{argv[0]}: {error.strerror}")
        opened.end(error)
        sidespan.shutdown(EXIT_TIMEOUT_S)
        return _NOT_FOUND if isinstance(error, FileNotFoundError) else _NOT_EXECUTABLE
    opened.set({"process.pid": pid})
    code = os.waitstatus_to_exitcode(_wait(pid, awaited))
    _end(opened, code)
    sidespan.shutdown(EXIT_TIMEOUT_S)
    return _BY_SIGNAL - code if code < 0 else code


def _span_of(args: argparse.Namespace, argv: Sequence[str]) -> Span:
    name = os.path.basename(argv[0])  # noqa: PTH119 - A name, of whatever form.
    service = (
        args.service or os.environ.get("SIDESPAN_SERVICE") or os.environ.get("OTEL_SERVICE_NAME")
    )
    sidespan.init(service=service or name)
    shown = list(argv[:1] if args.no_args else argv)
    attributes: dict[str, Any] = {
        "process.executable.name": name,
        "process.command_args": _bounded(shown),
        "process.working_directory": _working_directory(),
    }
    parent = sidespan.extract(os.environ)
    opened = sidespan.span(
        args.name or name, attributes, kind="client", parent=parent, durable=args.durable
    ).start()
    _await_connection()
    return opened


def _bounded(argv: list[str]) -> list[str]:
    """Return the arguments as far as COMMAND_BYTES_MAX goes, and how many were left out."""
    left = COMMAND_BYTES_MAX
    kept: list[str] = []
    for argument in argv:
        left -= len(argument)
        if left < 0:
            kept.append(f"<{len(argv) - len(kept)} more>")
            break
        kept.append(argument)
    return kept


def _working_directory() -> str:
    try:
        return os.getcwd()  # noqa: PTH109 - A text.
    except OSError:
        return ""


def _await_connection() -> None:
    """Give the recorder the moment that it needs to name its token; an absent one needs less."""
    deadline = monotonic() + CONNECT_WAIT_S
    while sidespan.status().state == "connecting" and monotonic() < deadline:
        sleep(_POLL_S)


def _environment(opened: Span) -> dict[str, str]:
    """Return the command's environment: this one, with the trace in it."""
    carrier: dict[str, str] = {}
    with opened.activate():
        sidespan.inject(carrier)
    environment = dict(os.environ)
    if carrier:
        environment.pop("TRACESTATE", None)
    return environment | {key.upper().replace("-", "_"): value for key, value in carrier.items()}


def _spawn(argv: Sequence[str], environment: dict[str, str], mask: Any) -> int:
    """Start the command with the signals as they were.

    Raises:
        OSError: It is not there, or cannot be run.
    """
    path = shutil.which(argv[0], path=environment.get("PATH", os.defpath))
    if path is None and ("/" not in argv[0] or not os.path.exists(argv[0])):  # noqa: PTH110 - A text.
        raise FileNotFoundError(2, "command not found", argv[0])
    return os.posix_spawn(
        path or argv[0],
        list(argv),
        environment,
        setsigmask=mask,
        setsigdef=_signals(*_RESTORED_NAMES),
    )


def _wait(pid: int, awaited: frozenset[signal.Signals]) -> int:
    """Return the status with which the command ended; signals that come meanwhile go to it."""
    while True:
        number, from_terminal = _next_signal(awaited)
        if number == signal.SIGCHLD:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                return status
        elif not from_terminal:
            # Not reaped yet, so the number is still its own.
            os.kill(pid, number)


def _next_signal(awaited: frozenset[signal.Signals]) -> tuple[int, bool]:
    """Return the next signal, and whether the terminal sent it."""
    if hasattr(signal, "sigwaitinfo"):
        info = signal.sigwaitinfo(awaited)
        return info.si_signo, info.si_code == _FROM_KERNEL
    return signal.sigwait(awaited), False


def _end(opened: Span, code: int) -> None:
    if code < 0:
        name = _signal_name(-code)
        opened.set({"process.exit.signal": name, "process.exit.code": _BY_SIGNAL - code})
        opened.set({"error.type": name}).fail(f"ended by {name}")
    else:
        opened.set({"process.exit.code": code})
        if code:
            opened.set({"error.type": str(code)}).fail(f"exit status {code}")
    opened.end()


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _signals(*names: str) -> frozenset[signal.Signals]:
    """Return those that this system has."""
    return frozenset(signal.Signals[name] for name in names if name in signal.Signals.__members__)


def _complain(text: str) -> None:
    sys.stderr.write(f"sidespan run: {text}\n")
