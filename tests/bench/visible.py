"""How soon what was sent can be seen: a mark in ``/v1/open``, an end in the API and in the stream.

    python -m tests.bench.visible [--seconds 60] [--rate 1000]

A real daemon takes ``rate`` spans a second in the background, in requests of ten with ten
attributes each. Beside it a probe opens a span, asks until it is listed, ends it, and asks until
its trace is there; another connection listens to the stream. Times run from just before the send.
"""

import argparse
import http.client
import json
import os
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.api_server import ask
from tests.bench.machine import percentile
from tests.daemon import running, wait_until
from tests.frame_client import FrameClient
from tests.otlp import encoded, marked

SPANS_PER_REQUEST = 10
ASK_EVERY_S = 0.005
PROBE_EVERY_S = 0.2
WAIT_S = 20.0


class Asking:
    """One kept connection to the API.

    Args:
        path: Of api.sock.
    """

    def __init__(self, path: Path) -> None:
        self._connection = http.client.HTTPConnection("localhost")
        self._connection.sock = socket.socket(socket.AF_UNIX)
        self._connection.sock.settimeout(WAIT_S)
        self._connection.sock.connect(os.fspath(path))

    def get(self, route: str) -> Any:
        """Return the JSON at a route."""
        self._connection.request("GET", route)
        answer = self._connection.getresponse()
        body = answer.read()
        assert answer.status == http.HTTPStatus.OK, body
        return json.loads(body)

    def until(self, route: str, true: Callable[[Any], bool]) -> float:
        """Ask until the answer fits; return the monotonic time at which it did."""
        deadline_s = time.monotonic() + WAIT_S
        while not true(self.get(route)):
            assert time.monotonic() < deadline_s, route
            time.sleep(ASK_EVERY_S)
        return time.monotonic()

    def listen(self, told: dict[str, float]) -> None:
        """Note when the stream first tells that a trace has ended; returns at its end."""
        self._connection.request("GET", "/v1/stream")
        answer = self._connection.getresponse()
        name = b""
        while line := answer.readline():
            if line.startswith(b"event: "):
                name = line[7:].strip()
            elif line.startswith(b"data: ") and name == b"trace":
                row = json.loads(line[6:])
                if row["status"] == "ok":
                    told.setdefault(row["trace_id"], time.monotonic())


def is_ready(api_sock: Path) -> bool:
    """Tell whether the index answers."""
    return api_sock.exists() and ask(api_sock, "GET", "/v1/traces").status == http.HTTPStatus.OK


def load(ingest: Path, rate: int, ended: threading.Event) -> None:
    """Send ``rate`` spans a second until the end."""
    period_s = SPANS_PER_REQUEST / rate
    with FrameClient(ingest, WAIT_S) as client:
        client.hello(os.urandom(16))
        begin_s, seq = time.monotonic(), 0
        while not ended.is_set():
            seq += 1
            client.records(seq, encoded(SPANS_PER_REQUEST, attributes=10))
            client.ack(seq)
            ended.wait(max(0.0, begin_s + seq * period_s - time.monotonic()))


def probe(ingest: Path, asking: Asking, seconds: float) -> list[tuple[str, float, float, float]]:
    """Open and end spans; return of each its trace, how long mark and end took, and when it ended.

    Args:
        ingest: The daemon's socket.
        asking: A connection to its API.
        seconds: How long.
    """
    found = []
    end_s = time.monotonic() + seconds
    with FrameClient(ingest, WAIT_S) as client:
        client.hello(os.urandom(16))
        seq = 0
        while time.monotonic() < end_s:
            trace_id, span_id = os.urandom(16), os.urandom(8)
            begun_s = time.monotonic()
            client.records(seq + 1, marks=marked(trace_id, [span_id]))
            listed_s = asking.until("/v1/open", _lists(span_id.hex()))
            client.ack(seq + 1)
            ended_s = time.monotonic()
            end = encoded(1, trace_id=trace_id, span_ids=[span_id])
            client.records(seq + 2, end, ended=trace_id + span_id)
            route = f"/v1/traces?q=trace:{trace_id.hex()}"
            seen_s = asking.until(route, _has_ended)
            client.ack(seq + 2)
            seq += 2
            found.append((trace_id.hex(), listed_s - begun_s, seen_s - ended_s, ended_s))
            time.sleep(PROBE_EVERY_S)
    return found


def _lists(span_id: str) -> Callable[[Any], bool]:
    return lambda answer: any(one["span_id"] == span_id for one in answer["spans"])


def _has_ended(answer: Any) -> bool:
    return [one["status"] for one in answer["traces"]] == ["ok"]


def report(name: str, seconds: list[float]) -> None:
    """Print one line."""
    p50, p95 = (percentile(seconds, part) * 1000 for part in (50, 95))
    print(f"{name:32} p50 {p50:6.1f} ms  p95 {p95:6.1f} ms  max {max(seconds) * 1000:6.1f} ms")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rate", type=int, default=1000)
    args = parser.parse_args()
    ended = threading.Event()
    with tempfile.TemporaryDirectory() as place, running(Path(place)) as daemon:
        api_sock = daemon.run / "api.sock"
        wait_until(lambda: is_ready(api_sock), WAIT_S, "the index")
        told: dict[str, float] = {}
        listener = threading.Thread(target=Asking(api_sock).listen, args=(told,), daemon=True)
        sender = threading.Thread(target=load, args=(daemon.ingest, args.rate, ended))
        listener.start()
        sender.start()
        try:
            found = probe(daemon.ingest, Asking(api_sock), args.seconds)
        finally:
            ended.set()
            sender.join()
    print(f"{args.rate} spans/s beside {len(found)} probes")
    report("mark -> /v1/open", [one[1] for one in found])
    report("end -> /v1/traces", [one[2] for one in found])
    arrived = [told[trace] - end_s for trace, _, _, end_s in found if trace in told]
    report(f"end -> /v1/stream ({len(arrived)} told)", arrived)
    return 0


if __name__ == "__main__":
    sys.exit(main())
