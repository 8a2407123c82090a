"""What a whole process sees of the client: its import, its output, its forks and its end."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.daemon import wait_until
from tests.unit.client.peer import MUTE, Peer

PROCESS_S_MAX = 30.0


def run(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a Python program with only these variables of ours, warnings being errors."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SIDESPAN_", "OTEL_", "XDG_RUNTIME_DIR"))
    }
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(program)],
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        timeout=PROCESS_S_MAX,
        check=False,
    )


def outcome(finished: subprocess.CompletedProcess[str]) -> tuple[int, str, str]:
    """Return exit code and output."""
    return finished.returncode, finished.stdout, finished.stderr


def test_import_loads_no_third_party_module() -> None:
    """Importing and using the client on the frames door needs the standard library alone."""
    program = """
        import sys
        import sidespan
        sidespan.init("x", socket="/nonexistent/ingest.sock")
        with sidespan.span("a", b=[1, {"c": 2.0}]) as s:
            s.add_event("e")
            sidespan.inject({})
            sidespan.extract({})
        sidespan.flush(0.1)
        names = {name.partition(".")[0] for name in sys.modules}
        foreign = {
            name for name in names - {"sidespan", "__main__"} - sys.stdlib_module_names
            if "site-packages" in (getattr(sys.modules[name], "__file__", None) or "")
            and not name.startswith(("_", "sitecustomize"))
        }
        print(sorted(foreign))
    """
    assert outcome(run(program)) == (0, "[]\n", "")


def test_an_absent_daemon_is_not_noticed(tmp_path: Path) -> None:
    """The program's own result and output are all that there is."""
    program = """
        import sidespan
        sidespan.init("x")
        for n in range(1000):
            with sidespan.span("a", n=n):
                pass
        print("done")
    """
    finished = run(program, XDG_RUNTIME_DIR=str(tmp_path))
    assert outcome(finished) == (0, "done\n", "")


def test_a_mute_daemon_does_not_hold_the_end(peer: Peer) -> None:
    """At exit the deadline is kept, and nothing is printed."""
    peer.instead.append(MUTE)
    program = """
        import sidespan
        sidespan.init("x", exit_timeout_s=0.2)
        with sidespan.span("a"):
            pass
    """
    assert outcome(run(program, SIDESPAN_SOCKET=str(peer.path))) == (0, "", "")


def test_a_stopped_daemon_does_not_hold_the_end(tmp_path: Path) -> None:
    """A listener that accepts nobody, as under SIGSTOP, neither blocks spans nor the exit."""
    program = f"""
        import socket, sidespan
        listener = socket.socket(socket.AF_UNIX)
        listener.bind({str(tmp_path / "ingest.sock")!r})
        listener.listen(0)
        sidespan.init("x", socket={str(tmp_path / "ingest.sock")!r}, exit_timeout_s=0.2)
        for n in range(100):
            with sidespan.span("a"):
                pass
        listener.close()
    """
    assert outcome(run(program)) == (0, "", "")


@pytest.mark.parametrize("ending", ["", "raise SystemExit(3)", "1 / 0"])
def test_what_is_buffered_leaves_at_exit(peer: Peer, ending: str) -> None:
    """However the program ends by itself, its spans arrive and the session says goodbye."""
    program = f"""
        import sidespan
        sidespan.init("x")
        with sidespan.span("a"):
            pass
        with sidespan.span("b"):
            {ending or "pass"}
    """
    run(program, SIDESPAN_SOCKET=str(peer.path))

    assert [span.name for span in peer.spans()] == ["a", "b"]
    wait_until(lambda: peer.byes == 1, PROCESS_S_MAX, "BYE")


@pytest.mark.parametrize("variable", ["SIDESPAN_SERVICE", "OTEL_SERVICE_NAME"])
def test_the_environment_can_start_recording(peer: Peer, variable: str) -> None:
    """A service name is enough; no line of the program need call init."""
    program = """
        import sidespan
        with sidespan.span("a"):
            pass
    """
    run(program, SIDESPAN_SOCKET=str(peer.path), **{variable: "from outside"})

    (_, request) = peer.stored[0]
    service = request.resource_spans[0].resource.attributes[0].value.string_value
    assert service == "from outside"


@pytest.mark.parametrize("call", ["", "sidespan.init('x')"])
def test_the_environment_can_keep_it_off(peer: Peer, call: str) -> None:
    """SIDESPAN_DISABLED outweighs both init and the service's name."""
    program = f"""
        import sidespan
        {call}
        with sidespan.span("a"):
            pass
        print(sidespan.status().recorded, sidespan.flush())
    """
    finished = run(
        program, SIDESPAN_SOCKET=str(peer.path), SIDESPAN_SERVICE="x", SIDESPAN_DISABLED="true"
    )

    assert outcome(finished) == (0, "0 True\n", "")
    assert peer.hellos == []


def test_the_users_socket_is_found(tmp_path: Path) -> None:
    """Without an address, $XDG_RUNTIME_DIR/sidespan/ingest.sock is used when it exists."""
    (tmp_path / "sidespan").mkdir()
    peer = Peer(tmp_path / "sidespan" / "ingest.sock").start()
    try:
        run("import sidespan; sidespan.init('x'); sidespan.flush()", XDG_RUNTIME_DIR=str(tmp_path))
        assert len(peer.hellos) == 1
    finally:
        peer.stop()


FORK = """
    import os, sidespan
    sidespan.init("x")
    with sidespan.span("before"):
        pass
    assert sidespan.flush(20)
    with sidespan.span("parent") as parent:
        child = os.fork()
        with sidespan.span("work", mine=os.getpid()):
            pass
        if child == 0:
            assert sidespan.status().recorded == 1, sidespan.status()
            assert sidespan.flush(20), sidespan.status()
            parent.end()
            assert sidespan.status()[:4] == (1, 1, 0, 0), sidespan.status()
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert sidespan.flush(20)
    assert sidespan.status().acked == 3
"""


def test_a_forked_child_records_for_itself(peer: Peer) -> None:
    """It has its own instance, ids and thread; its parent's open span stays its parent's."""
    finished = run(FORK, SIDESPAN_SOCKET=str(peer.path))

    assert finished.returncode == 0, finished.stderr
    spans = {span.name: span for span in peer.spans() if span.name != "work"}
    mine, its = [span for span in peer.spans() if span.name == "work"]
    assert len(peer.spans()) == 4
    assert mine.span_id != its.span_id
    assert mine.parent_span_id == its.parent_span_id == spans["parent"].span_id
    assert mine.trace_id == its.trace_id == spans["parent"].trace_id
    assert len({hello.instance_id for hello in peer.hellos}) == 2
    pids = {
        pair.value.int_value
        for _, request in peer.stored
        for pair in request.resource_spans[0].resource.attributes
        if pair.key == "process.pid"
    }
    assert len(pids) == 2


def test_a_child_does_not_hold_its_parents_connection(peer: Peer) -> None:
    """The recorder sees the parent go while the child lives on."""
    program = """
        import os, signal, sidespan
        sidespan.init("x")
        assert sidespan.flush(20)
        if os.fork() == 0:
            signal.pause()
        os.kill(os.getpid(), signal.SIGKILL)
    """
    peer_connections = peer._connections
    environment = {**os.environ, "SIDESPAN_SOCKET": str(peer.path)}
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], env=environment, start_new_session=True
    )
    try:
        process.wait(PROCESS_S_MAX)
        (connection,) = peer_connections
        wait_until(lambda: connection.fileno() == -1, PROCESS_S_MAX, "the end of the connection")
    finally:
        os.killpg(process.pid, signal.SIGKILL)


def test_a_daemon_that_goes_does_not_end_a_program_with_sigpipe(peer: Peer) -> None:
    """Also where the program has restored the signal's default action, as filters do."""
    program = """
        import signal, sys, sidespan
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        sidespan.init("x")
        assert sidespan.flush(20)
        print("ready", flush=True)
        sys.stdin.readline()
        with sidespan.span("a"):
            pass
        sidespan.flush(0.2)
        print("alive")
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        env={**os.environ, "SIDESPAN_SOCKET": str(peer.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        peer.stop()
        printed, _ = process.communicate("go\n", timeout=PROCESS_S_MAX)

    assert (process.returncode, printed) == (0, "alive\n")


def test_no_signal_handler_is_installed() -> None:
    """Signals stay the program's own."""
    program = """
        import signal
        def handlers():
            return [signal.getsignal(number) for number in signal.valid_signals()]
        before = handlers()
        import sidespan
        sidespan.init("x", socket="/nonexistent")
        with sidespan.span("a"):
            pass
        print(before == handlers())
    """
    assert outcome(run(program)) == (0, "True\n", "")
