"""What a client decides: by an answer, by a bound, by its environment. Stated, not computed."""

from collections.abc import Mapping, Sequence
from typing import Any

Document = dict[str, Any]

KIB = 1024
_STORED, _DROPPED, _KEPT = "stored", "dropped", "kept"
_KEEP, _REOPEN = "keep", "reopen"
# How long a client stays away that was refused as a session.
_REFUSED_MS = 5000


def retry() -> Document:
    """Return retry.json."""
    return {
        "answers": _answers(),
        "statuses": _statuses(),
        "resume": _resume(),
        "back_off_ms": [100, 200, 400, 800, 1600, 3200, 5000, 5000],
    }


def _answers() -> list[Document]:
    def case(
        name: str, answer: Document, spans: str, connection: str, wait_ms: int = 0
    ) -> Document:
        return {
            "name": name,
            "answer": answer,
            "decision": {"spans": spans, "connection": connection, "wait_ms": wait_ms},
        }

    def nack(code: str, number: int, wait_ms: int = 0, seq: str = "1") -> Document:
        return {
            "type": "NACK",
            "seq": seq,
            "code": code,
            "code_number": number,
            "retry_after_ms": wait_ms,
        }

    return [
        case("stored", {"type": "ACK", "seq": "1"}, _STORED, _KEEP),
        case("stored before", {"type": "ACK", "seq": "1", "duplicate": True}, _STORED, _KEEP),
        case(
            "a part of it refused", {"type": "ACK", "seq": "1", "rejected_items": 1}, _STORED, _KEEP
        ),
        case("malformed", nack("INVALID", 1), _DROPPED, _KEEP),
        case("too large: the daemon closes", nack("TOO_LARGE", 2), _DROPPED, _REOPEN),
        case("a full disk", nack("UNAVAILABLE", 3, 1500), _KEPT, _KEEP, 1500),
        case("away for an hour", nack("UNAVAILABLE", 3, 3_600_000), _KEPT, _KEEP, 60_000),
        case("a seq is owed", nack("OUT_OF_ORDER", 4, 1000), _KEPT, _REOPEN, 1000),
        case("not allowed, for good", nack("PERMISSION_DENIED", 6), _DROPPED, _KEEP),
        case("a later code, for good", nack("", 99), _DROPPED, _KEEP),
        case("a later code, for now", nack("", 99, 250), _KEPT, _KEEP, 250),
        case("another version", nack("VERSION", 5, seq="0"), _KEPT, _REOPEN, _REFUSED_MS),
        case(
            "the instance is another user's",
            nack("PERMISSION_DENIED", 6, seq="0"),
            _KEPT,
            _REOPEN,
            _REFUSED_MS,
        ),
        case("left the protocol", nack("PROTOCOL", 7, seq="0"), _KEPT, _REOPEN, _REFUSED_MS),
        case(
            "a session refused for longer",
            nack("UNAVAILABLE", 3, 9000, seq="0"),
            _KEPT,
            _REOPEN,
            9000,
        ),
        case("the daemon stops", {"type": "CONTROL", "seq": "0", "drain": True}, _KEPT, _REOPEN),
        case("the connection ends", {"type": "EOF"}, _KEPT, _REOPEN),
    ]


def _statuses() -> list[Document]:
    def case(status: str, wait_ms: int | None, spans: str) -> Document:
        return {
            "name": f"{status}, {'no RetryInfo' if wait_ms is None else f'{wait_ms} ms'}",
            "status": status,
            "retry_info_ms": wait_ms,
            "decision": {"spans": spans, "wait_ms": wait_ms},
        }

    return [
        case("OK", None, _STORED),
        case("INVALID_ARGUMENT", None, _DROPPED),
        case("RESOURCE_EXHAUSTED", None, _DROPPED),
        case("UNAVAILABLE", 1500, _KEPT),
        case("UNAVAILABLE", None, _KEPT),
        case("DEADLINE_EXCEEDED", None, _KEPT),
        case("PERMISSION_DENIED", None, _KEPT),
        case("UNAUTHENTICATED", None, _KEPT),
        case("UNIMPLEMENTED", None, _KEPT),
        case("INTERNAL", None, _KEPT),
        case("UNKNOWN", None, _KEPT),
    ]


def _resume() -> list[Document]:
    def case(
        name: str,
        pending: Sequence[int],
        last_seq: int,
        stored: Sequence[int],
        resend: Sequence[int],
    ) -> Document:
        return {
            "name": name,
            "pending": [str(seq) for seq in pending],
            "last_seq": str(last_seq),
            "stored": [str(seq) for seq in stored],
            "resend": [str(seq) for seq in resend],
        }

    return [
        case("nothing was under way", [], 4, [], []),
        case("all of it had become durable", [5, 6], 6, [5, 6], []),
        case("a part had become durable", [5, 6, 7], 5, [5], [6, 7]),
        case("none had", [5, 6], 4, [], [5, 6]),
        case("the store has never seen the instance", [42, 43], 0, [], [42, 43]),
        case("a new instance", [1], 0, [], [1]),
    ]


# Name, value, unit, what happens to more.
_LIMITS = (
    ("instance_id_bytes", 16, "bytes", "exact"),
    ("trace_id_bytes", 16, "bytes", "exact; not all zero"),
    ("span_id_bytes", 8, "bytes", "exact; not all zero"),
    ("ended_id_bytes", 24, "bytes", "exact; trace id, then span id"),
    ("hello_bytes_max", 4 * KIB, "bytes", "the daemon refuses the session"),
    ("reply_bytes_max", 64 * KIB, "bytes", "not an answer: close the connection"),
    ("name_bytes_max", 1 * KIB, "bytes", "cut"),
    ("key_bytes_max", 256, "bytes", "cut"),
    ("value_bytes_max", 256 * KIB, "bytes", "cut, all nesting together"),
    ("value_items_max", 1024, "members", "the others counted, all nesting together"),
    ("value_depth_max", 8, "levels", "named by type and size"),
    ("span_attributes_max", 128, "attributes", "the others counted"),
    ("span_events_max", 128, "events", "the others counted"),
    ("event_attributes_max", 128, "attributes", "the others counted"),
    ("span_links_max", 128, "links", "the others counted"),
    ("buffer_bytes_max", 8 * KIB * KIB, "bytes", "spans dropped and counted"),
    ("batch_spans_max", 512, "spans", "the next batch"),
    ("retry_delay_first_ms", 100, "milliseconds", "doubles"),
    ("retry_delay_max_ms", 5000, "milliseconds", "the longest back-off"),
    ("retry_after_max_ms", 60_000, "milliseconds", "cut: however long a daemon asks"),
    ("tracestate_members_max", 32, "members", "dropped from the right when the token is put in"),
    ("tracestate_characters_max", 16 * KIB, "characters", "the whole is malformed"),
    ("member_characters_max", 128, "characters", "not taken for a token"),
)


def limits() -> Document:
    """Return limits.json."""
    return {
        "limits": [
            {"name": name, "value": value, "unit": unit, "over": over}
            for name, value, unit, over in _LIMITS
        ],
        "cuts": [
            {"name": name, "text": text, "bytes_max": bytes_max, "expected": expected}
            for name, text, bytes_max, expected in (
                ("as long as allowed", "x" * 64, 64, "x" * 64),
                ("one byte over", "x" * 65, 64, "x" * 41 + "…<cut: 65 characters>"),
                ("over in bytes alone", "é" * 33, 64, "é" * 20 + "…<cut: 33 characters>"),
                (
                    "not within a character",
                    "x" + "🙂" * 20,
                    64,
                    "x" + "🙂" * 10 + "…<cut: 21 characters>",
                ),
            )
        ],
    }


_USER, _SYSTEM = "/run/user/1000/sidespan/ingest.sock", "/run/sidespan/ingest.sock"
_XDG = {"XDG_RUNTIME_DIR": "/run/user/1000"}


def address() -> Document:
    """Return address.json."""

    def case(
        name: str,
        expected: tuple[str, str] | None,
        *,
        given: str = "",
        environment: Mapping[str, str] | None = None,
        exists: Sequence[str] = (),
    ) -> Document:
        return {
            "name": name,
            "given": given,
            "environment": dict(environment or {}),
            "exists": list(exists),
            "expected": None
            if expected is None
            else {"transport": expected[0], "target": expected[1]},
        }

    frames, grpc = "frames", "grpc"
    named = {"SIDESPAN_SOCKET": "/srv/a.sock", **_XDG}
    return {
        "cases": [
            case("nothing is set", (frames, _SYSTEM)),
            case("the user has a socket", (frames, _USER), environment=_XDG, exists=[_USER]),
            case("the user has none", (frames, _SYSTEM), environment=_XDG),
            case(
                "an empty directory variable",
                (frames, _SYSTEM),
                environment={"XDG_RUNTIME_DIR": ""},
            ),
            case(
                "the variable names it", (frames, "/srv/a.sock"), environment=named, exists=[_USER]
            ),
            case("it need not exist", (frames, "/srv/a.sock"), environment=named),
            case(
                "an empty variable is none",
                (frames, _USER),
                environment={"SIDESPAN_SOCKET": "", **_XDG},
                exists=[_USER],
            ),
            case(
                "the program names it",
                (frames, "/srv/b.sock"),
                given="/srv/b.sock",
                environment=named,
            ),
            case("as a URL", (frames, "/srv/b.sock"), given="unix:///srv/b.sock"),
            case(
                "the variable as a URL",
                (frames, "/srv/c.sock"),
                environment={"SIDESPAN_SOCKET": "unix:///srv/c.sock"},
            ),
            case(
                "gRPC on a socket",
                (grpc, "unix:/srv/grpc.sock"),
                given="grpc+unix:///srv/grpc.sock",
            ),
            case("gRPC on a port", (grpc, "127.0.0.1:4317"), given="grpc://127.0.0.1:4317"),
            case("a scheme of another kind", None, given="ftp://127.0.0.1:21"),
        ]
    }


FILES: Mapping[str, Document] = {
    "retry.json": retry(),
    "limits.json": limits(),
    "address.json": address(),
}
