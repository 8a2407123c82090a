"""One life after another of each collector, before a receiver that keeps what arrives."""

import http.client
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from tests.bench.servers import Otelcol, Rotel, Server, free_ports, listens
from tests.daemon import Daemon, wait_until
from tests.fault.power import CONFIG, end
from tests.otlp import encoded

_SPANS_PER_REQUEST = 10
_ID_BYTES = 8
_START_S_MAX = 20.0
_OURS = (
    CONFIG
    + """durability = "{}"
[index]
enabled = false
[sinks.far]
type = "otlp"
endpoint = "http://127.0.0.1:{}"
capture = "full"
"""
)


class Onward:
    """A receiver of OTLP/gRPC outside of what fails; it writes ids down before it answers.

    Args:
        path: Where it writes them.
    """

    def __init__(self, path: Path) -> None:
        (self.port,) = free_ports(1)
        self._path = path
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, where it does not run."""
        if self._process is None:
            self._process = subprocess.Popen(
                [
                    sys.executable, "-m", "tests.fault.receiver", str(self.port), str(self._path),
                    "no span holds this",
                ],
                stdin=subprocess.DEVNULL,
            )  # fmt: skip
            wait_until(lambda: listens(self.port), _START_S_MAX, "the receiver")

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def taken(self) -> list[bytes]:
        """Return the span ids that it took, in order, with repetitions."""
        kept = self._path.read_bytes() if self._path.exists() else b""
        return [kept[at : at + _ID_BYTES] for at in range(0, len(kept), _ID_BYTES)]


class Sender(threading.Thread):
    """A client that sends over OTLP/HTTP until it is stopped or its server is gone.

    Args:
        port: Of 127.0.0.1.
    """

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._port = port
        self.acked: list[bytes] = []
        self.stopping = threading.Event()

    def run(self) -> None:
        """Send; an id counts as acked once the answer to its request is 200."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
        try:
            while not self.stopping.is_set():
                ids = [os.urandom(_ID_BYTES) for _ in range(_SPANS_PER_REQUEST)]
                body = encoded(len(ids), span_ids=ids, attributes=10)
                connection.request(
                    "POST", "/v1/traces", body, {"Content-Type": "application/x-protobuf"}
                )
                answer = connection.getresponse()
                answer.read()
                if answer.status == http.client.OK:
                    self.acked += ids
        except (OSError, http.client.HTTPException):
            return
        finally:
            connection.close()


class Node:
    """A collector that is started, killed and started again on the same storage.

    Args:
        name: ``sidespan, D`` with D a durability, ``otelcol, S`` with S a storage, or ``rotel``.
        root: A directory of its own.
        onward: The port that it exports to.
    """

    def __init__(self, name: str, root: Path, onward: int) -> None:
        kind, _, self._kept = name.partition(", ")
        self._kind = kind
        self._root = root
        self._onward = onward
        self._lives = 0
        self._peer: Server | None = None
        self._daemon: Daemon | None = None
        # The only directory that must outlive a life.
        self.storage = root / ("data" if kind == "sidespan" else "queue")

    def start(self) -> int:
        """Begin a life; return its port of OTLP/HTTP.

        Raises:
            AssertionError: It does not start on what the last one left.
        """
        self._lives += 1
        if self._kind == "sidespan":
            return self._start_ours()
        if self._kind == "otelcol":
            place = self._root / f"life-{self._lives}"
            self._peer = Otelcol(place, self._kept, self._onward, self.storage)
        else:
            far = ["--otlp-exporter-endpoint", f"http://127.0.0.1:{self._onward}"]
            ways = ["--otlp-exporter-protocol", "grpc", "--otlp-exporter-retry-max-backoff", "1s"]
            self._peer = Rotel(["--exporter", "otlp", *far, *ways])
        return self._peer.ports["http"]

    def _start_ours(self) -> int:
        (port,) = free_ports(1)
        config = _OURS.format(self._kept, self._onward)
        self._daemon = Daemon(self._root, ["--otlp-http", f"127.0.0.1:{port}"], config=config)
        self._daemon.start()
        return port

    def kill(self) -> None:
        """End it without a word, where it runs."""
        if self._daemon is not None:
            end(self._daemon)
            self._daemon = None
        if self._peer is not None:
            if self._kind == "rotel":
                os.kill(self._peer.pid, signal.SIGKILL)
            self._peer.stop()
            self._peer = None
