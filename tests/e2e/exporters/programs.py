"""One small program a language around its stock exporters, installed from lock files and run."""

import asyncio
import fcntl
import functools
import hashlib
import json
import os
import shutil
import subprocess
import venv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from sidespand.model import Kind
from sidespand.receiver.otlp_json import to_protobuf
from tests.toolchain import require

HERE = Path(__file__).parent
SPANS = HERE / "spans.json"
# Ignored by git, and `make clean` removes it.
INSTALLED = HERE.parents[2] / ".venv/exporters"
INSTALL_S_MAX = 300
RUN_S_MAX = 60.0


@dataclass(frozen=True, slots=True)
class Exporter:
    """A stock exporter.

    Args:
        name: As docs/otlp.md calls it.
        language: The directory of its program.
        protocol: As OTEL_EXPORTER_OTLP_PROTOCOL calls it.
        sockets: Whether it can be pointed at a Unix socket.
    """

    name: str
    language: str
    protocol: str
    sockets: bool = True

    @property
    def extended(self) -> bool:
        """Whether the SDK has attributes that are bytes, maps or 64-bit integers."""
        return self.language != "node"


EXPORTERS = (
    Exporter("Python gRPC", "python", "grpc"),
    Exporter("Python HTTP", "python", "http/protobuf"),
    Exporter("Python HTTP/JSON", "python", "http/json", sockets=False),
    Exporter("Node gRPC", "node", "grpc"),
    Exporter("Node HTTP", "node", "http/protobuf"),
    Exporter("Node HTTP/JSON", "node", "http/json"),
    Exporter("Go gRPC", "go", "grpc"),
    Exporter("Go HTTP", "go", "http/protobuf"),
    Exporter("Go HTTP/JSON", "go", "http/json"),
)


@dataclass(frozen=True, slots=True)
class Emitted:
    """What a program said.

    Args:
        ok: What its exporter told the SDK of the one batch.
        took_ms: From handing the batch over until it told.
        ids: Trace id and span id that the SDK chose, by the span id in ``spans.json``.
        log: What it wrote to stderr.
    """

    ok: bool
    took_ms: int
    ids: Mapping[str, tuple[bytes, bytes]]
    log: str


async def emit(exporter: Exporter, where: Path | int) -> Emitted:
    """Send ``spans.json`` once.

    Args:
        exporter: Through which.
        where: The door's socket, or its port of this host.
    """
    command = _INSTALL[exporter.language]() + [exporter.protocol]
    endpoint = f"http://127.0.0.1:{where}"
    variables = {"OTEL_EXPORTER_OTLP_INSECURE": "true"} if exporter.protocol == "grpc" else {}
    if isinstance(where, Path):
        endpoint = f"unix://{where}"
        if exporter.protocol != "grpc":
            command.append(str(where))
    if exporter.protocol == "grpc" or not isinstance(where, Path):
        variables["OTEL_EXPORTER_OTLP_ENDPOINT"] = endpoint
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *command, stdin=pipe, stdout=pipe, stderr=pipe, env=_environment(variables)
    )
    try:
        async with asyncio.timeout(RUN_S_MAX):
            out, log = await process.communicate(SPANS.read_bytes())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    text = log.decode(errors="replace")
    assert process.returncode == 0, text
    said = json.loads(out)
    (answer,) = said["answers"]
    ids = {key: (bytes.fromhex(t), bytes.fromhex(s)) for key, (t, s) in said["ids"].items()}
    return Emitted(answer["ok"], answer["took_ms"], ids, text)


def expected(exporter: Exporter, emitted: Emitted) -> ExportTraceServiceRequest:
    """Return ``spans.json`` with the ids that the SDK chose, without what it cannot say."""
    document = json.loads(SPANS.read_bytes())
    (resource_spans,) = document["resourceSpans"]
    for span in resource_spans["scopeSpans"][0]["spans"]:
        if parent := span.get("parentSpanId"):
            span["parentSpanId"] = emitted.ids[parent][1].hex()
        trace_id, span_id = emitted.ids[span["spanId"]]
        span["traceId"], span["spanId"] = trace_id.hex(), span_id.hex()
        if not exporter.extended and "attributes" in span:
            kept = [one for one in span["attributes"] if not one["key"].startswith("extended.")]
            span["attributes"] = kept
    body = json.dumps(document).encode()
    return ExportTraceServiceRequest.FromString(to_protobuf(Kind.SPANS, body))


def _environment(variables: Mapping[str, str]) -> dict[str, str]:
    # Whatever points this machine's own programs somewhere is not for these.
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
    return {**inherited, **variables, "NODE_PATH": str(INSTALLED / "node/node_modules")}


def _installed(language: str, locks: Sequence[str], install: Callable[[Path, Path], None]) -> Path:
    """Return the directory that holds what ``locks`` name, installed there once."""
    source, target = HERE / language, INSTALLED / language
    INSTALLED.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(b"\0".join((source / lock).read_bytes() for lock in locks)).hexdigest()
    stamp = target / "installed-from"
    with (INSTALLED / f"{language}.lock").open("w") as lock_file:
        fcntl.flock(lock_file, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text(encoding="ascii") != digest:
            shutil.rmtree(target, ignore_errors=True)
            target.mkdir()
            install(source, target)
            stamp.write_text(digest, encoding="ascii")
    return target


def _install(*command: str, cwd: Path) -> None:
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=INSTALL_S_MAX, check=False
    )
    require(done.returncode == 0, command[0], f"it could not install: {done.stderr[-2000:]}")


@functools.cache
def _python() -> list[str]:
    def install(source: Path, target: Path) -> None:
        venv.create(target, with_pip=True, symlinks=True)
        _install(
            str(target / "bin/python"), "-m", "pip", "install", "--quiet", "--only-binary=:all:",
            "--requirement", str(source / "requirements.txt"), cwd=target,
        )  # fmt: skip

    target = _installed("python", ["requirements.txt"], install)
    return [str(target / "bin/python"), str(HERE / "python/emit.py")]


@functools.cache
def _node() -> list[str]:
    for tool in ("node", "npm"):
        require(shutil.which(tool), tool, "install Node 20 or later with npm")

    def install(source: Path, target: Path) -> None:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(source / name, target)
        _install("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=target)

    _installed("node", ["package.json", "package-lock.json"], install)
    return ["node", str(HERE / "node/emit.js")]


@functools.cache
def _go() -> list[str]:
    require(shutil.which("go"), "go", "install Go 1.26 or later")

    def install(source: Path, target: Path) -> None:
        _install("go", "build", "-trimpath", "-o", str(target / "emit"), ".", cwd=source)

    return [str(_installed("go", ["go.mod", "go.sum", "main.go"], install) / "emit")]


_INSTALL: Mapping[str, Callable[[], list[str]]] = {"python": _python, "node": _node, "go": _go}


def by_name(request: ExportTraceServiceRequest) -> dict[str, Any]:
    """Return a request's spans by name in one form, whatever order an SDK keeps."""
    spans = {}
    for resource_spans in request.resource_spans:
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                # Bits about the sampling decision and where the parent is.
                span.ClearField("flags")
                for link in span.links:
                    link.ClearField("flags")
                for holder in (span, *span.events, *span.links):
                    holder.attributes.sort(key=lambda pair: pair.key)
                spans[span.name] = span
    return spans
