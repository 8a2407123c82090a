"""Print how long each stock exporter holds a batch: the second table of docs/otlp.md.

Run as ``python -m tests.e2e.exporters.measure``; it takes half a minute a language.
"""

import asyncio
import socket
import tempfile
from pathlib import Path

from sidespand.errors import Unavailable
from tests.e2e.exporters.answerer import ScriptedAdmission, answering, told
from tests.e2e.exporters.programs import EXPORTERS, LANGUAGES, Emitted, Exporter, emit, install


async def refused(exporter: Exporter, delay_s: int) -> tuple[Emitted, int]:
    """Return what came of a batch that is told to wait each time, and its requests."""
    with tempfile.TemporaryDirectory() as root:
        refusal = Unavailable("the disk is full", retry_after_ms=delay_s * 1000)
        emitted, attempts_s = await told(exporter, Path(root), refusal)
    return emitted, len(attempts_s)


async def pressed(exporter: Exporter) -> Emitted:
    """Return what came of a batch for a journal that stays full."""
    refusals = [Unavailable("the disk is full")] * 100
    admission = ScriptedAdmission("")
    with tempfile.TemporaryDirectory() as root:
        async with answering(exporter, admission, Path(root), refusals=refusals) as port:
            return await emit(exporter, port)


async def unheard(exporter: Exporter) -> Emitted:
    """Return what came of a batch for a port where nobody listens."""
    with socket.socket() as free:
        # Bound, it cannot be taken by another.
        free.bind(("127.0.0.1", 0))
        return await emit(exporter, free.getsockname()[1])


async def row(exporter: Exporter) -> str:
    """Return an exporter's row."""
    (one, requests), (two, _), full, none = await asyncio.gather(
        refused(exporter, 1), refused(exporter, 2), pressed(exporter), unheard(exporter)
    )
    seconds = [f"{emitted.took_ms / 1000:.1f}" for emitted in (one, two, full, none)]
    return f"| {exporter.name} | {requests} | {' | '.join(seconds)} |"


async def main() -> None:
    """Measure a language at a time, so that programs do not wait for a processor."""
    for language in LANGUAGES:
        install(language)
        exporters = [one for one in EXPORTERS if one.language == language]
        print("\n".join(await asyncio.gather(*map(row, exporters))), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
