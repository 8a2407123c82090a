"""``sidespan deadletter``: what sinks refused for good, and what to do about it."""

import argparse
import asyncio
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sidespand.cli import api, arguments, exits, store
from sidespand.cli.command import UsageError
from sidespand.cli.output import print_fields, print_json, print_note
from sidespand.cli.text import Screen, safe, table
from sidespand.errors import InUse, NotFound

if TYPE_CHECKING:
    from sidespand.config import Config
    from sidespand.sinks.dead_letters import DeadLetter, DeadLetters, Key

_LISTED_MAX = 100
_REASON_COLUMN = 5
_ACTIONS = {
    "ls": "count the letters of each sink, or list those of one",
    "show": "print a letter and the spans in it",
    "replay": "deliver letters again; those that the sink takes are removed",
    "drop": "remove letters, for good",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    arguments.add_store(parser)
    parser.add_argument("--run", metavar="DIR", help="the sockets of the daemon that runs it")
    parser.add_argument("action", choices=_ACTIONS, help="; ".join(
        f"{name}: {text}" for name, text in _ACTIONS.items()
    ))  # fmt: skip
    parser.add_argument("sink", nargs="?", help="its name in the configuration")
    parser.add_argument(
        "position", nargs="*", help="lineage:lsn of any item of a letter; without, --all"
    )
    parser.add_argument("--all", action="store_true", help="every letter of the sink")


def run(args: argparse.Namespace) -> int:
    """Do it.

    Raises:
        NotFound: There is no such letter.
        SidespanError: The store, the daemon or the file does not let us.
    """
    data_dir = store.data_dir(args)
    if args.action == "ls" and args.sink is None:
        return _count(args, data_dir)
    letters = _of(data_dir, args.sink)
    if args.action == "ls":
        return _list(args, letters)
    chosen = _chosen(args, letters)
    if args.action == "show":
        return _show(args, letters, chosen)
    if args.action == "drop":
        count = letters.remove(chosen if chosen is not None else _keys(letters))
        _print_outcome(args, {"dropped": count}, f"dropped {_counted(count)}")
        return exits.OK
    return _replay(args, data_dir, chosen)


def _of(data_dir: Path, name: str | None) -> "DeadLetters":
    from sidespand.journal.layout import Layout
    from sidespand.sinks.dead_letters import DeadLetters

    if name is None:
        raise UsageError("no sink is named", hint="`sidespan deadletter ls` lists them")
    places = Layout(data_dir).sinks_dir
    if name not in {place.name for place in places.glob("*")}:
        raise NotFound(f"there is no sink {name[:64]!r} in {data_dir}")
    return DeadLetters(places / name)


def _keys(letters: "DeadLetters") -> "frozenset[Key]":
    return frozenset(letter.key for letter in letters.letters())


def _chosen(args: argparse.Namespace, letters: "DeadLetters") -> "frozenset[Key] | None":
    # None for all of them.
    from sidespand.query.names import parse_position

    if bool(args.position) == args.all:
        raise UsageError("name positions, or --all", hint="`sidespan deadletter ls SINK`")
    if args.all:
        return None
    found = set()
    for text in args.position:
        named = parse_position(text)
        if named is None:
            raise UsageError(f"not a position: {text[:64]!r}", hint="write lineage:lsn")
        lineage, lsn = named[0].hex(), named[1]
        keys = {
            key
            for key in _keys(letters)
            if key.lineage == lineage and key.first_lsn <= lsn <= key.last_lsn
        }
        if not keys:
            raise NotFound(f"no dead letter of {args.sink} holds {text[:64]}")
        found |= keys
    return frozenset(found)


def _count(args: argparse.Namespace, data_dir: Path) -> int:
    from sidespand.journal.layout import Layout
    from sidespand.sinks.dead_letters import FILE_NAME, DeadLetters

    sinks: dict[str, dict[str, Any]] = {}
    for file in sorted(Layout(data_dir).sinks_dir.glob(f"*/{FILE_NAME}")):
        letters = DeadLetters(file.parent)
        each = list(letters.letters())
        sinks[file.parent.name] = {
            "letters": len(each),
            "refused_items": sum(letter.refused_items for letter in each),
            "bytes": letters.size_bytes,
        }
    if args.json:
        print_json({"sinks": sinks})
    elif not sinks:
        print("no sink has dead letters")
    else:
        print_fields(
            (name, f"{_counted(one['letters'])}, {one['refused_items']} items, {one['bytes']} B")
            for name, one in sinks.items()
        )
    return exits.OK


def _list(args: argparse.Namespace, letters: "DeadLetters") -> int:
    if args.json:
        print_json({"letters": [_document(letter) for letter in letters.letters()]})
        return exits.OK
    rows: list[tuple[str, ...]] = [
        ("position", "last lsn", "kind", "refused", "when (UTC)", "reason")
    ]
    count = 0
    for letter in letters.letters():
        count += 1
        if count <= _LISTED_MAX:
            rows.append(_row(letter))
    if not count:
        print(f"{safe(args.sink)} has no dead letters")
        return exits.OK
    for line in table(rows, _REASON_COLUMN, Screen().columns):
        print(line)
    if count > _LISTED_MAX:
        print_note(f"and {count - _LISTED_MAX} more; --json lists all")
    return exits.OK


def _row(letter: "DeadLetter") -> tuple[str, ...]:
    header = letter.record.header
    when = time.gmtime(letter.refused_at_ns // 1_000_000_000)
    kept = "" if letter.record.payload is not None else " (without its bytes)"
    return (
        str(letter.key),
        str(header.last_lsn),
        header.kind.name.lower(),
        f"{letter.refused_items} of {header.item_count}",
        time.strftime("%Y-%m-%d %H:%M:%S", when),
        safe(letter.reason) + kept,
    )


def _document(letter: "DeadLetter") -> dict[str, Any]:
    header = letter.record.header
    return {
        "first": str(letter.key),
        "last": f"{letter.key.lineage}:{header.last_lsn}",
        "kind": header.kind.name.lower(),
        "item_count": header.item_count,
        "refused_items": letter.refused_items,
        "reason": letter.reason,
        "refused_at_ns": str(letter.refused_at_ns),
        "payload": "kept" if letter.record.payload is not None else "not kept",
    }


def _show(args: argparse.Namespace, letters: "DeadLetters", chosen: "frozenset[Key] | None") -> int:
    documents = []
    for letter in letters.letters():
        if chosen is None or letter.key in chosen:
            items = list(_items(letter))
            documents.append({**_document(letter), "items": items})
    if args.json:
        print_json({"letters": documents})
        return exits.OK
    for document in documents:
        shown = {**document, "items": str(len(document["items"]))}
        print_fields((name.replace("_", " "), str(value)) for name, value in shown.items())
        for item in document["items"]:
            print(f"  {item['trace_id']} {item['span_id']}  {safe(item['name'])}")
    return exits.OK


def _items(letter: "DeadLetter") -> Iterator[dict[str, str]]:
    from sidespand.model import Kind
    from sidespand.sinks import otlp_walk

    record = letter.record
    if record.payload is None or record.header.kind is Kind.METRICS:
        return
    request = otlp_walk.parse(record.header.kind, record.payload)
    for _, item in otlp_walk.each(record.header.kind, request):
        name = item.event_name if record.header.kind is Kind.LOGS else item.name
        yield {"trace_id": item.trace_id.hex(), "span_id": item.span_id.hex(), "name": name}


def _replay(args: argparse.Namespace, data_dir: Path, chosen: "frozenset[Key] | None") -> int:
    from sidespand.app.dead_letters import replay_alone
    from sidespand.config import load

    flags = {"data_dir": str(data_dir)}
    if args.run is not None:
        flags["runtime_dir"] = args.run
    config = load(args.config, flags)
    try:
        outcome = asyncio.run(replay_alone(config, args.sink, chosen))
    except InUse:
        outcome = _replay_beside(config, args.sink, chosen)
    _print_outcome(args, outcome, f"replayed {_counted(outcome['replayed'])}")
    return exits.OK if not (outcome["refused"] or outcome["stopped"]) else exits.NOT_FOUND


def _replay_beside(config: "Config", sink: str, chosen: "frozenset[Key] | None") -> dict[str, Any]:
    from sidespand.journal.reader import JournalReader

    reader = JournalReader(config.data_dir)
    store_id = reader.store_id
    reader.close()
    letters = (
        None
        if chosen is None
        else [[key.lineage, str(key.first_lsn), str(key.last_lsn)] for key in chosen]
    )
    request = {"store_id": store_id, "sink": sink, "letters": letters}
    return api.post(config.runtime_dir / "api.sock", "/v1/dead-letters/replay", request)


def _print_outcome(args: argparse.Namespace, outcome: dict[str, Any], text: str) -> None:
    if args.json:
        print_json(outcome)
        return
    print(text)
    refusals: Sequence[dict[str, str]] = outcome.get("refusals", ())
    for one in refusals:
        print_note(f"{one['position']} was refused again: {one['reason']}")
    if outcome.get("refused", 0) > len(refusals):
        print_note(f"and {outcome['refused'] - len(refusals)} more were refused again")
    if outcome.get("without_bytes"):
        print_note(f"{_counted(outcome['without_bytes'])} without bytes cannot be delivered")
    if outcome.get("stopped"):
        print_note(f"the sink cannot be reached, the rest is still there: {outcome['stopped']}")


def _counted(count: int) -> str:
    return "1 letter" if count == 1 else f"{count} letters"
