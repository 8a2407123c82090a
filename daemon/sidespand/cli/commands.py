"""The commands by what they are for; each has a module of its name."""

from collections.abc import Iterator
from typing import Final

GROUPS: Final = {
    "run the recorder": {
        "serve": "run the daemon in the foreground",
        "demo": "record a small example and show what became of it",
        "status": "say what the store holds and who writes it",
        "ready": "say whether what is sent now becomes durable, for scripts and probes",
        "doctor": "say what is wrong, and the command that mends it",
        "open": "print the page of a trace, and open it in a browser",
        "check": "check a configuration file",
        "config": "write a configuration file with every key, or show what holds",
        "reload": "have the daemon take up its configuration as it is now",
        "install-service": "set the daemon up as a systemd service",
        "uninstall-service": "take the systemd service away; the store stays",
        "reindex": "make the index anew from the journal",
    },
    "see what agents did": {
        "ls": "list the newest traces, or those that match a query",
        "show": "show a trace as a tree, with each span's stamp",
        "tail": "print the newest spans, and follow them with -f",
        "stats": "sum up spans by model, tool, agent, service and more",
        "diff": "show what a span changed of state, or of a model's messages",
        "top": "show what runs now and what it uses, again and again",
        "query": "list the spans that match a query, or answer a SELECT",
        "sql": "answer a SELECT over the index, which it cannot change",
    },
    "ask what was before what, and prove it": {
        "compare": "say whether one item was before another, and what that rests on",
        "explain": "say all that the record says of the order of two items",
        "order": "put a trace in an order that the record does not contradict",
        "violations": "list what in the record contradicts its own rules",
        "lineage": "list the log series of the store, and why each began",
        "receipt": "print what the journal can say of a span, a position or a trace",
        "prove": "write a file that shows offline where a record stands in the log",
        "verify": "check a store, a proof bundle or an exported file, offline",
        "keys": "make the node's key, or print what others pin to trust it",
    },
    "move spans, or take them out": {
        "export": "write traces as OTLP, lines of JSON, Markdown or a page",
        "import": "hand the spans of a file to the daemon, each of them once",
        "deadletter": "list, show, deliver again or drop what sinks refused",
        "redact": "take the content of records out of the node, for good",
    },
    "keep the store whole": {
        "fsck": "say what is damaged, what of it is lost, and the command that mends it",
        "salvage": "put damaged segments together again from what can be read",
        "backup": "copy the store, whether a daemon runs or not",
        "restore": "make a store of a backup, which goes on in a new lineage",
        "trim": "remove the oldest segments before their time",
    },
    "join programs": {
        "run": "run a command in a span, and hand it the trace",
        "emit": "record one finished span, and print its traceparent",
        "env": "print the variables that point an SDK at this daemon",
    },
    "read the decision tracer's files (tail and stats with --dir DIR, too)": {
        "list": "list the sessions in a directory",
        "view": "print a session step by step",
    },
}
SUMMARIES: Final = {name: text for group in GROUPS.values() for name, text in group.items()}


def overview() -> Iterator[str]:
    """Yield the lines of ``sidespan --help``."""
    yield "usage: sidespan COMMAND [ARGUMENTS]"
    yield ""
    yield "The flight recorder for AI agents on this node."
    columns = max(map(len, SUMMARIES)) + 2
    for title, commands in GROUPS.items():
        yield ""
        yield f"{title}:"
        for name, text in commands.items():
            yield f"    {name:<{columns}}{text}"
    yield ""
    yield "`sidespan COMMAND --help` lists a command's arguments; --version prints the version."
    yield ""
    yield "exit status: 0 done, 1 not found or not as it should be, 2 wrong usage or an error,"
    yield "3 evidence that contradicts itself, 130 after Ctrl-C"
