"""``sidespan redact``: takes the content of records out of the node, for good."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sidespand.cli import api, arguments, exits, store
from sidespand.cli.command import UsageError
from sidespand.cli.output import print_json, print_note
from sidespand.cli.text import Screen, safe
from sidespand.cli.users import user
from sidespand.errors import InUse
from sidespand.limits import REDACT_TEXT_CHARACTERS_MAX

if TYPE_CHECKING:
    from sidespand.config import Config
    from sidespand.journal.reader import JournalReader
    from sidespand.query.redactions import Doomed, Wanted

_SHOWN_ITEMS_MAX = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    arguments.add_store(parser)
    parser.add_argument("--run", metavar="DIR", help="the sockets of the daemon that runs it")
    parser.add_argument(
        "position", metavar="POSITION", nargs="*", help="lineage:lsn; its whole record goes"
    )
    parser.add_argument(
        "--query",
        metavar="ID",
        nargs="+",
        default=[],
        help="trace or span ids: every record that holds something of them",
    )
    parser.add_argument("--reason", metavar="TEXT", help="why; it stays in the log")
    parser.add_argument("--actor", metavar="NAME", help="who; default: your user name")
    parser.add_argument("--dry-run", action="store_true", help="list what would go, change nothing")
    parser.add_argument("--yes", action="store_true", help="do not ask")


def run(args: argparse.Namespace) -> int:
    """List what goes, ask, and redact it.

    Raises:
        SidespanError: Something that was named is not there, or cannot be redacted.
    """
    reason = _text(args.reason, "--reason") if not args.dry_run else ""
    actor = _text(args.actor or user(), "--actor")
    if not args.position and not args.query:
        raise UsageError("nothing is named", hint="name positions, or ids with --query")
    with store.opened(args) as opened:
        wanted, doomed = _doomed(opened.reader, args.position, args.query)
        store_id, data_dir = opened.reader.store_id, opened.data_dir
    readable = [one for one in doomed if one.record.payload is not None]
    listing = {"dry_run": args.dry_run, "records": [_document(one, wanted) for one in doomed]}
    if not args.json:
        _print_doomed(doomed, wanted)
    if args.dry_run:
        if args.json:
            print_json(listing)
        return exits.OK
    if not args.yes and readable and not _confirmed(len(readable)):
        print_note("nothing was changed")
        return exits.ERROR
    config = _config(args, str(data_dir))
    positions = [str(one.record.position) for one in doomed]
    outcome = _redact(config, store_id, positions, actor, reason)
    if args.json:
        print_json({**listing, **outcome})
    else:
        _print_outcome(outcome)
        if any((data_dir / "quarantine").glob("*")):
            print_note("quarantine/ holds damaged files, which no redaction reaches: remove them")
    return exits.OK


def _doomed(
    reader: "JournalReader", positions: Sequence[str], ids: Sequence[str]
) -> "tuple[list[Wanted], list[Doomed]]":
    from sidespand.query.names import parse_position
    from sidespand.query.redactions import doom, holding, record_at, resolve

    found: dict[tuple[int, int], Doomed] = {}
    for text in positions:
        named = parse_position(text)
        position = reader.position(*named) if named is not None else None
        if position is None:
            raise UsageError(
                f"not a position of this store: {text[:64]!r}", hint="write lineage:lsn"
            )
        one = doom(record_at(reader, position))
        found[one.target.ordinal, one.target.first] = one
    # The whole journal is read: what is left out would stay.
    wanted = [resolve(reader.newest_first(), text) for text in ids]
    for one in holding(reader.newest_first(), wanted) if wanted else ():
        found[one.target.ordinal, one.target.first] = one
    if not found:
        from sidespand.errors import NotFound

        raise NotFound("nothing that can be read holds anything of it")
    return wanted, [found[place] for place in sorted(found)]


def _redact(
    config: "Config", store_id: str, positions: list[str], actor: str, reason: str
) -> dict[str, Any]:
    from sidespand.app.redacting_alone import redact_alone

    try:
        return asyncio.run(redact_alone(config, positions, actor, reason))
    except InUse:
        request = {
            "store_id": store_id,
            "positions": positions,
            "actor": actor,
            "reason": reason,
        }
        return api.post(config.runtime_dir / "api.sock", "/v1/redact", request)


def _config(args: argparse.Namespace, data_dir: str) -> "Config":
    from sidespand.config import load

    flags = {"data_dir": data_dir}
    if args.run is not None:
        flags["runtime_dir"] = args.run
    return load(args.config, flags)


def _document(doomed: "Doomed", wanted: "Sequence[Wanted]") -> dict[str, Any]:
    header = doomed.record.header
    lineage = header.lineage.hex()
    return {
        "first": f"{lineage}:{header.first_lsn}",
        "last": f"{lineage}:{header.last_lsn}",
        "kind": header.kind.name.lower(),
        "item_count": header.item_count,
        "payload": "stored" if doomed.record.payload is not None else "redacted",
        "items": [
            {
                "trace_id": item.trace_id.hex() or None,
                "span_id": item.span_id.hex() or None,
                "name": item.name,
                "service": item.service,
                "asked_for": not wanted or any(one.fits(item) for one in wanted),
            }
            for item in doomed.items
        ],
    }


def _print_doomed(doomed: "Sequence[Doomed]", wanted: "Sequence[Wanted]") -> None:
    screen = Screen()
    others = 0
    for one in doomed:
        header = one.record.header
        what = header.kind.name.lower()
        state = "" if one.record.payload is not None else ", redacted already"
        lsns = f"{header.first_lsn}-{header.last_lsn}"
        print(screen.bold(f"{header.lineage.hex()}:{lsns}  {what}{state}"))
        for number, item in enumerate(one.items):
            asked = not wanted or any(each.fits(item) for each in wanted)
            others += not asked
            if number < _SHOWN_ITEMS_MAX:
                mark = " " if asked else "+"
                ids = f"{item.trace_id.hex()} {item.span_id.hex()}"
                print(f"  {mark} {ids}  {safe(item.service)}  {safe(item.name)}")
        if len(one.items) > _SHOWN_ITEMS_MAX:
            print(f"    and {len(one.items) - _SHOWN_ITEMS_MAX} more")
    if others:
        what = "1 other item" if others == 1 else f"{others} other items"
        print_note(f"what came in the same requests goes along: {what} (+)")


def _print_outcome(outcome: dict[str, Any]) -> None:
    redacted = len(outcome["redacted"])
    if redacted:
        what = "1 record" if redacted == 1 else f"{redacted} records"
        print(f"redacted {what}; {outcome['position']} tells of it")
    else:
        print("nothing was left to redact in the journal")
    for name in outcome["erased"]:
        print(f"sink {name}: erased from its files")
    for name in outcome["pending"]:
        print_note(f"sink {name}: its files cannot be written now; it erases them when they can")
    if outcome["index"] == "erased":
        print("index: erased from its files")
    elif outcome["index"] == "pending":
        print_note("index: its files cannot be written now; it erases them when they can")
    for name in outcome["left_behind"]:
        print_note(
            f"sink {name} is configured no more, and its files were not looked at: remove "
            f"sinks/{name} of the store, or configure it again, and it erases them"
        )
    for one in outcome["copies"]:
        print_note(f"sink {one['sink']} has passed {one['items']} of them: copies are there")


def _confirmed(count: int) -> bool:
    if not sys.stdin.isatty():
        raise UsageError("nobody is there to ask", hint="--yes redacts without asking")
    what = "1 record" if count == 1 else f"{count} records"
    print(f"take the content of {what} out of this node, for good? [y/N] ", end="")
    sys.stdout.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _text(value: str | None, flag: str) -> str:
    if value is None or not 1 <= len(value.strip()) <= REDACT_TEXT_CHARACTERS_MAX:
        raise UsageError(
            f"{flag}: expected 1 to {REDACT_TEXT_CHARACTERS_MAX} characters",
            hint='say why, such as --reason "customer asked for erasure"',
        )
    return value
