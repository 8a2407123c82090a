"""`last` names the newest span, or its trace, in every question of order."""

from pathlib import Path

from tests.unit.cli.conftest import Run


def test_the_order_of_the_newest_trace(run: Run, data_dir: Path) -> None:
    """As if its id had been given."""
    named = run("show", "last", "--data", data_dir, "--json").document["trace_id"]
    last = run("order", "last", "--data", data_dir, "--json").document

    assert last["trace_id"] == named
    assert last == run("order", named, "--data", data_dir, "--json").document


def test_the_newest_span_in_a_comparison(run: Run, data_dir: Path) -> None:
    """On either side."""
    newest = run("receipt", "last", "--data", data_dir, "--json").document
    spans = [
        span["span_id"]
        for trace in run("ls", "--data", data_dir, "--json").document["traces"]
        for span in run("show", trace["trace_id"], "--data", data_dir, "--json").document["spans"]
    ]
    other = next(one for one in spans if one != newest["span_id"])
    for command in ("compare", "explain"):
        for pair in (("last", other), (other, "last")):
            named = [newest["span_id"] if one == "last" else one for one in pair]
            found = run(command, *pair, "--data", data_dir, "--json")
            assert found.document == run(command, *named, "--data", data_dir, "--json").document
            assert found.status == 0
