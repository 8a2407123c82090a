"""The service under a real systemd starts, restarts, reloads, stops, and lets in whom it should."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon import wait_until
from tests.nested_systemd import PROGRAM, Machine, machine, why_not
from tests.toolchain import require

pytestmark = pytest.mark.slow

SYSTEMD = Path(__file__).parents[2] / "systemd"
DROP_INS = "/etc/systemd/system/sidespan.service.d"
CONFIG = "/etc/sidespan/sidespan.toml"
WAIT_S = 20.0
# What docs/operations.md promises of a stop, a crash and a hang, and what the kernel holds it to.
BOUNDS = {
    "WatchdogUSec": "1min",
    "RestartUSec": "1s",
    "StartLimitIntervalUSec": "1min",
    "StartLimitBurst": "5",
    "TimeoutStopUSec": "15s",
    "KillMode": "mixed",
    "UMask": "0077",
    "ConfigurationDirectoryMode": "0750",
    "LimitCORE": "0",
    "LimitNOFILE": "16384",
    "MemoryMax": str(1 << 30),
    "TasksMax": "256",
}


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Machine]:
    """Yield a machine on which the service was installed and runs."""
    require(not why_not(), "a systemd of our own", why_not())
    with machine(tmp_path) as one:
        one.ok(PROGRAM, "install-service", "--exec", PROGRAM)
        for user, group in (("writer", "sidespan"), ("reader", "sidespan-read"), ("other", "")):
            one.ok("useradd", "--system", *(["--groups", group] if group else []), user)
        yield one


def put(host: Machine, path: str, text: str) -> None:
    """Write a file of the machine, for root and its group."""
    script = 'mkdir -p "$(dirname "$0")" && cat >"$0"'
    assert host.run("sh", "-c", script, path, stdin=text).returncode == 0


def drop_in(host: Machine, name: str) -> None:
    """Install one of the drop-ins that we ship, and start anew."""
    put(host, f"{DROP_INS}/{name}", (SYSTEMD / name).read_text(encoding="utf-8"))
    host.ok("systemctl", "daemon-reload")
    host.ok("systemctl", "restart", "sidespan")


def emit(host: Machine, name: str, user: str = "writer") -> int:
    """Record a span as a user; return the exit status of the command."""
    return host.run(PROGRAM, "emit", name, user=user).returncode


def lineages(host: Machine) -> int:
    """Return how many lineages the store has, as its own user sees them."""
    listed = host.ok(PROGRAM, "lineage", "--data", "/var/lib/sidespan", "--json")
    return len(json.loads(listed)["lineages"])


def test_it_starts_restarts_reloads_and_stops(host: Machine) -> None:
    """Active means ready; after SIGKILL it goes on in the same log; a stop is clean."""
    assert host.shown("ActiveState") == "active"
    assert host.shown("StatusText") == "recording in generation 1"
    shown = host.ok("systemctl", "show", f"--property={','.join(BOUNDS)}", "sidespan")
    assert dict(line.split("=", 1) for line in shown.splitlines()) == BOUNDS
    # Whether the clock is synchronised is part of the record.
    assert "adjtimex" in host.shown("SystemCallFilter").split()
    assert emit(host, "before") == 0

    host.ok("systemctl", "kill", "--kill-whom=main", "--signal=KILL", "sidespan")
    host.wait("StatusText", "recording in generation 2")
    host.wait("ActiveState", "active")
    assert host.shown("NRestarts") == "1"
    assert emit(host, "after") == 0
    assert lineages(host) == 1

    put(host, CONFIG, '[log]\nlevel = "debug"\n[sinks.archive]\ntype = "jsonl"\n')
    host.ok("systemctl", "reload", "sidespan")
    kept = "/var/lib/sidespan/sinks/archive/spans.jsonl"
    wait_until(lambda: host.run("grep", "-c", "name", kept).stdout == "2\n", WAIT_S, "the sink")
    put(host, CONFIG, '[log]\nlevel = "loud"\n[sinks.archive]\ntyp = "jsonl"\n')
    assert host.run("systemctl", "reload", "sidespan").returncode == 1
    assert host.shown("ActiveState") == "active"
    assert emit(host, "third") == 0
    wait_until(lambda: host.run("grep", "-c", "name", kept).stdout == "3\n", WAIT_S, "the third")
    said = host.log()
    assert "log.level: expected" in said
    assert "sinks.archive.type: missing" in said

    host.ok("systemctl", "stop", "sidespan")
    assert (host.shown("ActiveState"), host.shown("Result")) == ("inactive", "success")
    # A store that is put back while it is stopped is noticed by its anchor.
    assert host.ok("ls", "/run/sidespan/anchor").endswith(".json\n")


def test_a_faulty_configuration_is_not_tried_again(host: Machine) -> None:
    """Status 2 stays failed; what was recorded is there when the fault is mended."""
    assert emit(host, "before") == 0
    put(host, CONFIG, "[log]\nlevel = 3\n")
    assert host.run("systemctl", "restart", "sidespan").returncode == 1
    host.wait("ActiveState", "failed")
    assert (host.shown("ExecMainStatus"), host.shown("NRestarts")) == ("2", "0")
    put(host, CONFIG, "")
    host.ok("systemctl", "start", "sidespan")
    assert lineages(host) == 1


def test_who_is_in_a_group_may_do_what_it_is_for(host: Machine) -> None:
    """Members of sidespan record, those of sidespan-read look, root does all, others nothing."""
    assert [emit(host, "x", user) for user in ("writer", "reader", "other")] == [0, 1, 1]

    def status(user: str, sock: str, route: str, *more: str) -> str:
        command = (
            "curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}",
            "--unix-socket", f"/run/sidespan/{sock}", *more, f"http://localhost{route}",
        )  # fmt: skip
        return host.run(*command, user=user).stdout

    def api() -> bool:
        return status("", "api.sock", "/v1/status") == "200"

    wait_until(api, WAIT_S, "the API")
    change = ("--header", "Content-Type: application/json", "--data", "{}")
    found = {
        user: (
            status(user, "http.sock", "/readyz"),
            status(user, "api.sock", "/v1/status"),
            status(user, "api.sock", "/v1/reload", *change),
        )
        for user in ("writer", "reader", "other", "sidespan", "")
    }
    assert found == {
        "writer": ("200", "000", "000"),
        "reader": ("000", "200", "403"),
        "other": ("000", "000", "000"),
        "sidespan": ("200", "200", "200"),
        "": ("200", "200", "200"),
    }
    assert host.run("ls", "/var/lib/sidespan", user="writer").returncode != 0
    assert host.run("ls", "/etc/sidespan", user="reader").returncode != 0


def test_the_watchdog_tells_an_idle_daemon_from_a_stuck_one(host: Machine) -> None:
    """Without a request it gives one sign of life after the other; stopped, it is started anew."""
    put(host, f"{DROP_INS}/watchdog.conf", "[Service]\nWatchdogSec=2\nTimeoutAbortSec=1\n")
    host.ok("systemctl", "daemon-reload")
    host.ok("systemctl", "restart", "sidespan")
    first = host.shown("MainPID")
    signs: set[str] = set()

    def enough() -> bool:
        signs.add(host.shown("WatchdogTimestampMonotonic"))
        return len(signs) > 6

    # Six signs take two periods.
    wait_until(enough, WAIT_S, "signs of life")
    assert (host.shown("MainPID"), host.shown("NRestarts")) == (first, "0")

    host.ok("systemctl", "kill", "--kill-whom=main", "--signal=STOP", "sidespan")
    host.wait("NRestarts", "1")
    host.wait("ActiveState", "active")
    assert host.shown("MainPID") != first
    assert lineages(host) == 1


def test_a_dynamic_user_records_for_the_same_groups(host: Machine) -> None:
    """The drop-in takes a user that no file names; the store moves, and outlives a restart."""
    drop_in(host, "dynamic-user.conf")
    assert host.shown("StatusText") == "recording in generation 2"
    assert host.run("grep", "sidespan-dynamic", "/etc/passwd").returncode == 1
    assert host.ok("stat", "--format=%G %a", "/run/sidespan/ingest.sock") == "sidespan 660\n"
    assert [emit(host, "x", user) for user in ("writer", "other")] == [0, 1]
    host.ok("systemctl", "restart", "sidespan")
    assert host.shown("StatusText") == "recording in generation 3"
    assert host.ok("readlink", "/var/lib/sidespan") == "private/sidespan\n"
    assert host.ok("ls", "/var/lib/sidespan-anchor/").endswith(".json\n")
    assert lineages(host) == 1


def test_a_user_of_your_own_records(host: Machine) -> None:
    """The drop-in names another user, whose group then may write; nobody else may read."""
    host.ok("useradd", "--system", "--user-group", "agents")
    host.ok("usermod", "--append", "--groups", "agents", "other")
    host.ok("chgrp", "agents", "/etc/sidespan")
    assert set(host.shown("IPAddressAllow").split()) == {"127.0.0.0/8", "::1/128"}
    remote = SYSTEMD / "remote-sinks.conf"
    put(host, f"{DROP_INS}/{remote.name}", remote.read_text(encoding="utf-8"))
    drop_in(host, "custom-user.conf")
    assert host.shown("ActiveState") == "active"
    assert set(host.shown("IPAddressAllow").split()) == {"0.0.0.0/0", "::/0"}
    assert host.ok("stat", "--format=%U:%G", "/run/sidespan/ingest.sock") == "agents:agents\n"
    assert [emit(host, "x", user) for user in ("writer", "other")] == [1, 0]
    found = ("test", "-S", "/run/sidespan/api.sock")
    wait_until(lambda: host.run(*found).returncode == 0, WAIT_S, "the API")
    assert host.ok("stat", "--format=%U %a", "/run/sidespan/api.sock") == "agents 600\n"


def test_a_user_runs_a_service_of_its_own(host: Machine) -> None:
    """Without root: it starts, records for its user, goes on after SIGKILL, and is taken away."""
    # What user@.service does where there is a login manager.
    manager = (
        "[Service]\nType=notify\nUser=ann\nDelegate=yes\nRuntimeDirectory=ann\nKillMode=mixed\n"
        "Environment=XDG_RUNTIME_DIR=/run/ann HOME=/opt/ann PATH=/usr/bin:/bin\n"
        "ExecStart=/usr/lib/systemd/systemd --user --unit=basic.target\n"
    )
    host.ok("useradd", "--system", "--create-home", "--home-dir", "/opt/ann", "ann")
    put(host, "/etc/systemd/system/ann.service", manager)
    host.ok("systemctl", "daemon-reload")
    host.ok("systemctl", "start", "ann")

    def ann(*command: str) -> str:
        homes = ("HOME=/opt/ann", "XDG_CONFIG_HOME=/opt/ann/.config", "XDG_RUNTIME_DIR=/run/ann")
        return host.ok("env", *homes, *command, user="ann")

    def shown(name: str) -> str:
        return ann("systemctl", "--user", "show", "--value", "--property", name, "sidespan").strip()

    # The network is this machine's, where these ports may be taken.
    doors = '[receivers]\notlp_grpc = "off"\notlp_http = "off"\n[web]\nlisten = "off"\n'
    put(host, "/opt/ann/.config/sidespan/sidespan.toml", doors)
    host.ok("chown", "-R", "ann", "/opt/ann/.config")
    store = "/opt/ann/.local/state/sidespan"
    told = ann(PROGRAM, "install-service", "--user", "--exec", PROGRAM)
    assert "write /opt/ann/.config/systemd/user/sidespan.service" in told
    assert shown("StatusText") == "recording in generation 1"
    assert shown("WatchdogUSec") == BOUNDS["WatchdogUSec"]
    ann(PROGRAM, "emit", "mine")
    ann("systemctl", "--user", "kill", "--kill-whom=main", "--signal=KILL", "sidespan")
    wait_until(lambda: shown("StatusText") == "recording in generation 2", WAIT_S, "a restart")
    ann("systemctl", "--user", "reload", "sidespan")
    assert "mine" in ann(PROGRAM, "ls", "--all", "--data", store)
    ann(PROGRAM, "uninstall-service", "--user", "--purge", "--yes")
    assert host.run("ls", store).returncode != 0
    # The one of the system had nothing to do with it.
    assert host.shown("ActiveState") == "active"


def test_it_is_taken_away_and_the_store_stays_until_it_is_purged(host: Machine) -> None:
    """Uninstalling stops it; --purge removes what was recorded, and asks before."""
    gone = host.ok(PROGRAM, "uninstall-service")
    assert "kept: /etc/sidespan, /run/sidespan, /var/lib/sidespan" in gone
    assert host.shown("LoadState") == "not-found"
    assert host.run("pgrep", "-f", "[s]idespand serve").returncode == 1

    host.ok(PROGRAM, "install-service", "--exec", PROGRAM)
    assert host.shown("StatusText") == "recording in generation 2"
    asked = host.run(PROGRAM, "uninstall-service", "--purge", stdin="")
    assert (asked.returncode, "--yes" in asked.stderr) == (2, True)
    assert host.shown("ActiveState") == "active"
    host.ok(PROGRAM, "uninstall-service", "--purge", "--yes")
    left = host.run("ls", "/var/lib/sidespan", "/etc/sidespan", "/run/sidespan")
    assert left.stdout == ""
    assert host.ok("id", "--name", "--user", "sidespan") == "sidespan\n"
