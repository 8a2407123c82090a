"""What people ask in SQL reads and nothing else, and comes to an end."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidespand.errors import InvalidRequest, Unavailable
from sidespand.index import questions
from sidespand.index.reader import IndexReader
from sidespand.search import parse
from tests import indexes
from tests.unit.index.test_traces import TRACE, span_id, spans

ENDLESS = "WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c)"


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IndexReader]:
    """An index of one span, whose questions have a quarter of a second."""
    path = tmp_path_factory.mktemp("sql") / "index.sqlite"
    indexes.index_of(path, [spans({"number": 1, "name": "print the format"})]).close()
    found = IndexReader(path, 0.25)
    yield found
    found.close()


@pytest.mark.parametrize(
    "text",
    [
        "SELECT printf('%.*c', 1000000000, 'x')",
        "SELECT FORMAT('%.*c', 1000000000, 'x') FROM spans",
        "WITH spans AS (SELECT printf('%.*c', 1000000000, 'x')) SELECT * FROM spans",
        "WITH links AS (SELECT \"printf\"('%.*c', 1000000000, 'x')) SELECT * FROM links",
        "SELECT * FROM (SELECT printf('%.*c', 1000000000, 'x')) AS spans",
    ],
)
def test_what_no_clock_can_stop_is_refused(reader: IndexReader, text: str) -> None:
    """One call of it would go on for half a minute, whoever waits."""
    with pytest.raises(InvalidRequest, match="not authorized"):
        reader.sql(text)


def test_what_the_views_are_made_with_stays_theirs(reader: IndexReader) -> None:
    """Ids are readable, and a text may speak of formats."""
    expected = ((TRACE.hex(), span_id(1).hex()),)
    for text in (
        "SELECT trace_id, span_id FROM spans WHERE name LIKE '%print%format%'",
        "WITH found AS (SELECT * FROM spans) SELECT trace_id, span_id FROM found",
    ):
        assert reader.sql(text).rows == expected
    listed = reader.sql("SELECT name FROM sqlite_master WHERE type = 'view'").rows
    assert {name for (name,) in listed} == questions.VIEWS


@pytest.mark.parametrize(
    "tail", ["SELECT count(*) FROM c", "SELECT max(x), group_concat(x) FROM c"]
)
def test_a_question_without_an_end_is_broken_off(reader: IndexReader, tail: str) -> None:
    """The answer says so, and the next question is answered."""
    with pytest.raises(Unavailable, match="too long"):
        reader.sql(f"{ENDLESS} {tail}")
    assert reader.sql("SELECT 1").rows == ((1,),)


def test_rows_that_were_found_before_are_an_answer(reader: IndexReader) -> None:
    """Up to the limit, and that there are more is said."""
    found = reader.sql(f"{ENDLESS} SELECT x FROM c", 5)
    assert (found.rows, found.truncated) == (((1,), (2,), (3,), (4,), (5,)), True)
    rest = reader.sql(f"{ENDLESS} SELECT x FROM c WHERE x < 3 OR x < 0")
    assert (rest.rows[0], rest.truncated) == ((1,), True)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT char(55296)",
        "SELECT 1\0",
        "SELECT '\ud800'",
        "SELECT * FROM pragma_table_info('span')",
        "PRAGMA writable_schema = 1",
        "PRAGMA query_only = 0",
        "VACUUM INTO '/nonexistent/x'",
        "BEGIN IMMEDIATE",
        "CREATE TEMP TABLE x (y)",
        "CREATE TEMP VIEW x AS SELECT 1",
        "DETACH main",
        "ANALYZE",
        "REINDEX",
        "SELECT randomblob(1000000)",
        "SELECT fts3_tokenizer('simple')",
        "SELECT '" + "x" * 70_000 + "'",
        # Sixteen mebibytes, of which each row is twice the one before.
        (
            "WITH RECURSIVE c (n, s) AS (SELECT 0, 'sixteen letters.' UNION ALL"
            " SELECT n + 1, s || s FROM c WHERE n < 20) SELECT max(length(s)) FROM c"
        ),
    ],
)
def test_what_is_no_question_is_refused(reader: IndexReader, text: str) -> None:
    """In words, whatever SQLite or the module makes of it."""
    with pytest.raises(InvalidRequest, match="sql"):
        reader.sql(text)


@pytest.mark.parametrize("place", ["NaN", "Infinity", "-Infinity", "1e400", str(2**63), '"1"'])
@pytest.mark.parametrize("listed", ["traces", "spans"])
def test_a_place_that_no_page_gave_is_refused(reader: IndexReader, listed: str, place: str) -> None:
    """What is in no order is no place in one."""
    for after in (f"[{place}, 1]", json.dumps([1, place])):
        with pytest.raises(InvalidRequest, match="after"):
            getattr(reader, listed)(parse(""), None, 5, after)


def test_nothing_is_written_by_who_reads(tmp_path: Path) -> None:
    """Neither the file nor anything beside it, with the authorizer out of the way, too."""
    path = tmp_path / "index.sqlite"
    found = indexes.index_of(path, [spans({"number": 1})])
    before = path.read_bytes()
    with found._connections.asked() as db:
        for text in ("DELETE FROM span", "CREATE TABLE x (y)", "UPDATE meta SET value = 1"):
            with pytest.raises(Exception, match="readonly"):
                db.execute(text)
    found.close()
    assert path.read_bytes() == before
