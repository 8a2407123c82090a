"""Where a store keeps what, and the manifest that says which segments it ought to have.

<data>/STORE.json                                    format, store id, registered segments
<data>/LOCK                                          flock of the one recorder
<data>/seg/<ordinal>-<lineage>/<first lsn>.mdb       a segment, and its lock file beside it
<data>/seg/spare.mdb                                 a segment made ahead
<data>/seg/next.mdb                                  the next one, until its first commit
<data>/seg/rewrite.mdb                               a segment that is written anew by a redaction
<data>/seg/salvage.mdb                               one that is put together from a damaged one
<data>/quarantine/                                   damaged files, as they were found
<data>/REDACTION                                     what a redaction still has to do
<data>/SALVAGE                                       what a salvage still has to tell the log
<data>/RESTORED                                      of which backup it is, until its first start
<data>/UNFINISHED                                    a copy of a store that is not whole yet
<data>/BACKUP.json                                   of a backup: what it is of, and its files
<data>/sinks/<name>/                                 the worker's: cursors and what sinks keep
"""

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sidespand.errors import StoreTooNew, StoreUnreadable
from sidespand.files import replace_file

STORE_FORMAT = 1
_LINEAGE_DIR = re.compile(r"(\d{4,})-([0-9a-f]{16})")
_STORE_ID = re.compile(r"[0-9a-f]{32}")
_SEGMENT_FILE = re.compile(r"(\d{20})\.mdb")
_HINT = "`sidespan salvage` makes it anew from the segments; nothing was changed"


@dataclass(frozen=True, slots=True, order=True)
class Segment:
    """One file of the log; segments sort as the log runs."""

    ordinal: int
    first_lsn: int
    lineage: bytes

    @property
    def name(self) -> str:
        """Its path below ``seg/``."""
        return f"{self.ordinal:04d}-{self.lineage.hex()}/{self.first_lsn:020d}.mdb"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What STORE.json says.

    Args:
        store_id: 32 lower hex, drawn when the store was made.
        segments: Every segment that acknowledged records may lie in, in log order.
    """

    store_id: str
    segments: tuple[Segment, ...]


class Layout:
    """The paths of one store.

    Args:
        data_dir: Its directory; it need not exist.
    """

    def __init__(self, data_dir: Path) -> None:
        self.root = data_dir
        self.manifest_path = data_dir / "STORE.json"
        self.lock_path = data_dir / "LOCK"
        self.segments_dir = data_dir / "seg"
        self.spare_path = self.segments_dir / "spare.mdb"
        self.next_path = self.segments_dir / "next.mdb"
        self.rewrite_path = self.segments_dir / "rewrite.mdb"
        self.salvage_path = self.segments_dir / "salvage.mdb"
        self.quarantine_dir = data_dir / "quarantine"
        self.redaction_path = data_dir / "REDACTION"
        self.salvaged_path = data_dir / "SALVAGE"
        self.restored_path = data_dir / "RESTORED"
        self.unfinished_path = data_dir / "UNFINISHED"
        self.backup_path = data_dir / "BACKUP.json"
        self.sinks_dir = data_dir / "sinks"

    def path(self, segment: Segment) -> Path:
        """Return where ``segment`` lies."""
        return self.segments_dir / segment.name

    def segments(self) -> list[Segment]:
        """Return the segments that are on disk, in log order, registered or not."""
        found = []
        for directory in _entries(self.segments_dir):
            lineage = _LINEAGE_DIR.fullmatch(directory.name)
            if lineage is None or not directory.is_dir():
                continue
            for file in _entries(Path(directory.path)):
                first = _SEGMENT_FILE.fullmatch(file.name)
                if first is not None:
                    found.append(Segment(int(lineage[1]), int(first[1]), bytes.fromhex(lineage[2])))
        return sorted(found)

    def read_manifest(self) -> Manifest | None:
        """Return the manifest; None when the directory holds no store.

        Raises:
            StoreTooNew: A later version wrote it. Nothing was changed.
            StoreUnreadable: It is damaged, or missing although segments or the mark of a copy are
                there. Nothing was changed.
        """
        try:
            raw = self.manifest_path.read_bytes()
        except FileNotFoundError:
            if self.unfinished_path.exists():
                raise self.unfinished() from None
            if self.segments():
                raise StoreUnreadable(
                    f"{self.manifest_path} is missing, but {self.segments_dir} holds segments",
                    hint=_HINT,
                ) from None
            return None
        except OSError as error:
            raise StoreUnreadable(f"{self.manifest_path}: {error.strerror}") from error
        return _parse_manifest(raw, self.manifest_path)

    def unfinished(self) -> StoreUnreadable:
        """Return the refusal of a copy that bears the mark UNFINISHED."""
        return StoreUnreadable(
            f"data_dir: {self.root} is a copy of a store that was not finished",
            hint="run the same `sidespan backup` or `sidespan restore` once more",
        )

    def write_manifest(self, manifest: Manifest) -> None:
        """Replace the manifest; it is durable when this returns."""
        body = {
            "format": STORE_FORMAT,
            "store_id": manifest.store_id,
            "segments": [
                {
                    "ordinal": segment.ordinal,
                    "lineage": segment.lineage.hex(),
                    "first_lsn": str(segment.first_lsn),
                }
                for segment in manifest.segments
            ],
        }
        replace_file(self.manifest_path, json.dumps(body, indent=1).encode() + b"\n")


def register(manifest: Manifest, segment: Segment) -> Manifest:
    """Return ``manifest`` with ``segment`` in it."""
    if segment in manifest.segments:
        return manifest
    return replace(manifest, segments=tuple(sorted((*manifest.segments, segment))))


def _parse_manifest(raw: bytes, path: Path) -> Manifest:
    try:
        body = json.loads(raw)
        found = body["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise StoreUnreadable(f"{path} is not a store manifest", hint=_HINT) from error
    if not isinstance(found, int) or found > STORE_FORMAT:
        raise StoreTooNew(
            f"{path} has store format {found}, this version reads up to {STORE_FORMAT}",
            hint="run the version of Sidespan that wrote it, or a later one; nothing was changed",
        )
    try:
        return Manifest(
            store_id=_parse_store_id(body["store_id"]),
            segments=tuple(
                sorted(
                    Segment(int(s["ordinal"]), int(s["first_lsn"]), bytes.fromhex(s["lineage"]))
                    for s in body["segments"]
                )
            ),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise StoreUnreadable(f"{path} is damaged", hint=_HINT) from error


def _parse_store_id(value: str) -> str:
    # It names a file of anchors.
    if not _STORE_ID.fullmatch(value):
        raise ValueError("no store id")
    return value


def _entries(directory: Path) -> Sequence[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as entries:
            return list(entries)
    except FileNotFoundError:
        return []
