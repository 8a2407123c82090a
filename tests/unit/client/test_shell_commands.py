"""``sidespan run`` and ``sidespan emit``, from a bare install of the client."""

import os
import select
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

import sidespan
import sidespand
from sidespan.testing import FakeDaemon

PACKAGES = [str(Path(package.__file__).parents[1]) for package in (sidespan, sidespand)]
# Without site-packages: the wheel alone, and nothing that the daemon needs.
SIDESPAN = [
    sys.executable, "-I", "-S", "-W", "error", "-c",
    f"import sys; sys.path[:0] = {PACKAGES!r}; "  # noqa: ISC004 - One program.
    "from sidespand.cli.script import main; sys.exit(main())",
]  # fmt: skip
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"
PROCESS_S_MAX = 30.0


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[FakeDaemon]:
    """Return a daemon in a thread."""
    daemon = FakeDaemon(tmp_path / "ingest.sock").start()
    yield daemon
    daemon.stop()


def environment(daemon: FakeDaemon | None, **given: str) -> dict[str, str]:
    """Return what a command finds, with nothing else of ours in it."""
    address = daemon.address if daemon is not None else "/nonexistent/ingest.sock"
    return {"PATH": os.environ["PATH"], "SIDESPAN_SOCKET": address, **given}


def command(
    daemon: FakeDaemon | None, *arguments: str, **given: str
) -> subprocess.CompletedProcess[str]:
    """Run one command."""
    return subprocess.run(
        [*SIDESPAN, *arguments], env=environment(daemon, **given), input="in\n",
        capture_output=True, text=True, timeout=PROCESS_S_MAX, check=False,
    )  # fmt: skip


def test_a_command_runs_in_a_span(daemon: FakeDaemon) -> None:
    """It has its streams, the trace and a token; the span has its arguments and exit code."""
    done = command(
        daemon, "run", "--service", "job", "--",
        "sh", "-c", 'cat; echo "$TRACEPARENT $TRACESTATE $X"; echo err >&2', X="kept",
    )  # fmt: skip

    (span,) = daemon.spans
    parent, state, kept = done.stdout.splitlines()[1].split()
    assert (done.returncode, done.stdout.splitlines()[0], done.stderr) == (0, "in", "err\n")
    assert parent == f"00-{span.trace_id}-{span.span_id}-01"
    assert (state[:11], kept) == ("sidespan=1-", "kept")
    assert (span.name, span.status, span.parent_span_id) == ("sh", "unset", "")
    assert span.resource["service.name"] == "job"
    assert span.attributes["process.command_args"][:2] == ["sh", "-c"]
    assert span.attributes["process.exit.code"] == 0
    assert span.attributes["process.pid"] > 0


def test_a_trace_goes_through(daemon: FakeDaemon) -> None:
    """The span is a child of what the environment brought, and so are commands in commands."""
    nested = [*SIDESPAN, "run", "--name", "inner", "--", "true"]
    done = command(
        daemon, "run", "--name", "outer", "--", *nested, TRACEPARENT=PARENT, TRACESTATE="a=1"
    )

    spans = {span.name: span for span in daemon.spans}
    assert (done.returncode, done.stderr) == (0, "")
    assert (spans["outer"].trace_id, spans["outer"].parent_span_id) == (TRACE, SPAN)
    assert spans["inner"].parent_span_id == spans["outer"].span_id
    assert spans["inner"].trace_state.endswith("a=1")


@pytest.mark.parametrize(
    ("script", "status", "message"),
    [
        ("exit 3", 3, "exit status 3"),
        ("kill -TERM $$", 128 + signal.SIGTERM, "ended by SIGTERM"),
        ("kill -KILL $$", 128 + signal.SIGKILL, "ended by SIGKILL"),
    ],
)
def test_the_status_is_the_commands(
    daemon: FakeDaemon, script: str, status: int, message: str
) -> None:
    """As a shell has it; the span failed and says how."""
    assert command(daemon, "run", "--", "sh", "-c", script).returncode == status

    (span,) = daemon.spans
    assert (span.status, span.message) == ("error", message)
    assert span.attributes["process.exit.code"] == status


def test_what_cannot_run(daemon: FakeDaemon, tmp_path: Path) -> None:
    """127 and 126 with a sentence, and a failed span; 2 without a command."""
    assert command(daemon, "run", "--", "no-such-command").returncode == 127
    done = command(daemon, "run", "--", str(tmp_path))
    assert (done.returncode, done.stderr.startswith("sidespan run: ")) == (126, True)
    assert command(daemon, "run").returncode == 2

    assert [span.status for span in daemon.spans] == ["error", "error"]


def test_without_a_recorder_the_command_runs_all_the_same() -> None:
    """Same output, same status, and nothing is said."""
    done = command(None, "run", "--", "sh", "-c", "cat; exit 5")
    assert (done.returncode, done.stdout, done.stderr) == (5, "in\n", "")
    off = command(
        None, "run", "--", "sh", "-c", "echo $TRACEPARENT", SIDESPAN_DISABLED="1",
        TRACEPARENT=PARENT,
    )  # fmt: skip
    assert (off.returncode, off.stdout, off.stderr) == (0, f"{PARENT}\n", "")


TRAP = """
    import os, signal
    def got(number, _):
        os.write(1, b"got %d\\n" % number)
        if number == signal.SIGTERM:
            os._exit(7)
    signal.signal(signal.SIGTERM, got)
    signal.signal(signal.SIGUSR1, got)
    os.write(1, b"ready\\n")
    while True:
        signal.pause()
"""


@pytest.mark.slow
def test_signals_reach_the_command(daemon: FakeDaemon) -> None:
    """Those that are sent to ``sidespan run`` alone, each once, and its own answer counts."""
    with subprocess.Popen(
        [*SIDESPAN, "run", "--", sys.executable, "-c", textwrap.dedent(TRAP)],
        env=environment(daemon), stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGUSR1)
        assert process.stdout.readline() == f"got {int(signal.SIGUSR1)}\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.read() == f"got {int(signal.SIGTERM)}\n"
        assert process.wait(PROCESS_S_MAX) == 7

    assert daemon.spans[0].attributes["process.exit.code"] == 7


def test_the_command_has_its_signals_as_they_were(daemon: FakeDaemon) -> None:
    """Nothing is blocked or ignored that was not."""
    ask = ["grep", "-E", "SigBlk|SigIgn", "/proc/self/status"]
    plain = subprocess.run(ask, capture_output=True, text=True, check=True, timeout=PROCESS_S_MAX)

    assert _masks(command(daemon, "run", "--", *ask).stdout) == _masks(plain.stdout)


def _masks(lines: str) -> list[int]:
    """Return the masks without the two signals that the C library keeps for its threads."""
    return [int(line.split()[1], 16) & 0x7FFF_FFFF for line in lines.splitlines()]


def test_arguments_are_bounded_or_left_out(daemon: FakeDaemon) -> None:
    """A huge list is cut with a count; ``--no-args`` keeps the name alone."""
    command(daemon, "run", "--name", "big", "--", "true", *["x" * 1000] * 100)
    command(daemon, "run", "--name", "bare", "--no-args", "--", "true", "--password=hush")

    spans = {span.name: span for span in daemon.spans}
    shown = spans["big"].attributes["process.command_args"]
    assert len(shown) < 20
    assert shown[-1].endswith(" more>")
    assert spans["bare"].attributes["process.command_args"] == ["true"]


def test_a_durable_start_is_on_disk_before_the_command(daemon: FakeDaemon) -> None:
    """The recorder has its mark while the command runs."""
    command(daemon, "run", "--durable", "--name", "act", "--", "true")

    assert [mark.name for mark in daemon.marks[:1]] == ["act"]


def test_emit_records_one_span(daemon: FakeDaemon) -> None:
    """With types, times, events and a parent; what it prints is the next one's parent."""
    done = command(
        daemon, "emit", "deploy", "--service", "ci", "--attr", "n=3", "--attr", "f=0.5",
        "--attr", "ok=true", "--attr", "text=[1]", "--attr", "eq=a=b", "--event", "started",
        "--event", "built@1790000000.25", "--start", "1790000000.123456789",
        "--end", "2026-09-21T14:13:21Z", "--kind", "client", TRACEPARENT=PARENT,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    then = command(daemon, "emit", "verify", "--parent", done.stdout.strip(), "--error", "red")
    alone = command(daemon, "emit", "alone", "--parent", "", TRACEPARENT=PARENT)

    deploy, verify, single = daemon.spans
    assert done.stdout == f"00-{TRACE}-{deploy.span_id}-01\n"
    assert (deploy.parent_span_id, deploy.kind) == (SPAN, "client")
    assert deploy.attributes == {"n": 3, "f": 0.5, "ok": True, "text": "[1]", "eq": "a=b"}
    assert (deploy.start_ns, deploy.end_ns) == (
        1_790_000_000_123_456_789,
        1_790_000_001_000_000_000,
    )
    assert [(event.name, event.time_ns) for event in deploy.events] == [
        ("started", deploy.end_ns), ("built", 1_790_000_000_250_000_000),
    ]  # fmt: skip
    assert deploy.resource["service.name"] == "ci"
    assert (verify.parent_span_id, verify.status, verify.message) == (
        deploy.span_id, "error", "red",
    )  # fmt: skip
    assert (then.returncode, alone.returncode, single.parent_span_id) == (0, 0, "")


@pytest.mark.parametrize(
    "arguments",
    [
        ["x", "--attr", "novalue"],
        ["x", "--start", "yesterday"],
        ["x", "--start", "2026-01-01T00:00:00"],
        ["x", "--end", "-5"],
        ["x", "--end", "nan"],
        ["x", "--end", "1e300"],
        ["x", "--start", "2", "--end", "1"],
        ["x", "--parent", "nonsense"],
        ["x", "--event", "a@never"],
        ["x", "--no-such-option"],
        [],
    ],
)
def test_emit_refuses_what_it_cannot_mean(arguments: list[str]) -> None:
    """Status 2, one sentence, and no traceback."""
    done = command(None, "emit", *arguments)

    assert (done.returncode, done.stdout) == (2, "")
    assert "sidespan emit" in done.stderr
    assert "Traceback" not in done.stderr


def test_emit_says_when_nothing_was_recorded() -> None:
    """Status 1 with a hint, soon; but switched off is what was asked for."""
    done = command(None, "emit", "x")
    assert (done.returncode, "hint: `sidespan serve`" in done.stderr) == (1, True)
    off = command(None, "emit", "x", SIDESPAN_DISABLED="1")
    assert (off.returncode, off.stderr) == (0, "")


def test_other_commands_need_the_daemon() -> None:
    """And that is said, with the two that do not."""
    done = command(None, "status")
    assert (done.returncode, "sidespan[daemon]" in done.stderr) == (2, True)
    assert "`sidespan run`" in done.stderr
    assert command(None, "run", "--help").returncode == 0


COUNT = """
    import os, signal
    count = 0
    def interrupted(*_):
        global count
        count += 1
        os.write(1, b"interrupted\\n")
    def tell(*_):
        os.write(1, b"%d was the count \\n" % count)
        os._exit(1)
    signal.signal(signal.SIGINT, interrupted)
    signal.signal(signal.SIGUSR1, tell)
    os.write(1, b"ready\\n")
    while True:
        signal.pause()
"""


@pytest.mark.slow
def test_a_terminals_interrupt_arrives_once(daemon: FakeDaemon) -> None:
    """Ctrl-C reaches the command by itself, so nobody sends it a second time."""
    leader, follower = os.openpty()
    # The first terminal that a session's leader opens is the one that controls it.
    on_terminal = ["sh", "-c", 'exec "$@" <"$0" >"$0" 2>&1', os.ttyname(follower)]
    process = subprocess.Popen(
        [*on_terminal, *SIDESPAN, "run", "--", sys.executable, "-c", textwrap.dedent(COUNT)],
        env=environment(daemon), start_new_session=True,
    )  # fmt: skip
    seen = b""

    def read_until(text: bytes) -> None:
        nonlocal seen
        while text not in seen:
            assert select.select([leader], [], [], PROCESS_S_MAX)[0], seen
            seen += os.read(leader, 1024)

    try:
        read_until(b"ready")
        os.write(leader, b"\x03")
        read_until(b"interrupted")
        # Signals are taken in the order of their numbers: a second interrupt would go on before.
        process.send_signal(signal.SIGUSR1)
        read_until(b"count ")
        assert process.wait(PROCESS_S_MAX) == 1
    finally:
        process.kill()
        process.wait()
        os.close(follower)
        os.close(leader)

    assert b"1 was the count" in seen
