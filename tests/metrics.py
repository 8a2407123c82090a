"""What ``/metrics`` has, and docs/operations.md's table of it: ``python -m tests.metrics``.

The table is written from what the daemon declares; a test compares it with a real scrape.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from sidespand.telemetry import Telemetry

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/operations.md"
_TABLE = re.compile(r"(\| metric \| type \| labels \| meaning \|\n\|[-|]+\|\n)((?:\|.*\n)+)")
_ROW = re.compile(r"^\| `(\w+)` \| (\w+) \| (.*?) \| (.*) \|$", re.MULTILINE)
_OWN = ("sidespan_", "process_")


class Described(NamedTuple):
    """One metric.

    Args:
        kind: Of Prometheus.
        labels: Sorted.
        meaning: One sentence.
    """

    kind: str
    labels: tuple[str, ...]
    meaning: str


def scraped(text: str) -> dict[str, Described]:
    """Return the metrics of an exposition by the names of their samples.

    One that has no sample yet is left out: nothing tells its labels.
    """
    found: dict[str, Described] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = tuple(sorted(sample.labels))
            found[sample.name] = Described(family.type, labels, family.documentation)
    return found


def documented(page: str) -> dict[str, Described]:
    """Return what the table of a page says."""
    match = _TABLE.search(page)
    assert match is not None
    return {
        name: Described(kind, tuple(re.findall(r"\w+", labels)), meaning)
        for name, kind, labels, meaning in _ROW.findall(match[2])
    }


def written(page: str) -> str:
    """Return a page with its table as it should be."""
    rows = "".join(f"{row}\n" for row in _rows(Telemetry()))
    return _TABLE.sub(lambda found: found[1] + rows, page)


def named(expression: str) -> set[str]:
    """Return the names of metrics in an expression of PromQL."""
    return set(re.findall(rf"\b(?:{'|'.join(_OWN)})\w+", expression))


def _rows(telemetry: Telemetry) -> Iterable[str]:
    for collector, names in telemetry.registry._collector_to_names.items():
        labels = sorted(getattr(collector, "_labelnames", ()))
        if not labels and not hasattr(collector, "_labelnames"):
            yield from (_row(family, ()) for family in collector.collect())
            continue
        (family,) = collector.collect()
        assert names
        # An Info shows its keys as labels, which are known when it is set.
        yield _row(family, ["version"] if family.type == "info" else labels)


def _row(family: Metric, labels: Iterable[str]) -> str:
    suffix = {"counter": "_total", "info": "_info"}.get(family.type, "")
    # The text format that everything scrapes has no type of its own for it.
    kind = "gauge" if family.type == "info" else family.type
    shown = ", ".join(f"`{label}`" for label in labels)
    return f"| `{family.name}{suffix}` | {kind} | {shown} | {family.documentation} |"


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
