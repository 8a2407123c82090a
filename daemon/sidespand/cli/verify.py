"""``sidespan verify``: checks a store, a proof bundle or an exported file, offline and by itself.

A store is read in a child process: a damaged page of LMDB may end whoever reads it, and that is an
answer, too. The child prints one JSON document a line: what it reads, then its report.
"""

import argparse
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sidespand.cli import exits, pinned, store
from sidespand.cli.command import UsageError
from sidespand.cli.output import print_fields, print_json
from sidespand.cli.progress import Progress
from sidespand.cli.text import safe
from sidespand.errors import NotFound
from sidespand.limits import BUNDLE_BYTES_MAX, NOTE_BYTES_MAX

if TYPE_CHECKING:
    from sidespand.audit.report import Report
    from sidespand.evidence.note import Verifier

_LINE_CHARACTERS_MAX = 1000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "path",
        metavar="PATH",
        nargs="?",
        help="a data directory, a proof bundle, a file of a jsonl sink or a directory of an"
        " aitrace_file sink; default: the store",
    )
    parser.add_argument("--data", metavar="DIR", help="the store; default: data_dir of the config")
    parser.add_argument("--config", metavar="FILE", type=Path, help="the configuration file")
    parser.add_argument("--json", action="store_true", help="print JSON")
    pinned.add_key(parser)
    parser.add_argument(
        "--checkpoint",
        metavar="FILE",
        action="append",
        default=[],
        type=Path,
        help="a signed checkpoint that was kept elsewhere: the store must still hold its records",
    )
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    """Say what is wrong, what was established and what was not; 1 when something is wrong."""
    path = store.data_dir(args) if args.path is None else Path(args.path).expanduser()
    if args.path is not None and path.is_dir() and _holds_exports(path):
        from sidespand.audit import exports, report

        document = report.document(exports.verify(path))
    elif path.is_dir():
        if args.child:
            return _read_store(path, pinned.key(args), args.checkpoint)
        # Told here, before a process is made for it.
        pinned.key(args)
        answer = _ask_child(path, args)
        if isinstance(answer, int):
            return answer
        document = answer
    elif path.is_file():
        from sidespand.audit import report

        document = report.document(_check_file(path, pinned.key(args)))
    else:
        raise NotFound(f"there is nothing at {path}", hint="name a store, a bundle or a file")
    document = {"path": str(path), **document}
    if args.json:
        print_json(document)
    else:
        _print(document)
    return exits.OK if document["ok"] else exits.WRONG


def _holds_exports(path: Path) -> bool:
    from sidespand.audit import exports
    from sidespand.journal.layout import Layout

    return not Layout(path).manifest_path.exists() and exports.looks_like(path)


def _check_file(path: Path, key: "Verifier | None") -> "Report":
    from sidespand.audit import bundle, lines
    from sidespand.journal import segment_file

    with path.open("rb") as file:
        if segment_file.looks_like(file):
            raise UsageError(
                f"{path} is a segment, one file of a store: a store is checked as a whole",
                hint=f"sidespan fsck --data {_store_of(path)}  # or sidespan verify with that path",
            )
        file.seek(0)
        if lines.looks_like(file):
            return lines.verify(file)
        file.seek(0)
        return bundle.verify(file.read(BUNDLE_BYTES_MAX + 1), key)


def _store_of(segment: Path) -> Path:
    # <data>/seg/<lineage>/<first LSN>.mdb, if it lies where the journal puts it.
    parents = segment.absolute().parents
    found = next((one for one in parents if (one / "STORE.json").exists()), None)
    return found if found is not None else Path("DIR")


def _read_store(path: Path, key: "Verifier | None", kept: list[Path]) -> int:
    from sidespand.audit import report
    from sidespand.audit.store import StoreAudit

    def say(document: dict[str, Any]) -> None:
        print(json.dumps(document), flush=True)

    texts = []
    for file in kept:
        with file.open(encoding="utf-8", errors="surrogateescape") as opened:
            texts.append(opened.read(NOTE_BYTES_MAX))
    audit = StoreAudit(path, key, texts, lambda name: say({"reading": name}))
    found = report.document(audit.run())
    say({"report": found})
    return exits.OK if found["ok"] else exits.WRONG


def _ask_child(path: Path, args: argparse.Namespace) -> dict[str, Any] | int:
    # The child's report; or its status, when it could not begin and has said why.
    command = [sys.executable, "-m", "sidespand", "verify", "--child", str(path)]
    if args.path is None:
        command[-1:] = [
            *(["--data", args.data] if args.data is not None else []),
            *(["--config", str(args.config)] if args.config is not None else []),
        ]
    for kept in args.checkpoint:
        command += ["--checkpoint", str(kept)]
    if args.key is not None:
        command += [f"--key={args.key}"]
    reading = "the store"
    found: dict[str, Any] | None = None
    progress = Progress("reading", sum(1 for _ in path.glob("seg/*/*.mdb")), quiet=args.json)
    progress.begin(str(path))
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        for line in child.stdout:
            said = json.loads(line)
            if "reading" in said:
                reading = said["reading"]
                progress.tell(reading, 0)
            found = said.get("report", found)
    if found is not None:
        return found
    if child.returncode >= 0:
        return child.returncode
    return _death(reading, signal.Signals(-child.returncode).name)


def _death(reading: str, name: str) -> dict[str, Any]:
    from sidespand.audit import report
    from sidespand.audit.report import Fault, Finding, Report

    message = f"reading it ended the process ({name}): a page of the file is damaged"
    return report.document(
        Report(
            "store",
            [Finding(Fault.READER_DIED, reading, message)],
            not_established=["anything else of this store: the check did not come to its end"],
        )
    )


def _print(document: dict[str, Any]) -> None:
    count = len(document["findings"])
    verdict = (
        "nothing is wrong"
        if not count
        else f"{count} things are wrong"
        if count > 1
        else ("one thing is wrong")
    )
    print(f"{document['subject']} {safe(document['path'], 4096)}: {verdict}")
    if count:
        print_fields(
            (one["code"], f"{one['where']}  {one['message']}") for one in document["findings"]
        )
    for title, sentences in (
        ("established", document["established"]),
        ("not established", document["not_established"]),
    ):
        if sentences:
            print(f"{title}:")
            for sentence in sentences:
                print(f"  {safe(sentence, _LINE_CHARACTERS_MAX)}")
