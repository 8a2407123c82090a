"""Directories of AITrace exports: what is missing, and what was altered."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sidespand.audit import exports
from sidespand.audit.report import Fault, Report
from sidespand.cli.command import main
from sidespand.clock import SystemClock
from sidespand.limits import RECEIPT_BYTES_MAX
from sidespand.sinks.aitrace_document import Anchors
from sidespand.sinks.aitrace_file import AitraceFileSink, Settings
from sidespand.sinks.aitrace_pending import Waits
from tests.journals import content, records, run
from tests.otlp import encoded


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Return a directory that the sink has written three traces to."""

    async def test() -> None:
        settings = Settings(tmp_path / "traces", Waits(0.0, 0.0, 0.0), Anchors())
        sink = AitraceFileSink(settings, tmp_path, lambda *_: {}, SystemClock())
        await sink.deliver(records([content(encoded(2)) for _ in range(3)]))
        await sink.close()

    run(test())
    return tmp_path / "traces"


def pair(directory: Path) -> tuple[Path, Path]:
    """Return the first trace's file and its receipt."""
    receipt = min(directory.glob("*.evidence.json"))
    return receipt.with_name(receipt.name.replace(".evidence.json", ".json")), receipt


def faults(report: Report) -> list[tuple[Fault, str]]:
    """Return what is wrong, and where."""
    return [(one.code, one.where) for one in report.findings]


def test_whole_pairs_are_in_order(directory: Path) -> None:
    """Every file has the hash and the size that its receipt says."""
    report = exports.verify(directory)
    assert exports.looks_like(directory)
    assert not report.findings
    assert report.facts == {
        "complete?": True,
        "trace_exports": {
            "complete?": True,
            "artifact_count": 3,
            "evidence_count": 3,
            "missing_evidence_receipts": [],
            "missing_trace_artifacts": [],
        },
        "replay_bundles": {
            "complete?": True,
            "artifact_count": 0,
            "evidence_count": 0,
            "missing_evidence_receipts": [],
            "missing_trace_artifacts": [],
        },
    }
    assert report.established == ["3 files have the hash and the size that stand beside them"]


def test_both_halves_of_a_pair_are_missed(directory: Path) -> None:
    """A file without receipt and a receipt without file are named, as AITrace names them."""
    artifact, receipt = pair(directory)
    other = sorted(directory.glob("*.evidence.json"))[1]
    artifact.unlink()
    other.unlink()

    report = exports.verify(directory)

    assert faults(report) == [
        (Fault.RECEIPT_MISSING, other.name),
        (Fault.ARTIFACT_MISSING, artifact.name),
    ]
    assert receipt.exists()
    assert report.facts["code"] == "incomplete_export_pairs"
    assert report.facts["trace_exports"]["missing_evidence_receipts"] == [other.name]
    assert report.facts["trace_exports"]["missing_trace_artifacts"] == [artifact.name]


def flip(body: bytes) -> bytes:
    """Return a body with one bit of its middle changed."""
    middle = len(body) // 2
    return body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]


@pytest.mark.parametrize("alter", [flip, lambda body: body[:-1], lambda body: body + b"\n"])
def test_altered_bytes_are_found(directory: Path, alter: Callable[[bytes], bytes]) -> None:
    """One bit, one byte less and one byte more are each told with the name of the file."""
    artifact, _ = pair(directory)
    artifact.write_bytes(alter(artifact.read_bytes()))
    assert faults(exports.verify(directory)) == [(Fault.ARTIFACT_ALTERED, artifact.name)]


def test_a_receipt_of_another_file_is_found(directory: Path) -> None:
    """Pairs that changed places do not pass, though each hash is that of some file."""
    artifact, receipt = pair(directory)
    artifact.rename(artifact.with_name("moved.json"))
    receipt.rename(receipt.with_name("moved.evidence.json"))
    assert faults(exports.verify(directory)) == [(Fault.RECEIPT_INVALID, "moved.evidence.json")]


def without(key: str) -> Callable[[dict[str, Any]], Any]:
    """Return what removes a key."""
    return lambda told: {name: value for name, value in told.items() if name != key}


@pytest.mark.parametrize(
    "alter",
    [
        without("trace_artifact_sha256"),
        without("trace_artifact_ref"),
        lambda told: [told],
        lambda told: {**told, "trace_artifact_bytes": "many"},
        lambda told: {**told, "padding": "x" * RECEIPT_BYTES_MAX},
        lambda told: {**told, "trace_artifact_ref": "../" + told["trace_artifact_ref"]},
    ],
)
def test_a_receipt_that_is_none_is_found(
    directory: Path, alter: Callable[[dict[str, Any]], Any]
) -> None:
    """Missing fields, other types, names elsewhere and endless ones are faults, not errors."""
    _, receipt = pair(directory)
    receipt.write_text(json.dumps(alter(json.loads(receipt.read_bytes()))))
    assert (Fault.RECEIPT_INVALID, receipt.name) in faults(exports.verify(directory))


def test_bundles_are_checked_too(directory: Path) -> None:
    """A replay bundle is a pair of its own, under names of its own."""
    bundles = directory / "replay_bundles"
    bundles.mkdir()
    (bundles / "b.json").write_bytes(b"{}")
    (bundles / "b.evidence.json").write_text(
        json.dumps(
            {
                "replay_bundle_artifact_ref": "b.json",
                "evidence_receipt_ref": "b.evidence.json",
                "replay_bundle_artifact_sha256": "0" * 64,
                "replay_bundle_artifact_bytes": 2,
            }
        )
    )
    assert faults(exports.verify(directory)) == [(Fault.ARTIFACT_ALTERED, "replay_bundles/b.json")]


def test_links_are_not_followed(directory: Path, tmp_path: Path) -> None:
    """A link in the directory is no export: what it names is not read."""
    (tmp_path / "secret.json").write_bytes(b"{}")
    (directory / "link.json").symlink_to(tmp_path / "secret.json")
    assert not exports.verify(directory).findings


def test_the_command_knows_such_a_directory(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """``sidespan verify DIR`` says what is wrong and exits with 1; before, with 0."""
    assert main(["verify", str(directory)]) == 0
    assert "exports " in capsys.readouterr().out
    artifact, _ = pair(directory)
    artifact.write_bytes(b"{}")
    assert main(["verify", str(directory), "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert [one["code"] for one in document["findings"]] == ["artifact-altered"]


@pytest.mark.parametrize("name", [None, "order:42_1795274139.json"])
def test_a_directory_without_any_receipt_is_known(
    directory: Path, name: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    """Files of our sink, or of AITrace itself, are told to lack theirs."""
    for receipt in directory.glob("*.evidence.json"):
        receipt.unlink()
    if name is not None:
        for number, artifact in enumerate(sorted(directory.iterdir())):
            artifact.rename(directory / f"{number}{name}")
    assert main(["verify", str(directory), "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert [one["code"] for one in document["findings"]] == ["receipt-missing"] * 3
