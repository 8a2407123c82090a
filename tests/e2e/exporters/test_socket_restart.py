"""What a restart of the daemon costs stock exporters on its sockets, as docs/otlp.md says it."""

import asyncio
import socket
from pathlib import Path

import pytest

from tests.e2e.exporters.answerer import ScriptedAdmission, answering
from tests.e2e.exporters.programs import LANGUAGES, RUN_S_MAX, Exporter, emit
from tests.e2e.exporters.test_refusals import AGAIN, LOST, documented, happened, stored

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("language", LANGUAGES)
def test_who_outlives_a_restart_on_a_socket(language: str, tmp_path: Path) -> None:
    """The file stays while nobody listens, as the daemon leaves it; the next life replaces it."""

    async def attempt(exporter: Exporter, root: Path) -> str:
        if not exporter.sockets:
            return "\u2013"
        path = root / "door.sock"
        with socket.socket(socket.AF_UNIX) as going:
            going.setblocking(False)
            going.bind(str(path))
            going.listen()
            emitting = asyncio.create_task(emit(exporter, path))
            async with asyncio.timeout(RUN_S_MAX):
                connection, _ = await asyncio.get_running_loop().sock_accept(going)
            connection.close()
        assert path.is_socket()
        async with answering(exporter, ScriptedAdmission(""), root):
            emitted = await emitting
        assert emitted.ok == bool(stored(root))
        return AGAIN if emitted.ok else LOST

    assert happened(language, attempt, tmp_path) == documented("restarts, on its socket", language)
