"""How far a store had come, remembered outside it: a store that went backwards cannot hide it.

Nothing in a store can tell that the store as a whole was put back to an earlier state. An anchor is
a small file elsewhere, written after the commits that it speaks of: it may lag behind its store and
is never ahead of it.

<directory>/<store id>.json
"""

import json
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import google_crc32c

from sidespand import hlc
from sidespand.errors import SidespanError
from sidespand.files import replace_file
from sidespand.hlc import Hlc
from sidespand.journal.state import Head
from sidespand.limits import ANCHOR_BYTES_MAX, ANCHOR_INTERVAL_S
from sidespand.token import TAG_BYTES

_log = logging.getLogger(__name__)
_FORMAT = 1
_LINEAGE_BYTES = 8


class AnchorDamaged(SidespanError):
    """The file is there and says nothing that could be believed."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """A place that a store had reached.

    Args:
        store_id: 32 lower hex.
        ordinal: The lineage's number within the store.
        lineage: 8 bytes.
        boot_generation: That was running.
        lsn: The last durable one.
        stamp: Its HLC.
        tag: 16 bytes of the leaf of the record that ends there.
        data_dir: Where the store was.
    """

    store_id: str
    ordinal: int
    lineage: bytes
    boot_generation: int
    lsn: int
    stamp: Hlc
    tag: bytes
    data_dir: str


def of(store_id: str, data_dir: Path, head: Head) -> Anchor:
    """Return the anchor of a durable head."""
    return Anchor(
        store_id,
        head.ordinal,
        head.lineage,
        head.boot_generation,
        head.last_lsn,
        head.stamp,
        head.tag,
        str(data_dir),
    )


def encode(anchor: Anchor) -> bytes:
    """Return the file's content; ``parse`` turns it back."""
    body = {
        "format": _FORMAT,
        "store_id": anchor.store_id,
        "ordinal": anchor.ordinal,
        "lineage": anchor.lineage.hex(),
        "boot_generation": anchor.boot_generation,
        "lsn": str(anchor.lsn),
        "hlc": hlc.text(anchor.stamp),
        "tag": anchor.tag.hex(),
        "data_dir": anchor.data_dir,
    }
    return json.dumps(body | {"crc32c": _checksum(body)}).encode() + b"\n"


def parse(raw: bytes) -> Anchor:
    """Return the anchor in a file's content.

    Raises:
        AnchorDamaged: It is no anchor of this format, or was changed.
    """
    try:
        body = json.loads(raw)
        if body.pop("crc32c") != _checksum(body) or body["format"] != _FORMAT:
            raise AnchorDamaged("its checksum or its format does not match")
        anchor = Anchor(
            store_id=str(body["store_id"]),
            ordinal=int(body["ordinal"]),
            lineage=bytes.fromhex(body["lineage"]),
            boot_generation=int(body["boot_generation"]),
            lsn=int(body["lsn"]),
            stamp=hlc.parse(body["hlc"]),
            tag=bytes.fromhex(body["tag"]),
            data_dir=str(body["data_dir"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise AnchorDamaged("it is not an anchor") from error
    if len(anchor.lineage) != _LINEAGE_BYTES or len(anchor.tag) != TAG_BYTES:
        raise AnchorDamaged("its ids have the wrong length")
    return anchor


def path(directory: Path, store_id: str) -> Path:
    """Return where a store's anchor lies in ``directory``."""
    return directory / f"{store_id}.json"


def read(directories: Sequence[Path], store_id: str) -> list[Anchor]:
    """Return the anchors of a store that are there; what is wrong with the others is logged.

    A missing one says nothing: after a reboot, or in a new container, there is none.
    """
    found = []
    for directory in directories:
        file = path(directory, store_id)
        try:
            with file.open("rb") as opened:
                anchor = parse(opened.read(ANCHOR_BYTES_MAX))
            if anchor.store_id != store_id:
                raise AnchorDamaged("it is of another store")
        except FileNotFoundError:
            continue
        except (OSError, AnchorDamaged) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            _log.warning(
                "anchor %s cannot be used: %s; a store that went backwards may go unnoticed this"
                " time",
                file,
                reason,
            )
            continue
        found.append(anchor)
    return found


def of_lost(directories: Sequence[Path], store_id: str, data_dir: Path) -> list[Anchor]:
    """Return the anchors of other stores that were in ``data_dir``, where ``store_id`` is now.

    One that cannot be read says nothing.
    """
    found = []
    for directory in directories:
        for file in sorted(directory.glob("*.json")):
            try:
                with file.open("rb") as opened:
                    anchor = parse(opened.read(ANCHOR_BYTES_MAX))
            except (OSError, AnchorDamaged):
                continue
            if anchor.store_id != store_id and anchor.data_dir == str(data_dir):
                found.append(anchor)
    return found


class AnchorKeeper:
    """Keeps a store's anchors near its head, from a thread of its own.

    Args:
        directories: One anchor in each; made when they are missing.
        store_id: 32 lower hex.
        data_dir: Where the store is.
        head: Returns the newest durable head; asked on the keeper's thread.
    """

    def __init__(
        self, directories: Sequence[Path], store_id: str, data_dir: Path, head: Callable[[], Head]
    ) -> None:
        self._directories = directories
        self._store_id = store_id
        self._data_dir = data_dir
        self._head = head
        self._written: Head | None = None
        self._failing: set[Path] = set()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sidespan-anchor", daemon=True)

    def start(self) -> None:
        """Begin to follow the head."""
        if self._directories:
            self._thread.start()

    @property
    def failing_count(self) -> int:
        """How many directories did not take the newest anchor; may be read by any thread."""
        return len(self._failing)

    def write(self) -> None:
        """Have the anchors name the head as it is now; what keeps one from it is logged once."""
        head = self._head()
        if head is self._written:
            return
        self._written = head
        content = encode(of(self._store_id, self._data_dir, head))
        for directory in self._directories:
            try:
                directory.mkdir(parents=True, exist_ok=True, mode=0o700)
                replace_file(path(directory, self._store_id), content)
            except OSError as error:
                # The next head is another try.
                if directory not in self._failing:
                    self._failing.add(directory)
                    _log.warning(
                        "anchor: cannot write in %s: %s; a store that went backwards may go"
                        " unnoticed",
                        directory,
                        error.strerror,
                    )
            else:
                self._failing.discard(directory)

    def close(self) -> None:
        """Write once more, and end."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join()
        self.write()

    def _run(self) -> None:
        while not self._closing.wait(ANCHOR_INTERVAL_S):
            self.write()


def _checksum(body: dict[str, Any]) -> str:
    text = json.dumps(body, sort_keys=True)
    return f"{google_crc32c.value(text.encode()):08x}"
