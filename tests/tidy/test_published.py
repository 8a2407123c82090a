"""What a measurement publishes gets into its place on the page, and its picture can be read."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.bench import page
from tests.bench.chart import Panel, drawn


@pytest.mark.parametrize("name", ["bench-peers", "bench-losses", "bench-scale"])
def test_each_published_measurement_has_its_place_with_a_table(name: str) -> None:
    """docs/benchmarks.md has what was measured between the two comments."""
    text = page.PAGE.read_text(encoding="utf-8")

    _, _, rest = text.partition(f"<!-- {name} -->\n")
    inside, ended, _ = rest.partition(f"<!-- /{name} -->")
    assert ended
    assert "\n| --- |" in inside


def test_a_place_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    """What stands around it stays, and a page without the place stays as it is."""
    path = tmp_path / "page.md"
    path.write_text("before\n<!-- one -->\nold\n<!-- /one -->\nafter\n", encoding="utf-8")

    page.put("one", "new", path)
    with pytest.raises(ValueError, match="no place for two"):
        page.put("two", "new", path)

    expected = "before\n<!-- one -->\nnew\n<!-- /one -->\nafter\n"
    assert path.read_text(encoding="utf-8") == expected


def test_a_picture_has_a_bar_and_a_number_for_each_value() -> None:
    """It is well-formed, whatever the names hold, and bars are as long as their values say."""
    groups = {"10x10": {"a & b": 1000.0, "<c>": 500.0}}

    root = ET.fromstring(drawn("A <title>", [Panel("one", groups)]))
    rects = [one for one in root if one.tag.endswith("rect") and one.get("height") != "12"]
    texts = {one.text for one in root if one.tag.endswith("text")}

    widths = [float(one.get("width", "0")) for one in rects]
    assert widths == [pytest.approx(2 * widths[1], abs=0.2), widths[1]]
    assert {"a & b", "<c>", "1,000", "500", "A <title>", "one", "10x10"} <= texts
