"""A real systemd as process 1 of namespaces of its own, over a copy of this machine's files.

Nothing of it reaches the machine: pids, mounts, host name, IPC and control groups are its own, /etc
and /var are overlays that lie in a directory of the test, /run is a tmpfs. What is missing against
a machine that booted is said where it matters: credentials cannot be mounted in there.
"""

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from tests.daemon import wait_until

ROOT = Path(__file__).parents[1]
MANAGER = Path("/usr/lib/systemd/systemd")
START_S_MAX = 30.0
COMMAND_S_MAX = 60.0
# Where the daemon lies in there: ProtectHome and PrivateTmp hide the usual places of a checkout.
PROGRAM = "/opt/sidespan/bin/sidespan"
# Targets that a service wants by default, with nothing in them but what the test installs.
_TARGETS = ("test", "sysinit", "basic", "shutdown", "multi-user")
_TARGET = """
[Unit]
Description=Nothing but what the test starts
DefaultDependencies=no
AllowIsolate=yes
"""
_ENTER = """
set -eu
here=$1
mount --make-rprivate /
mount -t proc proc /proc
umount -R /sys/fs/cgroup 2>/dev/null || umount -l /sys/fs/cgroup 2>/dev/null || true
mount -t cgroup2 none /sys/fs/cgroup
for name in etc var opt; do
  mkdir -p "$here/$name/upper" "$here/$name/work"
  mount -t overlay overlay \
    -o "lowerdir=/$name,upperdir=$here/$name/upper,workdir=$here/$name/work" "/$name"
done
# Units of this machine would start, too.
mount -t tmpfs none /etc/systemd
mkdir -p /etc/systemd/system /opt/sidespan/bin /opt/sidespan/python /opt/sidespan/site \
  /opt/sidespan/client /opt/sidespan/daemon /opt/sidespan/systemd
cp "$here"/*.target /etc/systemd/system/
mkdir /etc/systemd/system/service.d
printf '[Service]\\nStandardOutput=append:%s\\n' "$here/services.log" \\
  >/etc/systemd/system/service.d/log.conf
mount --bind "$2" /opt/sidespan/python
mount --bind "$3" /opt/sidespan/site
mount --bind "$4/client" /opt/sidespan/client
mount --bind "$4/daemon" /opt/sidespan/daemon
mount --bind "$4/systemd" /opt/sidespan/systemd
cp "$here/sidespan" /opt/sidespan/bin/sidespan
chmod 755 /opt/sidespan /opt/sidespan/bin /opt/sidespan/bin/sidespan
mount -t tmpfs -o mode=755 none /run
touch "$here/entered"
unset NOTIFY_SOCKET INVOCATION_ID JOURNAL_STREAM
export container=other SYSTEMD_UNIT_PATH=/etc/systemd/system
exec /usr/lib/systemd/systemd --system --unit=test.target --log-target=console --show-status=no
"""


def why_not() -> str:
    """Return why there can be no such systemd here; empty when there can."""
    if os.geteuid():
        return "root is needed for namespaces and mounts"
    if not MANAGER.exists():
        return f"{MANAGER} is missing"
    return ""


class Machine:
    """One running systemd.

    Args:
        place: A directory for its files, on a file system that overlays can lie on.
    """

    def __init__(self, place: Path) -> None:
        self.place = place
        self.log_path = place / "systemd.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        for name in _TARGETS:
            (self.place / f"{name}.target").write_text(_TARGET, encoding="ascii")
        (self.place / "enter.sh").write_text(_ENTER, encoding="ascii")
        (self.place / "sidespan").write_text(
            "#!/bin/sh\n"
            "export PYTHONPATH=/opt/sidespan/client:/opt/sidespan/daemon:/opt/sidespan/site\n"
            "export PYTHONDONTWRITEBYTECODE=1\n"
            # An interpreter that was built as a library looks for it where it was installed.
            "export LD_LIBRARY_PATH=/opt/sidespan/python/lib\n"
            f'exec /opt/sidespan/python/bin/{version} -m sidespand "$@"\n',
            encoding="ascii",
        )
        command = [
            "unshare", "--fork", "--pid", "--mount", "--uts", "--ipc", "--cgroup", "--kill-child",
            "bash", str(self.place / "enter.sh"), str(self.place),
            sys.base_prefix, sysconfig.get_path("purelib"), str(ROOT),
        ]  # fmt: skip
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

        def answers() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, self.log()
            return self.run("systemctl", "is-active", "test.target").stdout == "active\n"

        wait_until(answers, START_S_MAX, "systemd")

    def stop(self) -> None:
        """End it, and with it every process in there."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait(START_S_MAX)

    @property
    def pid(self) -> int:
        """Of process 1, as this machine sees it; 0 before there is one."""
        assert self.process is not None
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        children = path.read_text(encoding="ascii").split()
        return int(children[0]) if children else 0

    def run(
        self, *command: str, user: str = "", stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in there, as root or as another user of it.

        Args:
            command: Program and arguments.
            user: A name that it knows; it has the groups that /etc/group gives it.
            stdin: What it reads.
        """
        entered = (self.place / "entered").exists() and self.pid
        if not entered:
            return subprocess.CompletedProcess(command, 1, "", "not there yet")
        line = shlex.join(command)
        as_user = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"] if user else []
        return subprocess.run(
            [
                "nsenter", f"--target={entered}", "--pid", "--mount", "--uts", "--ipc", "--cgroup",
                "--wd=/", *as_user, "sh", "-c", line,
            ],
            input=stdin, capture_output=True, text=True, timeout=COMMAND_S_MAX, check=False,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        )  # fmt: skip

    def ok(self, *command: str, user: str = "") -> str:
        """Run a command in there that must succeed; return what it prints.

        Raises:
            AssertionError: It did not; the message has all that was said.
        """
        ended = self.run(*command, user=user)
        assert ended.returncode == 0, (
            f"{shlex.join(command)}: {ended.stdout}{ended.stderr}\n{self.log()}"
        )
        return ended.stdout

    def shown(self, name: str, unit: str = "sidespan.service") -> str:
        """Return a property of a unit."""
        return self.ok("systemctl", "show", "--value", "--property", name, unit).strip()

    def wait(self, name: str, value: str, seconds_max: float = 20.0) -> None:
        """Wait until a property of the service is ``value``."""
        wait_until(lambda: self.shown(name) == value, seconds_max, f"{name}={value}")

    def log(self) -> str:
        """Return what systemd's start and its services wrote."""
        paths = (self.log_path, self.place / "services.log")
        return "".join(
            path.read_text(encoding="utf-8", errors="replace") for path in paths if path.exists()
        )


@contextlib.contextmanager
def machine(place: Path) -> Iterator[Machine]:
    """Yield a systemd that answers; it is gone afterwards."""
    one = Machine(place)
    one.start()
    try:
        yield one
    finally:
        one.stop()
