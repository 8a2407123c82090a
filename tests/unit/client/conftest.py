from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

import sidespan
from sidespan._runtime import runtime
from tests.unit.client.peer import Peer


class Captured:
    """Stands where the buffer stands and keeps what is offered."""

    closed = True
    watched = True

    def __init__(self) -> None:
        self.encoded: list[bytes] = []
        self.young: dict[sidespan.Span, None] = {}

    def offer(self, span: bytes) -> None:
        """Keep one span."""
        self.encoded.append(span)

    @property
    def spans(self) -> list[Span]:
        """Every span so far, decoded, in the order in which they ended."""
        return [Span.FromString(encoded) for encoded in self.encoded]

    def named(self, name: str) -> Span:
        """Return the one span of that name."""
        (found,) = [span for span in self.spans if span.name == name]
        return found


@pytest.fixture(autouse=True)
def _off_before_and_after(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leave nothing recording behind, and let the environment decide nothing."""
    for name in ("SIDESPAN_SERVICE", "OTEL_SERVICE_NAME", "SIDESPAN_SOCKET", "SIDESPAN_DISABLED"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(runtime, "_sender", None)
    monkeypatch.setattr(runtime, "_inner_error", "")
    monkeypatch.setattr(runtime, "undecided", True)
    yield
    sidespan.shutdown(0)


@pytest.fixture
def captured(monkeypatch: pytest.MonkeyPatch) -> Captured:
    """Record into memory."""
    buffer = Captured()
    monkeypatch.setattr(runtime, "buffer", buffer)
    return buffer


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[Peer]:
    """Return a recorder that listens on a socket of its own."""
    peer = Peer(tmp_path / "ingest.sock").start()
    yield peer
    sidespan.shutdown(0)
    peer.stop()
