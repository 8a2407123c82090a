"""Records the captures of this folder; README.md says how to run it."""

import argparse
import getpass
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import capture
import stub
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

HERE: Final = Path(__file__).resolve().parent
DEADLINE_S: Final = 60
MESSAGES: Final[dict[str, type[Message]]] = {
    "traces": ExportTraceServiceRequest,
    "logs": ExportLogsServiceRequest,
}
EXPORTERS: Final = {
    "http/protobuf": "opentelemetry-exporter-otlp-proto-http",
    "grpc": "opentelemetry-exporter-otlp-proto-grpc",
}
CONTENT: Final = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"


@dataclass(frozen=True, slots=True)
class Emitter:
    """One program under one instrumentation.

    Args:
        program: File in ``programs/``.
        packages: Distributions whose versions explain the capture, beside the SDK and the exporter.
        arguments: Of the program.
        environment: Added to the common one.
        protocol: Of the exporter, as OTEL_EXPORTER_OTLP_PROTOCOL names it.
        requirements: File that pins the environment it is recorded in.
    """

    program: str
    packages: tuple[str, ...]
    arguments: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    protocol: str = "http/protobuf"
    requirements: str = "requirements.txt"

    def installed(self) -> bool:
        """Tell whether this interpreter has exactly what the requirements pin."""
        pins = dict(pin.split("==") for pin in (HERE / self.requirements).read_text().split())
        try:
            return all(version(name) == pinned for name, pinned in pins.items())
        except PackageNotFoundError:
            return False


def _openai(distribution: str, module: str, *more: str, **fields: Any) -> Emitter:
    situations = ("plain", "streaming", "tool_call", "cached", "embedding", *more)
    return Emitter("openai_chat.py", ("openai", distribution), (module, *situations), **fields)


def _anthropic(distribution: str, module: str, **fields: Any) -> Emitter:
    return Emitter("anthropic_messages.py", ("anthropic", distribution), (module,), **fields)


EMITTERS: Final = {
    "pydantic_ai": Emitter("pydantic_agent.py", ("pydantic-ai-slim",)),
    "openai_v2": _openai(
        "opentelemetry-instrumentation-openai-v2",
        "opentelemetry.instrumentation.openai_v2",
        "limited",
        environment={CONTENT: "true"},
        requirements="requirements-earlier.txt",
    ),
    "openai_v2_latest": _openai(
        "opentelemetry-instrumentation-openai-v2",
        "opentelemetry.instrumentation.openai_v2",
        "limited",
        environment={
            "OTEL_SEMCONV_STABILITY_OPT_IN": "gen_ai_latest_experimental",
            CONTENT: "span_and_event",
        },
        requirements="requirements-earlier.txt",
    ),
    "openai_genai": _openai(
        "opentelemetry-instrumentation-genai-openai",
        "opentelemetry.instrumentation.genai.openai",
        "limited",
        environment={CONTENT: "span_and_event"},
    ),
    "openinference_openai": _openai(
        "openinference-instrumentation-openai", "openinference.instrumentation.openai"
    ),
    "traceloop_openai": _openai(
        "opentelemetry-instrumentation-openai", "opentelemetry.instrumentation.openai"
    ),
    "traceloop_openai_legacy": _openai(
        "opentelemetry-instrumentation-openai",
        "opentelemetry.instrumentation.openai",
        requirements="requirements-earlier.txt",
    ),
    "anthropic_genai": _anthropic(
        "opentelemetry-instrumentation-genai-anthropic",
        "opentelemetry.instrumentation.genai.anthropic",
        environment={CONTENT: "span_and_event"},
    ),
    "openinference_anthropic": _anthropic(
        "openinference-instrumentation-anthropic", "openinference.instrumentation.anthropic"
    ),
    "traceloop_anthropic": _anthropic(
        "opentelemetry-instrumentation-anthropic", "opentelemetry.instrumentation.anthropic"
    ),
    "otel_grpc_server": Emitter(
        "grpc_pair.py",
        ("grpcio", "opentelemetry-instrumentation-grpc"),
        environment={"OTEL_SERVICE_NAME": "otel_grpc_client"},
        protocol="grpc",
    ),
}


def run(name: str, emitter: Emitter, stub_url: str) -> list[capture.Captured]:
    """Run one program to its end and return what it exported.

    Raises:
        subprocess.SubprocessError: The program failed or took longer than DEADLINE_S.
    """
    tape = capture.Tape()
    receive = capture.capturing_grpc if emitter.protocol == "grpc" else capture.capturing_http
    with receive(tape) as endpoint:
        environment = {
            "PATH": os.defpath,
            "PYTHONPATH": os.pathsep.join((str(HERE / "programs"), str(HERE))),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONHASHSEED": "0",
            "NO_PROXY": "*",
            "STUB_URL": stub_url,
            "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
            "OTEL_EXPORTER_OTLP_PROTOCOL": emitter.protocol,
            "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "otel",
            "OTEL_SERVICE_NAME": name,
            "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=golden",
            "OTEL_BSP_SCHEDULE_DELAY": "600000",
            "OTEL_BLRP_SCHEDULE_DELAY": "600000",
        }
        # -P, because the programs' folder must not shadow a package that a program is about.
        command = [sys.executable, "-P", str(HERE / "programs" / emitter.program)]
        subprocess.run(
            [*command, *emitter.arguments],
            env=environment | emitter.environment,
            check=True,
            timeout=DEADLINE_S,
        )
    return tape.all()


def write(name: str, emitter: Emitter, captured: list[capture.Captured]) -> None:
    """Put the requests and their description in place of what was there.

    Raises:
        ValueError: A request names this machine, or there is none; nothing was written.
    """
    if not captured:
        raise ValueError(f"{name} exported nothing")
    requests = [_describe(number, request) for number, request in enumerate(captured, start=1)]
    distributions = (*emitter.packages, "opentelemetry-sdk", EXPORTERS[emitter.protocol])
    meta = {
        "emitter": name,
        "requirements": emitter.requirements,
        "packages": {distribution: version(distribution) for distribution in distributions},
        "environment": emitter.environment,
        "transport": f"otlp/{'grpc' if emitter.protocol == 'grpc' else 'http'}",
        "requests": requests,
    }
    folder = HERE / name
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir()
    for request, described in zip(captured, requests, strict=True):
        (folder / described["file"]).write_bytes(request.body)
    (folder / "meta.json").write_text(json.dumps(meta, indent=2) + "\n")


def _describe(number: int, request: capture.Captured) -> dict[str, Any]:
    message = MESSAGES[request.signal].FromString(request.body)
    named = sorted({text for text in strings(message) if _names_this_machine(text)})
    if named:
        raise ValueError(f"request {number} names this machine: {named}")
    return {
        "file": f"{number:03d}.{request.signal}.pb",
        "path": request.path,
        "content_type": request.content_type,
        "bytes": len(request.body),
        "sha256": hashlib.sha256(request.body).hexdigest(),
        "items": _items(message),
    }


def _items(message: Message) -> int:
    """Return how many spans or log records a request carries."""
    if isinstance(message, ExportTraceServiceRequest):
        return sum(len(scope.spans) for one in message.resource_spans for scope in one.scope_spans)
    assert isinstance(message, ExportLogsServiceRequest)
    return sum(len(scope.log_records) for one in message.resource_logs for scope in one.scope_logs)


def strings(message: Message) -> Iterator[str]:
    """Yield every string in a message, at any depth."""
    for descriptor, value in message.ListFields():
        for element in value if descriptor.is_repeated else (value,):
            if isinstance(element, Message):
                yield from strings(element)
            elif isinstance(element, str):
                yield element


def _names_this_machine(text: str) -> bool:
    folders = {Path.home(), Path.cwd(), Path(sys.prefix), Path(tempfile.gettempdir()), HERE}
    folders.discard(Path("/"))
    host = re.search(rf"(?<!\w){re.escape(socket.gethostname())}(?!\w)", text)
    return (
        (host is not None and host.group() != "localhost")
        or text == getpass.getuser()
        or any(str(folder) in text for folder in folders)
    )


def main() -> int:
    """Record the named emitters; 1, with nothing recorded, when one of them cannot be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "emitters", nargs="*", metavar="EMITTER", help="default: all that are pinned as installed"
    )
    parser.add_argument("--replace", action="store_true", help="drop the captures that are there")
    options = parser.parse_args()
    names = options.emitters or [name for name, one in EMITTERS.items() if one.installed()]
    if unknown := sorted(set(names) - set(EMITTERS)):
        parser.error(f"no such emitter: {', '.join(unknown)}")
    if not options.replace and (kept := [name for name in names if (HERE / name).exists()]):
        print(f"already recorded: {', '.join(kept)}; --replace drops them", file=sys.stderr)
        return 1
    if foreign := [name for name in names if not EMITTERS[name].installed()]:
        needed = sorted({EMITTERS[name].requirements for name in foreign})
        print(f"{', '.join(foreign)}: install {' and '.join(needed)} exactly", file=sys.stderr)
        return 1
    with stub.serving() as stub_url:
        for name in names:
            captured = run(name, EMITTERS[name], stub_url)
            write(name, EMITTERS[name], captured)
            size = sum(len(request.body) for request in captured)
            print(f"{name}: {len(captured)} requests, {size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
