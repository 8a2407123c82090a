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

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import SpanFlags

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
        package: As the lock file calls it.
        protocol: As OTEL_EXPORTER_OTLP_PROTOCOL calls it.
        sockets: Whether it can be pointed at a Unix socket.
    """

    name: str
    language: str
    package: str
    protocol: str
    sockets: bool = True

    @property
    def extended(self) -> bool:
        """Whether the SDK has attributes that are bytes, maps or 64-bit integers."""
        return self.language != "node"

    @property
    def link_states(self) -> bool:
        """Whether the exporter sends the ``trace_state`` of a link."""
        return self.language == "node"


EXPORTERS = (
    Exporter("Python gRPC", "python", "opentelemetry-exporter-otlp-proto-grpc", "grpc"),
    Exporter("Python HTTP", "python", "opentelemetry-exporter-otlp-proto-http", "http/protobuf"),
    Exporter(
        "Python HTTP/JSON", "python", "opentelemetry-exporter-otlp-json-http", "http/json",
        sockets=False,
    ),
    Exporter("Node gRPC", "node", "exporter-trace-otlp-grpc", "grpc"),
    Exporter("Node HTTP", "node", "exporter-trace-otlp-proto", "http/protobuf"),
    Exporter("Node HTTP/JSON", "node", "exporter-trace-otlp-http", "http/json"),
    Exporter("Go gRPC", "go", "otlptracegrpc", "grpc"),
    Exporter("Go HTTP", "go", "otlptracehttp", "http/protobuf"),
    Exporter("Go HTTP/JSON", "go", "otlptracehttp", "http/json"),
)  # fmt: skip


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


async def emit(
    exporter: Exporter, where: Path | int, settings: Mapping[str, str] | None = None
) -> Emitted:
    """Send ``spans.json`` once.

    Args:
        exporter: Through which.
        where: The door's socket, or its port of this host.
        settings: Further variables; they go before those that name the door.
    """
    command = [*install(exporter.language), exporter.protocol]
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{where}"}
    if isinstance(where, Path) and exporter.protocol == "grpc":
        variables["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"unix://{where}"
        variables["OTEL_EXPORTER_OTLP_INSECURE"] = "true"
    elif isinstance(where, Path):
        variables["OTEL_EXPORTER_OTLP_ENDPOINT"] = "http://localhost"
        command.append(str(where))
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        env=_environment({**variables, **(settings or {})}),
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
    """Return ``spans.json`` with the ids that the SDK chose, without what it never sends."""
    document = json.loads(SPANS.read_bytes())
    (resource_spans,) = document["resourceSpans"]
    for span in resource_spans["scopeSpans"][0]["spans"]:
        if parent := emitted.ids.get(span["parentSpanId"]):
            span["parentSpanId"] = parent[1].hex()
        trace_id, span_id = emitted.ids[span["spanId"]]
        span["traceId"], span["spanId"] = trace_id.hex(), span_id.hex()
        if not exporter.extended and "attributes" in span:
            kept = [one for one in span["attributes"] if not one["key"].startswith("extended.")]
            span["attributes"] = kept
        for link in span.get("links", ()):
            if not exporter.link_states:
                del link["traceState"]
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


_LANGUAGES: Mapping[str, Callable[[], list[str]]] = {"python": _python, "node": _node, "go": _go}
LANGUAGES = tuple(_LANGUAGES)


def install(language: str) -> list[str]:
    """Return the command that runs a language's program, installed if it is not yet.

    Raises:
        pytest.skip.Exception: The toolchain is absent, or pytest.fail.Exception in CI.
    """
    return _LANGUAGES[language]()


def by_name(request: ExportTraceServiceRequest) -> dict[str, Any]:
    """Return a request's spans by name in one form, whatever order an SDK keeps."""
    spans = {}
    for resource_spans in request.resource_spans:
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                # Where the parent is; the Python exporter leaves the sampled bit out.
                span.flags &= SpanFlags.SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK | (
                    SpanFlags.SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK
                )
                # An unset status and none mean the same.
                if not span.status.ByteSize():
                    span.ClearField("status")
                holders: list[Any] = [span, *span.events, *span.links]
                for holder in holders:
                    holder.attributes.sort(key=lambda pair: pair.key)
                spans[span.name] = MessageToDict(span)
    return spans
