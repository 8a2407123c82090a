"""The first output comes within 150 ms: no command loads what its answer does not rest on.

What is loaded is looked at, never the time: each of these packages takes milliseconds, and most of
them bring others along.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon import Daemon, running, wait_until
from tests.e2e.test_api import indexed, record
from tests.otlp import encoded

pytestmark = pytest.mark.slow

HEAVY = (
    "asyncio", "cryptography", "dataclasses", "email", "google.protobuf", "grpc", "lmdb", "lzma",
    "msgpack", "sidespan", "sidespand.ai", "sidespand.index", "sidespand.journal", "sqlite3",
    "ssl", "tomllib", "uvloop",
)  # fmt: skip
PROGRAM = f"""
import sys
from sidespand.cli.script import main
status = main()
print(status, *[name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
"""
# What the files of a store rest on.
JOURNAL = {"dataclasses", "google.protobuf", "lmdb", "msgpack", "sidespand.journal"}
INDEX = {"dataclasses", "google.protobuf", "msgpack", "sidespand.index", "sqlite3"}
PROCESS_S_MAX = 60
WAIT_S = 30.0


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Run a daemon that has indexed a few spans."""
    with running(tmp_path_factory.mktemp("node")) as daemon:
        api_sock = daemon.run / "api.sock"
        wait_until(api_sock.exists, WAIT_S, "the API")
        trace_id = os.urandom(16)
        record(daemon, encoded(3, trace_id=trace_id))
        wait_until(lambda: indexed(api_sock, trace_id, 3), WAIT_S, "the index")
        yield daemon


def loaded(daemon: Daemon, *arguments: object) -> set[str]:
    """Return which of the heavy packages a command loads, which must succeed."""
    places = {"SIDESPAN_DATA_DIR": daemon.data, "SIDESPAN_RUNTIME_DIR": daemon.run}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *map(str, arguments)],
        env={"PATH": os.environ["PATH"], "HOME": str(daemon.run), **places},
        capture_output=True, text=True, timeout=PROCESS_S_MAX, check=True,
    )  # fmt: skip
    status, *found = done.stderr.splitlines()[-1].split()
    assert status == "0", done.stderr
    assert done.stdout
    return set(found)


@pytest.mark.parametrize(
    "command",
    [
        "ls", "ls --sort -dur --json", "tail", "stats", "sql SELECT 1", "query -n 1", "--help",
        "ls --help", "serve --help", "env", "ready", "config show",
    ],
)  # fmt: skip
def test_what_the_daemon_answers_needs_next_to_nothing(daemon: Daemon, command: str) -> None:
    """Neither for the question, nor for the configuration that says where the daemon is."""
    assert loaded(daemon, *command.split()) == set()


@pytest.mark.parametrize("command", ["ls kind:internal", "top -n 1", "show last"])
def test_what_is_parsed_or_drawn_here_needs_no_store(daemon: Daemon, command: str) -> None:
    """A query, and a trace that is laid out as a tree."""
    assert loaded(daemon, *command.split()) <= {"dataclasses"}


@pytest.mark.parametrize("command", ["ls", "show last", "tail", "compare last last", "lineage"])
def test_what_the_journal_answers_needs_no_more_than_its_reader(
    daemon: Daemon, command: str
) -> None:
    """No index, no signatures, no client."""
    assert loaded(daemon, *command.split(), "--data", daemon.data) <= JOURNAL


@pytest.mark.parametrize("command", ["ls kind:internal", "stats", "sql SELECT 1", "query -n 1"])
def test_what_the_index_answers_needs_no_more_than_its_reader(daemon: Daemon, command: str) -> None:
    """No journal, no dialects, no client."""
    assert loaded(daemon, *command.split(), "--data", daemon.data) <= INDEX


def test_the_doctor_tells_what_it_finds_as_it_finds_it(daemon: Daemon, tmp_path: Path) -> None:
    """Its first line comes before it loads what the looks at the store need."""
    program = """
import sys
from sidespand.cli.script import main
class Out:
    def write(self, text):
        print(text, "lmdb" in sys.modules, file=sys.stderr)
        return len(text)
    def flush(self): pass
    def isatty(self): return False
    def fileno(self): return 1
    encoding = "utf-8"
sys.stdout = Out()
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", program, "doctor", "--data", str(daemon.data), "--run",
         str(daemon.run)],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        capture_output=True, text=True, timeout=PROCESS_S_MAX, check=True,
    )  # fmt: skip
    first = done.stderr.splitlines()[0]
    assert (first.split()[1], first.split()[-1]) == ("version", "False")
