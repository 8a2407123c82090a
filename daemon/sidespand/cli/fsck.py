"""``sidespan fsck``: says what of a store's files is damaged, what that costs, and what mends it.

LMDB is read in a child process, which a damaged page may end: another child goes on behind it. The
child is told a segment a line, and answers each with a JSON document a line.
"""

import argparse
import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from sidespand import lock
from sidespand.cli import arguments, exits, store
from sidespand.cli.output import print_fields, print_json
from sidespand.cli.progress import Progress
from sidespand.errors import NotFound, StoreUnreadable

if TYPE_CHECKING:
    from sidespand.audit.fsck import Damage, Declared, Place
    from sidespand.journal.layout import Layout, Manifest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    arguments.add_store(parser)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    """Print what is damaged; 1 when something is. A running daemon is not disturbed.

    Raises:
        NotFound: There is no store.
        StoreTooNew: A later version wrote it.
    """
    from sidespand.journal.layout import Layout

    layout = Layout(store.data_dir(args))
    manifest = _manifest(layout)
    if args.child:
        return _answer(layout, manifest)
    found = check(layout, manifest)
    document = {
        "path": str(layout.root),
        "ok": not found,
        "running": lock.is_held(layout.lock_path),
        "segments": len(layout.segments()),
        "findings": [one.document() for one in found],
        "quarantine": quarantined(layout),
    }
    if args.json:
        print_json(document)
    else:
        _print(document)
    return exits.WRONG if found else exits.OK


def check(layout: "Layout", manifest: "Manifest | None") -> "list[Damage]":
    """Return what is damaged in a store, the files' own findings first, then in log order."""
    from sidespand.audit import fsck
    from sidespand.journal import salvage

    found = list(fsck.check_files(layout, manifest))
    if layout.unfinished_path.exists():
        return [fsck.with_store(one, layout) for one in found]
    places = [one for one in fsck.places(layout, manifest) if layout.path(one.segment).exists()]
    read = list(_read(layout, places))
    declared = [one for _, _, declares in read for one in declares]
    for body in salvage.due(layout):
        declared += fsck.declares(body)
    for place, damages, _ in read:
        found += fsck.located(layout, place, damages, declared)
    return [fsck.with_store(one, layout) for one in found]


def quarantined(layout: "Layout") -> list[str]:
    """Return the names of the files that a salvage set aside."""
    if not layout.quarantine_dir.is_dir():
        return []
    return sorted(str(one.relative_to(layout.root)) for one in layout.quarantine_dir.iterdir())


def _manifest(layout: "Layout") -> "Manifest | None":
    try:
        manifest = layout.read_manifest()
    except StoreUnreadable:
        return None
    if manifest is None:
        raise NotFound(f"there is no store in {layout.root}", hint="name it with --data DIR")
    return manifest


def _read(
    layout: "Layout", places: "Sequence[Place]"
) -> "Iterator[tuple[Place, list[Damage], list[Declared]]]":
    from sidespand.audit import fsck

    progress = Progress("checking", len(places))
    left = list(places)
    while left:
        answered = 0
        with _child(layout) as child:
            assert child.stdin is not None
            assert child.stdout is not None
            for place in left:
                name = place.segment.name
                progress.tell(name, 0)
                try:
                    child.stdin.write(name + "\n")
                    child.stdin.flush()
                except BrokenPipeError:
                    break
                line = child.stdout.readline()
                if not line:
                    break
                answered += 1
                yield place, *_parsed(json.loads(line))
            child.stdin.close()
        if answered < len(left):
            place = left[answered]
            code = -child.returncode
            name = signal.Signals(code).name if code > 0 else f"status {child.returncode}"
            yield place, [fsck.died(layout, place, name)], []
            answered += 1
        left = left[answered:]
    progress.end()


def _child(layout: "Layout") -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "sidespand", "fsck", "--child", "--data", str(layout.root)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _parsed(answer: dict[str, Any]) -> "tuple[list[Damage], list[Declared]]":
    from sidespand.audit.fsck import Damage, Declared
    from sidespand.audit.report import Fault

    damages = [Damage(Fault(code), *rest) for code, *rest in answer["damages"]]
    declared = [Declared(bytes.fromhex(one[0]), *one[1:]) for one in answer["declared"]]
    return damages, declared


def _answer(layout: "Layout", manifest: "Manifest | None") -> int:
    from sidespand.audit import fsck

    places = {one.segment.name: one for one in fsck.places(layout, manifest)}
    for line in sys.stdin:
        place = places.get(line.rstrip("\n"))
        damages, declared = fsck.check_segment(layout, place) if place is not None else ([], [])
        answer = {
            "damages": [[one.code, one.file, one.message, one.command] for one in damages],
            "declared": [[one.lineage.hex(), *one[1:]] for one in declared],
        }
        print(json.dumps(answer), flush=True)
    return exits.OK


def _print(document: dict[str, Any]) -> None:
    findings = document["findings"]
    state = "no file is damaged" if not findings else f"{len(findings)} findings"
    print(f"store {document['path']}, {document['segments']} segments: {state}")
    for one in findings:
        positions = one["positions"]
        where = one["file"]
        if positions is not None:
            lsns = f"{positions['first_lsn']}-{positions['last_lsn']}"
            where += f"  {positions['lineage']}:{lsns}"
        print_fields([(one["code"], where), ("", one["message"]), ("", f"next: {one['command']}")])
    if document["quarantine"]:
        print(f"in quarantine: {len(document['quarantine'])} files that a salvage set aside")
