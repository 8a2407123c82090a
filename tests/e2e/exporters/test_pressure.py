"""A journal that cannot store for a moment: what docs/otlp.md says that stock exporters notice."""

from pathlib import Path

import pytest

from sidespand.errors import Unavailable
from sidespand.limits import HOLD_S_MIN
from tests.e2e.exporters.answerer import ScriptedAdmission, answering
from tests.e2e.exporters.programs import LANGUAGES, Exporter, emit
from tests.e2e.exporters.test_refusals import documented, happened, stored

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_pressure_that_passes_is_waited_off(language: str, tmp_path: Path) -> None:
    """The one request is held and stored; no exporter is told, and so none loses the batch."""

    async def attempt(exporter: Exporter, root: Path) -> str:
        admission = ScriptedAdmission("")
        refusals = [Unavailable("the disk is full")]
        async with answering(exporter, admission, root, refusals=refusals) as port:
            emitted = await emit(exporter, port)
        assert (emitted.ok, stored(root), len(admission.attempts_s)) == (True, 1, 1)
        assert emitted.took_ms >= HOLD_S_MIN * 1000
        return "held"

    assert happened(language, attempt, tmp_path) == documented("full for a moment", language)
