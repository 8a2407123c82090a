"""Tokens and the headers of W3C Trace Context. Stated, not computed."""

from collections.abc import Mapping
from typing import Any

Document = dict[str, Any]

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
LINEAGE, TAG = "00112233445566aa", "000102030405060708090a0b0c0d0e0f"
HLC = "18d4f3a6c8e20000" + "00000007"
TOKEN = f"1-{LINEAGE}-1f-{HLC}-{TAG}"
LONGEST = f"1-{LINEAGE}-ffffffffffffffff-{'f' * 24}-{TAG}"
_MEMBERS_MAX = 32


def tokens() -> Document:
    """Return tokens.json."""
    return {
        "valid": [
            {
                "text": text,
                "lineage": LINEAGE,
                "lsn": lsn,
                "hlc_wall_ns": wall,
                "hlc_logical": logical,
                "tag": TAG,
            }
            for text, lsn, wall, logical in (
                (TOKEN, "31", str(int(HLC[:16], 16)), "7"),
                (LONGEST, str(2**64 - 1), str(2**64 - 1), str(2**32 - 1)),
                (f"1-{LINEAGE}-1-{'0' * 24}-{TAG}", "1", "0", "0"),
            )
        ],
        "invalid": [
            {"name": name, "text": text}
            for name, text in (
                ("empty", ""),
                ("another version", "2" + TOKEN[1:]),
                ("upper case", TOKEN.replace("aa", "AA")),
                ("LSN 0", TOKEN.replace("-1f-", "-0-")),
                ("LSN with a leading zero", TOKEN.replace("-1f-", "-01f-")),
                ("LSN of 17 digits", TOKEN.replace("-1f-", "-11111111111111111-")),
                ("short tag", TOKEN[:-1]),
                ("long tag", TOKEN + "0"),
                ("white space before", " " + TOKEN),
                ("a line end after", TOKEN + "\n"),
                ("a digit of another script", TOKEN.replace("1f", "\u0661f")),
            )
        ],
        "carried": [
            {"name": name, "text": text, "carried": carried}
            for name, text, carried in (
                ("a token", TOKEN, True),
                ("a token of a later version", "2-anything.at+all", True),
                ("119 characters", "t" * 119, True),
                ("120 characters: the member is over 128", "t" * 120, False),
                ("nothing", "", False),
                ("a comma", "a,b", False),
                ("an equals sign", "a=b", False),
                ("a space at the end", "a ", False),
                ("a line end", "a\n", False),
                ("not ASCII", "\u00e9", False),
            )
        ],
    }


def tracestate() -> Document:
    """Return tracestate.json."""
    return {
        "traceparent": _traceparent(),
        "traceparent_written": [
            {
                "trace_id": TRACE,
                "span_id": SPAN,
                "flags": flags,
                "text": f"00-{TRACE}-{SPAN}-{text}",
            }
            for flags, text in ((0, "00"), (1, "01"), (3, "03"), (0xFF, "03"))
        ],
        "parse": _parse(),
        "with_token": _with_token(),
        "find_token": _find(),
    }


def _traceparent() -> list[Document]:
    def case(name: str, text: str, flags: int | None = None) -> Document:
        parsed = None if flags is None else {"trace_id": TRACE, "span_id": SPAN, "flags": flags}
        return {"name": name, "text": text, "expected": parsed}

    good = f"00-{TRACE}-{SPAN}-01"
    return [
        case("sampled", good, 1),
        case("not sampled", f"00-{TRACE}-{SPAN}-00", 0),
        case("random trace id", f"00-{TRACE}-{SPAN}-03", 3),
        case("unknown flags are not kept", f"00-{TRACE}-{SPAN}-ff", 3),
        case("a later version", f"cc-{TRACE}-{SPAN}-01", 1),
        case("a later version with more", f"cc-{TRACE}-{SPAN}-01-what comes", 1),
        case("a later version that goes on without a dash", f"cc-{TRACE}-{SPAN}-01what"),
        case("version ff", f"ff-{TRACE}-{SPAN}-01"),
        case("version 00 with more", f"{good}-more"),
        case("a dash at the end", f"{good}-"),
        case("a line end", f"{good}\n"),
        case("white space before", f" {good}"),
        case("upper case", good.upper()),
        case("no trace id", f"00-{'0' * 32}-{SPAN}-01"),
        case("no span id", f"00-{TRACE}-{'0' * 16}-01"),
        case("short", good[:-1]),
        case("not hexadecimal", f"00-{TRACE[:-1]}g-{SPAN}-01"),
        case("empty", ""),
    ]


def _parse() -> list[Document]:
    def case(name: str, text: str, expected: str) -> Document:
        return {"name": name, "text": text, "expected": expected}

    many = ",".join(f"k{number}=v" for number in range(_MEMBERS_MAX))
    return [
        case("one member", "a=1", "a=1"),
        case("order is kept", "b=2,a=1", "b=2,a=1"),
        case("white space around members goes", " a=1\t, b=2 ", "a=1,b=2"),
        case("white space within a value stays", "a=1 2,b= 3", "a=1 2,b= 3"),
        case("empty members go", ",a=1,,b=2,", "a=1,b=2"),
        case("a tenant's key", "fw529a3039@dt=x", "fw529a3039@dt=x"),
        case("32 members", many, many),
        case("33 members", f"{many},one=more", ""),
        case("a repeated key", "a=1,b=2,a=3", ""),
        case("an upper-case key", "A=1", ""),
        case("no value", "a=", ""),
        case("no equals sign", "a", ""),
        case("an equals sign in a value", "a=b=c", ""),
        case("not ASCII", "a=\u00e9", ""),
        case("a control character", "a=1\x01", ""),
        case("a value of 256 characters", f"a={'v' * 256}", f"a={'v' * 256}"),
        case("a value of 257 characters", f"a={'v' * 257}", ""),
        case("nothing", "", ""),
    ]


def _with_token() -> list[Document]:
    def case(name: str, text: str, token: str, expected: str) -> Document:
        return {"name": name, "tracestate": text, "token": token, "expected": expected}

    many = [f"k{number}=v" for number in range(_MEMBERS_MAX)]
    return [
        case("into nothing", "", TOKEN, f"sidespan={TOKEN}"),
        case("to the left of the others", "a=1,b=2", TOKEN, f"sidespan={TOKEN},a=1,b=2"),
        case("instead of an older one", "a=1,sidespan=old,b=2", TOKEN, f"sidespan={TOKEN},a=1,b=2"),
        case(
            "the rightmost of 32 goes",
            ",".join(many),
            TOKEN,
            ",".join([f"sidespan={TOKEN}", *many[:-1]]),
        ),
        case("none is known", "a=1,sidespan=old", "", "a=1,sidespan=old"),
        case("a like name is another's", "sidespan2=x", TOKEN, f"sidespan={TOKEN},sidespan2=x"),
    ]


def _find() -> list[Document]:
    def case(name: str, text: str, expected: str | None) -> Document:
        return {"name": name, "tracestate": text, "expected": expected}

    return [
        case("alone", f"sidespan={TOKEN}", TOKEN),
        case("among others, with white space", f"a=1 ,\tsidespan={TOKEN} ,b=2", TOKEN),
        case("the leftmost of two", f"sidespan={TOKEN},sidespan=2", TOKEN),
        case("none", "a=1,b=sidespan", None),
        case("a like name", f"sidespan2={TOKEN}", None),
        case("a tenant's", f"sidespan@x={TOKEN}", None),
    ]


FILES: Mapping[str, Document] = {"tokens.json": tokens(), "tracestate.json": tracestate()}
