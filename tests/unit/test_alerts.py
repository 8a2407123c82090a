"""The alerting rules as Prometheus evaluates them: each fires when it should, not before."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
import yaml

from sidespand import errors, limits
from sidespand.telemetry import Telemetry
from tests.metrics import ROOT
from tests.toolchain import require

RULES_PATH = ROOT / "monitoring/alerts.yml"
RULES: dict[str, dict[str, Any]] = {
    rule["alert"]: rule
    for group in yaml.safe_load(RULES_PATH.read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
}
JOB = {"job": "sidespan", "instance": "node-1"}
REFUSED = "sidespan_receiver_refused_requests_total"
COMMITS = "sidespan_journal_commit"
RUN_S_MAX = 60


class Case(NamedTuple):
    """What an alert is shown, a sample a minute, in promtool's notation.

    Args:
        bad: Series by name and labels of their own, that make it fire.
        fires_at_min: The first minute at which it does.
        said: Its summary then.
        good: Series that must never make it fire, as near to the others as there are.
        labels: Those of the alert beside ``JOB`` and its severity.
        without: Labels of ``JOB`` that it does not keep.
    """

    bad: dict[str, str]
    fires_at_min: int
    said: str
    good: dict[str, str]
    labels: Mapping[str, str] = MappingProxyType({})
    without: tuple[str, ...] = ()


def sink(name: str) -> str:
    """Return a series of one sink."""
    return f'{name}{{sink="far"}}'


FAR = {"sink": "far"}
CASES = {
    "SidespanDown": Case(
        {"up": "0x9"}, 2, "Nothing is recorded on node-1: the daemon does not answer.",
        {"up": "1 0 1x9"},
    ),
    "SidespanNotReady": Case(
        {"sidespan_ready": "1 0x9"}, 2, "node-1 cannot make requests durable now.",
        {"sidespan_ready": "1 0 1x9"},
    ),
    "SidespanRefuses": Case(
        {f'{REFUSED}{{door="http", reason="Unavailable"}}': "0 1+1x20"}, 6,
        "node-1 tells senders to come back (Unavailable).",
        {f'{REFUSED}{{door="http", reason="InvalidRequest"}}': "0 1+1x20"},
        {"reason": "Unavailable"}, without=("job",),
    ),
    "SidespanCommitsFail": Case(
        {f'{REFUSED}{{door="http", reason="JournalFailed"}}': "0 1x9"}, 1,
        "The disk of node-1 fails.",
        {f'{REFUSED}{{door="http", reason="Unavailable"}}': "0 1x9"},
        {"door": "http", "reason": "JournalFailed"},
    ),
    "SidespanRestarts": Case(
        {"sidespan_journal_boot_generation": "1 2 3 4 5x9"}, 4,
        "The daemon on node-1 was started 4 times in half an hour.",
        {"sidespan_journal_boot_generation": "1 2 3 4x9"},
    ),
    "SidespanNotDurable": Case(
        {"sidespan_journal_durable": "0x9"}, 0, "An acknowledgement of node-1 promises nothing.",
        {"sidespan_journal_durable": "1x9"},
    ),
    "SidespanDropped": Case(
        # What Prometheus makes of it is 3.3.
        {"sidespan_journal_dropped_items_total": "10x4 13x9"}, 5,
        "3 items of node-1 were removed before a required sink had them.",
        {"sidespan_journal_dropped_items_total": "3x9"},
    ),
    "SidespanNewLineage": Case(
        {"sidespan_journal_lineage_ordinal": "1 2x9"}, 1,
        "The store of node-1 began a new lineage.",
        {"sidespan_journal_lineage_ordinal": "2x9"},
    ),
    "SidespanDiskLow": Case(
        {"sidespan_journal_disk_free_bytes": "1073741823x15"}, 10,
        "1024MiB are left on the disk of node-1.",
        {"sidespan_journal_disk_free_bytes": "1073741824x15"},
    ),
    "SidespanCommitsSlow": Case(
        {f"{COMMITS}s_total": "0+60x20", f"{COMMITS}_seconds_total": "0+9x20"}, 11,
        "A commit takes 150ms on node-1.",
        {f"{COMMITS}s_total": "0+60x20", f"{COMMITS}_seconds_total": "0+6x20"},
    ),
    "SidespanWorkerRestarts": Case(
        {"sidespan_worker_starts_total": "1 2 3 4x9"}, 3,
        "The worker on node-1 ends again and again.",
        {"sidespan_worker_starts_total": "1 2 3x9"},
    ),
    "SidespanSinkFails": Case(
        {sink("sidespan_sink_failures"): "6x15"}, 10,
        "Nothing arrives at the sink far of node-1.",
        {sink("sidespan_sink_failures"): "5x15"}, FAR,
    ),
    "SidespanSinkBehind": Case(
        {sink("sidespan_sink_oldest_age_seconds"): "601x15"}, 10,
        "The sink far of node-1 is 10m 1s behind.",
        {sink("sidespan_sink_oldest_age_seconds"): "600x15"}, FAR,
    ),
    "SidespanSinkMissed": Case(
        {sink("sidespan_sink_missed_items_total"): "10x4 17x9"}, 5,
        "The sink far of node-1 will never get 8 items.",
        {sink("sidespan_sink_missed_items_total"): "7x9"}, FAR,
    ),
    "SidespanSinkRejects": Case(
        {sink("sidespan_sink_rejected_items_total"): "10x4 12x9"}, 5,
        "The sink far of node-1 refused 2 items for good.",
        {sink("sidespan_sink_rejected_items_total"): "2x9"}, FAR,
    ),
    "SidespanDeadLettersFull": Case(
        {sink("sidespan_sink_dead_letter_bytes"): f"{limits.DEAD_LETTER_BYTES_MAX - 1}x9"}, 0,
        "The dead letters of the sink far of node-1 run full.",
        {sink("sidespan_sink_dead_letter_bytes"): "60000000x9"}, FAR,
    ),
    "SidespanIndexBehind": Case(
        {"sidespan_index_lag_seconds": "61x15"}, 10, "Searches on node-1 are 1m 1s behind.",
        {"sidespan_index_lag_seconds": "60x15"},
    ),
    "SidespanAnchorFails": Case(
        {"sidespan_journal_failing_anchors": "1x15"}, 10,
        "A rollback of the store of node-1 may go unnoticed.",
        {"sidespan_journal_failing_anchors": "0x15"},
    ),
    "SidespanCheckpointsFail": Case(
        {"sidespan_journal_checkpoint_failures_total": "0 1x9"}, 1,
        "Records of node-1 are not covered by a checkpoint.",
        {"sidespan_journal_checkpoint_failures_total": "1x9"},
    ),
    "SidespanClockLeads": Case(
        {"sidespan_journal_hlc_lead_seconds": "1.5x15"}, 10,
        "The HLC of node-1 is 1.5s ahead of its clock.",
        {"sidespan_journal_hlc_lead_seconds": "1x15"},
    ),
    "SidespanMarksUnwatched": Case(
        {"sidespan_journal_unwatched_marks_total": "0 1x9"}, 1,
        "Open spans of node-1 found no room in their table.",
        {"sidespan_journal_unwatched_marks_total": "1x9"},
    ),
    "SidespanFilesRunOut": Case(
        {"process_open_fds": "81x9", "process_max_fds": "100x9"}, 5,
        "node-1 has used 81% of its descriptors.",
        {"process_open_fds": "80x9", "process_max_fds": "100x9"},
    ),
}  # fmt: skip


def shown(series: dict[str, str]) -> list[dict[str, str]]:
    """Return series as promtool takes them, each with the labels that every scrape adds."""
    common = ", ".join(f'{name}="{value}"' for name, value in JOB.items())
    found = []
    for one, values in series.items():
        name, _, own = one.partition("{")
        own = own.removesuffix("}")
        found.append({"series": f"{name}{{{own + ', ' if own else ''}{common}}}", "values": values})
    return found


def evaluated(directory: Path, *groups: dict[str, Any]) -> str:
    """Return what promtool finds wrong; empty when all is as expected."""
    require(shutil.which("promtool"), "promtool", "apt install prometheus")
    path = directory / "alerts_test.json"
    document = {"rule_files": [str(RULES_PATH)], "evaluation_interval": "1m", "tests": groups}
    path.write_text(json.dumps(document), encoding="utf-8")
    done = subprocess.run(
        ["promtool", "test", "rules", str(path)],
        capture_output=True, text=True, timeout=RUN_S_MAX, check=False,
    )  # fmt: skip
    return done.stdout + done.stderr if done.returncode else ""


def test_every_alert_has_its_case() -> None:
    """A new rule is tried out, or this fails."""
    assert CASES.keys() == RULES.keys()


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_an_alert_fires_when_it_should_and_not_before(tmp_path: Path, name: str) -> None:
    """It is silent a minute earlier, and for series that are just within bounds."""
    case = CASES[name]
    labels = {key: value for key, value in JOB.items() if key not in case.without}
    fires = {
        "exp_labels": {**labels, **case.labels, **RULES[name]["labels"]},
        "exp_annotations": {**RULES[name]["annotations"], "summary": case.said},
    }
    first = case.fires_at_min
    found = evaluated(
        tmp_path,
        {
            "interval": "1m",
            "input_series": shown(case.bad),
            "alert_rule_test": [
                {
                    "alertname": name,
                    "eval_time": f"{minute}m",
                    "exp_alerts": [fires] if minute == first else [],
                }
                for minute in (first - 1, first)
                if minute >= 0
            ],
        },
        {
            "interval": "1m",
            "input_series": shown(case.good),
            "alert_rule_test": [
                {"alertname": name, "eval_time": f"{minute}m", "exp_alerts": []}
                for minute in range(first, first + 5)
            ],
        },
    )

    assert found == ""


@pytest.mark.slow
def test_the_rules_are_what_prometheus_takes() -> None:
    """`promtool check rules` finds nothing, not even a rule that is there twice."""
    require(shutil.which("promtool"), "promtool", "apt install prometheus")
    checked = subprocess.run(
        ["promtool", "check", "rules", "--lint=all", "--lint-fatal", str(RULES_PATH)],
        capture_output=True, text=True, timeout=RUN_S_MAX, check=False,
    )  # fmt: skip

    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_reasons_that_alert_are_names_of_errors() -> None:
    """They are there at 0 from the start: a series that begins at 1 shows no increase."""
    metrics = Telemetry().exposition().decode()
    for name in ("SidespanRefuses", "SidespanCommitsFail"):
        _, _, rest = RULES[name]["expr"].partition("reason=")
        for reason in rest.partition('"')[2].partition('"')[0].split("|"):
            assert issubclass(getattr(errors, reason), errors.Unavailable)
            for door in ("ingest", "grpc", "http"):
                assert f'{REFUSED}{{door="{door}",reason="{reason}"}} 0.0\n' in metrics
