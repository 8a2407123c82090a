"""The fault catalogue and the tests that guard it belong together."""

from tests import catalogue


def test_every_fault_has_a_test() -> None:
    """None of the 42 rows is without one, and no test names a row that is not there."""
    assert sorted(catalogue.guards()) == list(catalogue.ROWS)


def test_the_page_lists_the_tests() -> None:
    """docs/faults.md has every row, and what `python -m tests.catalogue` writes of the tests."""
    page = catalogue.PAGE.read_text(encoding="utf-8")

    assert sorted(catalogue.listed(page)) == list(catalogue.ROWS)
    assert page == catalogue.written(page)
