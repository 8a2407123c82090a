"""The servers under load: ours, the stock OpenTelemetry Collector, and rotel.

rotel is the Rust collector that its PyPI wheel carries.
"""

import importlib.util
import os
import re
import socket
import subprocess
import sysconfig
import time
import urllib.request
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from tests import otelcol
from tests.bench import compiled
from tests.bench import load as generator
from tests.bench.load import Load, Result
from tests.bench.machine import processes
from tests.daemon import Daemon, wait_until

# The generators send one request over and over, and each is to be stored.
_CONFIG = """[receivers]
repeat_window = "0s"
[journal]
durability = "{}"
"""

# The index is work for another day, which the others do not do at all; it takes the worker's core.
NO_INDEX = "[index]\nenabled = false\n"

# At most one line of the debug exporter is logged a second. A full queue lets its clients wait, as
# ours does; by default it would refuse them.
_OTELCOL = """extensions:
  file_storage: {{directory: "{queue}", fsync: {fsync}}}
receivers:
  otlp:
    protocols:
      grpc: {{endpoint: "127.0.0.1:{grpc}"}}
      http: {{endpoint: "127.0.0.1:{http}"}}
exporters:
  debug:
    sampling_initial: 1
    sampling_thereafter: 0
    sending_queue: {{block_on_overflow: true, {kept}}}
  otlp:
    endpoint: "127.0.0.1:{onward}"
    tls: {{insecure: true}}
    compression: none
    sending_queue: {{block_on_overflow: true, queue_size: 100000, {kept}}}
    retry_on_failure: {{initial_interval: 200ms, max_interval: 1s, max_elapsed_time: 0s}}
service:
  extensions: [file_storage]
  telemetry:
    metrics:
      level: basic
      readers: [{{pull: {{exporter: {{prometheus: {{host: 127.0.0.1, port: {metrics}}}}}}}}}]
  pipelines:
    traces: {{receivers: [otlp], exporters: [{exporter}]}}
"""


class Server:
    """A running server.

    Args:
        name: For the table.
        grpc_port: Of 127.0.0.1.
        http_port: The same.
        pid: Its main process.
    """

    def __init__(self, name: str, grpc_port: int, http_port: int, pid: int) -> None:
        self.name = name
        self.ports = {"grpc": grpc_port, "http": http_port}
        self.pid = pid

    def has(self, door: str) -> bool:
        """Tell whether it has such a door."""
        return door in self.ports

    def send(self, load: Load, requests: int) -> Result:
        """Send it ``requests`` requests and say how it went."""
        return generator.run(load, self.ports[load.door], requests)

    def pids(self) -> list[int]:
        """Return all of its processes."""
        return processes(self.pid)

    def accepted_spans(self) -> int | None:
        """Return how many spans it says it accepted; None when it does not say."""
        return None

    def drained(self) -> bool:
        """Tell whether nothing waits in it for its exporter; True when it does not say."""
        return True

    def stop(self) -> None:
        """End it."""
        raise NotImplementedError


class Ours(Server):
    """``sidespan serve`` with a new store.

    Args:
        root: A directory of its own.
        durability: ``fsync`` or ``none``.
        sinks: The tables of its sinks, in TOML, or of more of its configuration.
        name: For the table; its durability by default.
    """

    def __init__(self, root: Path, durability: str, sinks: str = "", name: str = "") -> None:
        root.mkdir(parents=True)
        ports = free_ports(2)
        arguments = [
            "--otlp-grpc", f"127.0.0.1:{ports[0]}", "--otlp-http", f"127.0.0.1:{ports[1]}",
        ]  # fmt: skip
        started = time.perf_counter()
        self.daemon = Daemon(root, arguments, config=_CONFIG.format(durability) + sinks).start()
        self.start_s = time.perf_counter() - started
        super().__init__(name or f"sidespan, {durability}", ports[0], ports[1], self.daemon.pid)
        self.frames = str(self.daemon.ingest)

    def has(self, door: str) -> bool:
        """Tell whether it has such a door."""
        return door == "frames" or super().has(door)

    def send(self, load: Load, requests: int) -> Result:
        """Send it ``requests`` requests and say how it went."""
        if load.door == "frames":
            return compiled.run(load, self.frames, requests)
        return super().send(load, requests)

    def accepted_spans(self) -> int:
        """Return the sum of ``sidespan_receiver_accepted_items_total`` for spans."""
        counts = re.findall(
            r'accepted_items_total\{door="\w+",signal="spans"\} (\S+)',
            self.daemon.metrics(self.ports["http"]),
        )
        return int(sum(float(count) for count in counts))

    def stop(self) -> None:
        """Stop it cleanly."""
        self.daemon.terminate()


class Otelcol(Server):
    """The stock collector with a sending queue, which is where its acknowledgement comes from.

    Args:
        root: A directory of its own.
        storage: Of its queue: ``memory``, ``file_storage`` or ``file_storage + fsync``.
        onward: The port of 127.0.0.1 that it exports to over OTLP/gRPC; without, its debug exporter
            counts what comes out of the queue and drops it.
        queue: Where the queue is stored, with what an earlier one left; below ``root`` by default.
    """

    def __init__(
        self, root: Path, storage: str, onward: int | None = None, queue: Path | None = None
    ) -> None:
        root.mkdir(parents=True)
        queue = queue or root / "queue"
        queue.mkdir(exist_ok=True)
        grpc_port, http_port, self._metrics_port = free_ports(3)
        kept = "" if storage == "memory" else "storage: file_storage"
        config = _OTELCOL.format(
            queue=queue, fsync=str(storage.endswith("fsync")).lower(), kept=kept,
            grpc=grpc_port, http=http_port, metrics=self._metrics_port, onward=onward or 0,
            exporter="otlp" if onward else "debug",
        )  # fmt: skip
        self._ending = ExitStack()
        process = self._ending.enter_context(otelcol.collecting(config, root))
        super().__init__(f"otelcol, {storage}", grpc_port, http_port, process.pid)

    def _total(self, name: str) -> int:
        address = f"http://127.0.0.1:{self._metrics_port}/metrics"
        with urllib.request.urlopen(address, timeout=30) as answer:
            text = answer.read().decode()
        found = re.findall(rf"^{name}{{.*}} (\S+)$", text, re.MULTILINE)
        return int(sum(float(one) for one in found))

    def accepted_spans(self) -> int:
        """Return the sum of ``otelcol_receiver_accepted_spans_total``."""
        return self._total("otelcol_receiver_accepted_spans_total")

    def drained(self) -> bool:
        """Tell whether nothing waits in it for its exporter."""
        return self._total("otelcol_exporter_sent_spans_total") >= self.accepted_spans()

    def stop(self) -> None:
        """End it without a word."""
        self._ending.close()


class Rotel(Server):
    """rotel, with everything in memory.

    Args:
        exporter: Its arguments that say where to; without, nothing is kept.
    """

    def __init__(self, exporter: Sequence[str] = ("--exporter", "blackhole")) -> None:
        spec = importlib.util.find_spec("rotel")
        assert spec is not None, "rotel is missing: pip install rotel"
        assert spec.origin is not None
        grpc_port, http_port = free_ports(2)
        # Its binary is linked against the shared libpython of its build.
        environment = {**os.environ, "LD_LIBRARY_PATH": sysconfig.get_config_var("LIBDIR") or ""}
        self._process = subprocess.Popen(
            [
                str(Path(spec.origin).with_name("rotel-agent")), "start",
                "--otlp-grpc-endpoint", f"127.0.0.1:{grpc_port}",
                "--otlp-http-endpoint", f"127.0.0.1:{http_port}", *exporter,
            ],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment,
        )  # fmt: skip
        for port in (grpc_port, http_port):
            wait_until(lambda port=port: listens(port), 10, "rotel to listen")  # type: ignore[misc]
        super().__init__("rotel, memory", grpc_port, http_port, self._process.pid)

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(10)


def free_ports(count: int) -> list[int]:
    """Return ports of 127.0.0.1 that nobody uses now."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def listens(port: int) -> bool:
    """Tell whether somebody accepts connections on a port of 127.0.0.1."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
