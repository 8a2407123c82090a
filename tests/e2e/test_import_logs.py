"""``sidespan import`` of logs: they are recorded once, beside the spans that they name."""

import json
from pathlib import Path

import pytest

from tests import otlp
from tests.daemon import running, wait_until
from tests.e2e.test_import import WAIT_S, said

TRACE, SPAN = "11" * 16, "22" * 8


@pytest.mark.slow
def test_logs_of_a_file_are_joined_to_their_spans(tmp_path: Path) -> None:
    """Importing again stores none twice; a line of metrics is named, and the rest is stored."""
    moment = str(otlp.START_NS)
    span = {"traceId": TRACE, "spanId": SPAN, "name": "call", "startTimeUnixNano": moment,
            "endTimeUnixNano": str(otlp.START_NS + 1)}  # fmt: skip
    log = {"traceId": TRACE, "spanId": SPAN, "timeUnixNano": moment,
           "body": {"stringValue": "asked for lunch"}}  # fmt: skip
    path = tmp_path / "collector.json"
    path.write_text("".join(json.dumps(line) + "\n" for line in (
        {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]},
        {"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "tokens", "gauge": {}}]}]}]},
        {"resourceLogs": [{"scopeLogs": [{"logRecords": [log]}]}]},
    )))  # fmt: skip
    with running(tmp_path) as daemon:
        for _ in range(2):
            done = said("import", path, "--socket", daemon.ingest, status=1)
            assert (done["ended_spans"], done["log_records"]) == (1, 1)
            assert (done["refused_lines"], done["unreadable_lines"]) == ([2], [])

        def found() -> list[list[str]]:
            text = "SELECT trace_id, span_id FROM logs"
            rows: list[list[str]] = said("sql", text, "--run", daemon.run)["rows"]
            return rows

        wait_until(lambda: bool(found()), WAIT_S, "the log record in the index")
        assert found() == [[TRACE, SPAN]]
