from datetime import timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidespand.errors import InvalidRequest
from sidespand.limits import SEARCH_VALUES_MAX
from sidespand.search import FIELDS, Query, Sort, Term, Value, parse, sort_by, text
from sidespand.search_fields import KINDS, SCOPES, SORTS, STATUSES

NOW_NS = 1_790_000_000_000_000_000


def test_a_line_is_what_its_terms_say() -> None:
    """Fields, values, operators, negation, scope, times and order come out as they are written."""
    query = parse(
        'kind:llm,tool model:gpt-* -status:error cost:>0.01 dur:>=2s tokens.in:<8k user:"a b"'
        " attr.http.route:/v1 scope:span since:10m sort:-cost",
        NOW_NS,
    )
    assert query == Query(
        terms=(
            Term("kind", values=(Value("llm"), Value("tool"))),
            Term("model", values=(Value("gpt-*", glob=True),)),
            Term("status", values=(Value("error"),), negated=True),
            Term("cost", op=">", number=0.01),
            Term("dur", op=">=", number=2_000_000_000),
            Term("tokens.in", op="<", number=8000),
            Term("user", values=(Value("a b"),)),
            Term("attr", "http.route", values=(Value("/v1"),)),
        ),
        scope="span",
        since_ns=NOW_NS - 600_000_000_000,
        sort=Sort("cost", descending=True),
    )


def test_what_has_no_field_is_looked_for_as_text() -> None:
    """Bare words and words between quotation marks are texts; a star in the latter is a star."""
    assert parse('refund "as * it is"').terms == (
        Term("text", values=(Value("refund"),)),
        Term("text", values=(Value("as * it is"),)),
    )


@pytest.mark.parametrize(
    ("written", "at_ns"),
    [
        ("1970-01-02", 86_400_000_000_000),
        ("1970-01-01T01:00", 3_600_000_000_000),
        ("1970-01-01T01:00:00.000000001Z", 3_600_000_000_001),
        ("1970-01-01T01:00+01:00", 0),
    ],
)
def test_a_time_is_in_the_zone_that_is_given_unless_it_names_an_offset(
    written: str, at_ns: int
) -> None:
    """Without a zone it is UTC; an offset goes before the zone; nanoseconds are kept."""
    assert parse(f"since:{written}").since_ns == at_ns
    zone = timezone(timedelta(hours=-2))
    given = written.endswith(("Z", "+01:00"))
    assert parse(f"until:{written}", 0, zone).until_ns == at_ns + (0 if given else 7200 * 10**9)


def test_a_time_in_summer_has_the_zone_s_summer_offset() -> None:
    """The offset is that of the day which is meant."""
    zone = ZoneInfo("Europe/Lisbon")
    june = parse("since:2026-06-01T12:00", NOW_NS, zone).since_ns
    assert june == parse("since:2026-06-01T12:00+01:00").since_ns


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("modle:gpt", ["character 1", "did you mean model?"]),
        ("kind:llm status:eror", ["character 10", "did you mean error?"]),
        ("dur:>2", ["2s"]),
        ("model:>3", ["model is none"]),
        ("has:eror", ["did you mean error?"]),
        ("has:attr.app.key,cost", ["a term of its own"]),
        ("model:" + ",".join("a" * (SEARCH_VALUES_MAX + 1)), ["at most", "values"]),
        ("trace:12", ["6 to 32"]),
        ("sort:-dura", ["did you mean dur?"]),
        ('name:"open', ["character 6"]),
        ("-since:1h", ["no opposite"]),
        ("since:2026-02-30", ["no such day"]),
        ("kind:", ["missing"]),
        ("a:b", ["no field 'a'"]),
        ("attr:x", ["no field 'attr'"]),
        ("*", ["everything"]),
    ],
)
def test_what_is_no_query_is_refused_with_its_place_and_what_was_meant(
    line: str, words: list[str]
) -> None:
    """The message names the character, and the nearest word where there is one."""
    with pytest.raises(InvalidRequest) as refused:
        parse(line)
    assert all(word in str(refused.value) for word in words), str(refused.value)


def test_an_order_is_named_alone_too() -> None:
    """The parameter of a list is the same word as behind ``sort:``."""
    assert sort_by("-dur") == Sort("dur", descending=True)
    with pytest.raises(InvalidRequest):
        sort_by("-size")


@given(st.text(max_size=200))
def test_no_text_raises_anything_else(line: str) -> None:
    """Whatever is typed is a query or refused."""
    try:
        query = parse(line, NOW_NS)
    except InvalidRequest:
        return
    assert parse(text(query)) == query


_WORDS = [one.name for one in FIELDS if one.kind == "word" and one.name not in ("attr", "resource",
                                                                                "has")]  # fmt: skip
_values = st.lists(
    st.one_of(st.text(min_size=1, max_size=20).map(Value), st.just(Value("gpt-*", glob=True))),
    min_size=1,
    max_size=3,
).map(tuple)
_terms = st.one_of(
    st.builds(Term, st.sampled_from(_WORDS), values=_values, negated=st.booleans()),
    st.builds(Term, st.just("kind"), values=st.sampled_from(KINDS).map(lambda one: (Value(one),))),
    st.builds(
        Term, st.just("status"), values=st.sampled_from(STATUSES).map(lambda one: (Value(one),))
    ),
    st.builds(
        Term,
        st.sampled_from(["dur", "tokens.in"]),
        op=st.sampled_from(["=", ">", ">=", "<", "<="]),
        number=st.integers(0, 10**17),
    ),
    st.builds(Term, st.just("attr"), st.just("app.key/1"), values=_values),
)
_queries = st.builds(
    Query,
    st.lists(_terms, max_size=5).map(tuple),
    st.sampled_from(["", *SCOPES]),
    st.one_of(st.none(), st.integers(0, 4 * 10**18)),
    st.one_of(st.none(), st.integers(0, 4 * 10**18)),
    st.one_of(st.none(), st.builds(Sort, st.sampled_from(SORTS), st.booleans())),
)


@given(_queries)
def test_a_query_and_its_text_are_one(query: Query) -> None:
    """What is written of a query is read as the same query, whenever and wherever."""
    assert parse(text(query), NOW_NS, timezone(timedelta(hours=3))) == query
