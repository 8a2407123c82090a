"""``ls``, ``show``, ``tail`` and ``receipt`` on a store that nobody writes."""

import json
from pathlib import Path

import pytest

from sidespand import token
from tests.unit.cli import stores
from tests.unit.cli.conftest import Run
from tests.unit.query import samples

TRACE_1 = samples.trace_id(1).hex()
TRACE_2 = samples.trace_id(2).hex()


def test_ls_lists_the_newest_trace_first(run: Run, data_dir: Path) -> None:
    """One line a trace, under a header, with what a person looks for."""
    outcome = run("ls", "--utc", "--data", data_dir)

    header, newest, older = outcome.out.splitlines()
    assert outcome.status == 0
    assert header.split() == [
        "TRACE", "START", "DURATION", "SPANS", "STATUS", "SERVICES", "NAME",
    ]  # fmt: skip
    assert newest.split() == [
        TRACE_2, "2026-09-21", "14:13:20.000+00:00", "1", "ms", "1", "ok", "worker",
        "orphan", "(root", "not", "recorded)",
    ]  # fmt: skip
    assert older.split() == [
        TRACE_1, "2026-09-21", "14:13:20.000+00:00", "1.5", "s", "4", "error", "1",
        "planner,worker", "plan",
    ]  # fmt: skip
    assert outcome.err == ""


def test_ls_as_json(run: Run, data_dir: Path) -> None:
    """The same facts by name."""
    document = run("ls", "--json", "-n", "1", "--data", data_dir).document

    (trace,) = document["traces"]
    assert trace["trace_id"] == TRACE_2
    assert (trace["span_count"], trace["error_count"], trace["status"]) == (1, 0, "ok")
    assert (trace["root_name"], trace["root_recorded"]) == ("orphan", False)
    assert document["scan"]["complete"] is True


def test_ls_says_where_it_stopped(
    run: Run, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list that did not read everything says so; --all reads everything."""
    monkeypatch.setattr("sidespand.cli.ls.LIST_BYTES_MAX", 1)

    outcome = run("ls", "--data", data_dir)
    everything = run("ls", "--all", "--data", data_dir)

    assert len(outcome.out.splitlines()) == 2
    assert "note: nothing before" in outcome.err
    assert "--all" in outcome.err
    assert run("ls", "--json", "--data", data_dir).document["scan"]["complete"] is False
    assert len(everything.out.splitlines()) == 3
    assert everything.err == ""


def test_ls_of_a_store_without_spans(run: Run, tmp_path: Path) -> None:
    """An empty list is an answer."""
    stores.write(tmp_path)

    assert run("ls", "--data", tmp_path)[:2] == (0, "")
    assert run("ls", "--json", "--data", tmp_path).document["traces"] == []


def test_show_draws_the_tree_with_stamps(run: Run, data_dir: Path) -> None:
    """Branches follow the parents; the header says who recorded, each line where."""
    outcome = run("show", TRACE_1[:8], "--utc", "--data", data_dir)
    lineage = run("status", "--json", "--data", data_dir).document["lineage"]

    title, facts, node, blank, header, *lines = outcome.out.splitlines()
    assert title == f"trace {TRACE_1}"
    assert facts == "2026-09-21 14:13:20.000+00:00 · 1.5 s · 4 spans · planner, worker · 1 error"
    assert node == f"node {stores.NODE_REF} · lineage {lineage} · generation 1"
    assert blank == ""
    assert header.split() == ["NAME", "SERVICE", "DURATION", "STATUS", "LSN", "HLC"]
    assert [line[:11].rstrip() for line in lines] == [
        "plan",
        "├─ call",
        "│  └─ work",
        "└─ sum up",
    ]
    # LSN 1 to 3 are the lineage, its generation and the producer.
    assert [line.split()[-2] for line in lines] == ["4", "5", "7", "6"]


def test_show_as_json_keeps_its_promised_fields(run: Run, data_dir: Path) -> None:
    """Other programs rely on exactly these names."""
    document = run("show", samples.span_id(3).hex(), "--json", "--data", data_dir).document
    status = run("status", "--json", "--data", data_dir).document

    assert document["trace_id"] == TRACE_1
    assert [span["name"] for span in document["spans"]] == ["plan", "call", "work", "sum up"]
    for span in document["spans"]:
        assert span.keys() >= {
            "span_id", "parent_span_id", "name", "service", "start_ns", "end_ns", "status",
            "attributes", "stamp",
        }  # fmt: skip
        assert span["stamp"].keys() == {
            "source_node_ref", "lineage", "boot_generation", "lsn", "hlc",
        }  # fmt: skip
        assert span["stamp"]["source_node_ref"] == stores.NODE_REF
        assert span["stamp"]["lineage"] == status["lineage"]
        assert span["stamp"]["boot_generation"] == 1
    work = document["spans"][2]
    assert work["parent_span_id"] == samples.span_id(2).hex()
    assert (work["service"], work["status"], work["stamp"]["lsn"]) == ("worker", "error", "7")
    assert int(work["end_ns"]) - int(work["start_ns"]) == 900_000_000


def test_show_last_is_the_trace_of_the_newest_span(run: Run, data_dir: Path) -> None:
    """Its generation is the second open's."""
    document = run("show", "last", "--json", "--data", data_dir).document

    (span,) = document["spans"]
    assert document["trace_id"] == TRACE_2
    assert span["stamp"]["boot_generation"] == 2
    assert span["parent_recorded"] is False
    assert "parent not recorded" in run("show", "last", "--data", data_dir).out


def test_show_counts_duplicates(run: Run, tmp_path: Path) -> None:
    """A span that was recorded in two generations stands once, each with its own stamp named."""
    stores.write(tmp_path, samples.request(samples.span(1), samples.span(2, parent=1)))
    stores.write(tmp_path, samples.request(samples.span(2, parent=1)))

    outcome = run("show", "last", "--data", tmp_path)

    assert "2 spans" in outcome.out
    assert "1 duplicate left out" in outcome.out
    assert outcome.out.count("node ") == 2
    assert "generation 2" in outcome.out.splitlines()[-1]
    assert run("show", "last", "--json", "--data", tmp_path).document["duplicate_count"] == 1


def test_show_says_when_it_did_not_read_everything(
    run: Run, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trace may have older spans than were looked for."""
    monkeypatch.setattr("sidespand.cli.show.FIND_QUIET_BYTES", 1)

    outcome = run("show", "last", "--data", data_dir)

    assert outcome.status == 0
    assert "note: nothing before" in outcome.err
    assert run("show", "last", "--all", "--data", data_dir).err == ""


@pytest.mark.parametrize("command", ["show", "receipt"])
@pytest.mark.parametrize(
    ("text", "status"), [("abcdef", 1), ("f" * 16, 1), ("e" * 32, 1), ("12345", 2), ("plan", 2)]
)
def test_an_id_that_names_nothing(
    run: Run, data_dir: Path, command: str, text: str, status: int
) -> None:
    """Not found is 1, no id at all is 2; both say what to do."""
    outcome = run(command, text, "--json", "--data", data_dir)

    assert (outcome.status, outcome.out) == (status, "")
    assert "hint: " in outcome.err


def test_an_ambiguous_prefix_is_an_error(run: Run, data_dir: Path) -> None:
    """The candidates stand on lines of their own."""
    outcome = run("show", "000000", "--data", data_dir)

    assert (outcome.status, outcome.out) == (2, "")
    assert f"\n  trace {TRACE_1}\n" in outcome.err
    assert f"\n  trace {TRACE_2}\n" in outcome.err


def test_tail_prints_the_newest_spans_in_log_order(run: Run, data_dir: Path) -> None:
    """The newest is last, as in a file."""
    lines = run("tail", "-n", "3", "--utc", "--data", data_dir).out.splitlines()

    assert len(lines) == 3
    assert [line.rpartition(":")[2] for line in lines] == ["6", "7", "10"]
    assert lines[1].split()[:7] == [
        "2026-09-21", "14:13:20.007+00:00", "worker", "work", "900", "ms", "error",
    ]  # fmt: skip


def test_tail_as_json_is_one_document_a_line(run: Run, data_dir: Path) -> None:
    """Each is a span with its stamp."""
    lines = run("tail", "--json", "--data", data_dir).out.splitlines()

    spans = [json.loads(line) for line in lines]
    assert [span["name"] for span in spans] == ["plan", "call", "sum up", "work", "orphan"]
    assert [span["stamp"]["lsn"] for span in spans] == ["4", "5", "6", "7", "10"]
    assert run("tail", "-n", "0", "--data", data_dir).out == ""


def test_receipt_states_identity_position_and_producer(run: Run, data_dir: Path) -> None:
    """What the journal recorded of one span; the token is that of its record's last item."""
    receipt = run("receipt", samples.span_id(2).hex(), "--json", "--data", data_dir).document
    status = run("status", "--json", "--data", data_dir).document

    identity = receipt["identity"]
    assert identity["source_node_ref"] == stores.NODE_REF
    assert identity["node_instance_id"] == "instance-1"
    assert (identity["lineage"], identity["boot_generation"]) == (status["lineage"], 1)
    assert receipt["position"] == f"{status['lineage']}:5"
    assert (receipt["lsn"], receipt["durability"]) == ("5", "none")
    decoded = token.decode(receipt["token"])
    assert decoded is not None
    assert (decoded.lineage.hex(), decoded.lsn) == (status["lineage"], 6)
    assert receipt["record"]["leaf"].startswith(decoded.tag.hex())
    assert receipt["producer"] == {
        "door": "ingest",
        "uid": 1000,
        "pid": 4321,
        "address": None,
        "tenant": None,
        "instance_id": None,
        "session_lsn": "3",
        "seq": None,
    }


def test_receipt_for_people(run: Run, data_dir: Path) -> None:
    """One fact a line."""
    outcome = run("receipt", "last", "--data", data_dir)

    facts = dict(line.split("  ", 1) for line in outcome.out.splitlines())
    assert facts["span"].strip() == samples.span_id(9).hex()
    assert facts["lsn"].strip() == "10"
    assert facts["record"].strip().endswith("item 1 of 1")
    assert facts["producer"].strip() == "door ingest, uid 1000, pid 4321"


def test_the_receipt_of_a_trace_lists_its_spans(run: Run, data_dir: Path) -> None:
    """A trace id gives where each span lies, and who recorded it."""
    receipt = run("receipt", TRACE_1, "--json", "--data", data_dir).document

    assert receipt["trace_id"] == TRACE_1
    assert [span["position"].rpartition(":")[2] for span in receipt["spans"]] == list("4567")
    assert [one["source_node_ref"] for one in receipt["recorders"]] == [stores.NODE_REF]
    assert receipt["node_order_evidence"][TRACE_1]["commit_lsn"] == "0/7"
    assert receipt["covered"] is False
    assert "not covered" in run("receipt", TRACE_1, "--data", data_dir).out
