"""Alert rules and dashboard: they parse, name what the daemon exposes, and lead to a runbook."""

import json
import re
from collections.abc import Iterator
from typing import Any

import promql_parser
import pytest
import yaml

from tests import configuration, metrics

MONITORING = metrics.ROOT / "monitoring"
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((MONITORING / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]
DASHBOARD = json.loads((MONITORING / "dashboard.json").read_text(encoding="utf-8"))
PAGE = metrics.PAGE.read_text(encoding="utf-8")
DOCUMENTED = metrics.documented(PAGE)
_RUNBOOK = "docs/operations.md#"


def expressions() -> Iterator[tuple[str, str]]:
    """Yield what is shown or alerted, and its expression."""
    for rule in RULES:
        yield rule["alert"], rule["expr"]
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"].replace("$__rate_interval", "5m")


def selected(node: Any) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield name and matched labels of every metric in a parsed expression."""
    if isinstance(node, promql_parser.MatrixSelector):
        node = node.vector_selector
    if isinstance(node, promql_parser.VectorSelector):
        yield node.name, {one.name: one.value for one in node.matchers.matchers}
    elif isinstance(node, promql_parser.Call):
        for argument in node.args:
            yield from selected(argument)
    elif isinstance(node, promql_parser.BinaryExpr):
        yield from selected(node.lhs)
        yield from selected(node.rhs)
    elif isinstance(node, promql_parser.AggregateExpr | promql_parser.ParenExpr):
        yield from selected(node.expr)


def anchors() -> list[str]:
    """Return the anchors of the sections that say what to do about an alert."""
    runbook = PAGE.split("\n## When an alert fires\n")[1].split("\n## ")[0]
    return [
        re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^### (.+)$", runbook, re.MULTILINE)
    ]


@pytest.mark.parametrize(("where", "expression"), list(expressions()))
def test_an_expression_names_metrics_and_labels_that_there_are(where: str, expression: str) -> None:
    """It parses, and each of its series exists with the labels that it asks for."""
    series = list(selected(promql_parser.parse(expression)))
    assert series
    for name, matched in series:
        if name == "up":
            continue
        known = {"instance", "job", *DOCUMENTED[name].labels}
        assert set(matched) <= known
        # Only what counts has a rate.
        if re.search(rf"(rate|increase)\({name}\b", expression):
            assert DOCUMENTED[name].kind == "counter"
    for group in re.findall(r"by \(([a-z, ]+)\)", expression):
        labels = {label for name, _ in series for label in DOCUMENTED[name].labels}
        assert set(group.split(", ")) <= labels | {"instance"}


def test_every_alert_leads_to_a_runbook_and_every_runbook_is_led_to() -> None:
    """Each has a section of its own or shares one; none is left without an alert."""
    linked = {rule["annotations"]["runbook"].removeprefix(_RUNBOOK) for rule in RULES}
    assert linked == set(anchors())


def test_an_alert_says_how_bad_it_is_and_what_holds() -> None:
    """Names are unique; what a summary shows is among the labels of its expression."""
    names = [rule["alert"] for rule in RULES]
    assert len(set(names)) == len(names)
    for rule in RULES:
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert re.fullmatch(r"\d+m", rule.get("for", "0m"))
        shown = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
        known = {
            label
            for name, _ in selected(promql_parser.parse(rule["expr"]))
            for label in ("instance", *(DOCUMENTED[name].labels if name != "up" else ()))
        }
        assert shown <= known, rule["alert"]


def test_panels_have_places_of_their_own() -> None:
    """Ids are unique, no two panels overlap, and each has a datasource that can be chosen."""
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])
        }
        assert not cells & taken
        assert place["x"] + place["w"] <= 24
        taken |= cells
        assert panel["datasource"]["uid"] == "${datasource}"


def test_the_dashboard_asks_for_no_variable_that_it_lacks() -> None:
    """Data source and node can be chosen, and every other variable is Grafana's own."""
    offered = {one["name"]: one["type"] for one in DASHBOARD["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(DASHBOARD)))

    assert offered == {"datasource": "datasource", "instance": "query"}
    assert used == {*offered, "__rate_interval", "__all"}


def test_the_pages_are_what_the_code_says() -> None:
    """`make reference` would change neither the configuration's page nor the table of metrics."""
    assert configuration.PAGE.read_text(encoding="utf-8") == configuration.page()
    assert metrics.written(PAGE) == PAGE


@pytest.mark.parametrize("name", list(DOCUMENTED))
def test_a_metric_is_named_as_collectors_name_them(name: str) -> None:
    """Counters end with `_total`, sizes with `_bytes`, times with `_seconds`."""
    kind = DOCUMENTED[name].kind
    assert (kind == "counter") == name.endswith("_total")
    assert not re.search(r"_(ms|us|ns|minutes|kib|mib|count)(_total)?$", name)
    assert set(DOCUMENTED[name].labels) <= {"door", "reason", "signal", "sink", "version"}
