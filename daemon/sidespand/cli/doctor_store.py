"""Whether the files of the store are there and whole by their size, and a start would take them."""

from collections.abc import Iterator

from sidespand import lock
from sidespand.audit import fsck
from sidespand.cli.findings import Finding, Patient, State
from sidespand.errors import SidespanError
from sidespand.journal import place, salvage, segment_file
from sidespand.journal.layout import Layout, Manifest
from sidespand.journal.reader import JournalReader
from sidespand.journal.segment_file import SegmentDamaged

_SHOWN = 5


def findings(patient: Patient) -> Iterator[Finding]:
    """Yield what holds for the store's files; nothing where there is none, or none may be read."""
    layout = Layout(patient.config.data_dir)
    try:
        manifest = layout.read_manifest()
    except (SidespanError, PermissionError):
        # It is said of the store as a whole.
        return
    if manifest is None:
        return
    wrong = list(_wrong(layout, manifest))
    yield from wrong[:_SHOWN]
    if len(wrong) > _SHOWN:
        more = f"and {len(wrong) - _SHOWN} more"
        yield Finding("files", State.BAD, more, f"sidespan fsck --data {layout.root}")
    yield from _start(patient, layout)
    if not wrong:
        text = f"{len(manifest.segments)} segments, none missing or cut short"
        yield Finding("files", State.GOOD, text)


def _wrong(layout: Layout, manifest: Manifest) -> Iterator[Finding]:
    for damage in fsck.check_files(layout, manifest):
        command = fsck.with_store(damage, layout).command
        yield Finding("files", State.BAD, f"{damage.file}: {damage.message}", command)
    for one in fsck.places(layout, manifest):
        try:
            segment_file.inspect(layout.path(one.segment))
        except SegmentDamaged as error:
            yield Finding("files", State.BAD, str(error), f"sidespan fsck --data {layout.root}")
        except OSError:
            # A missing one has its finding, or was trimmed meanwhile.
            continue


def _start(patient: Patient, layout: Layout) -> Iterator[Finding]:
    """Yield why no daemon would start on it, or what one has still to do."""
    if layout.backup_path.exists():
        text = f"{layout.root} is a backup, which nothing writes to"
        yield Finding("backup", State.NOTE, text, f"sidespan restore {layout.root} DIR")
    elif lock.is_held(layout.lock_path) is False and not layout.unfinished_path.exists():
        difference = None if layout.restored_path.exists() else _difference(layout)
        if difference is not None:
            text = f"this store is a copy, or was moved: {difference}; no daemon starts on it"
            yield Finding("place", State.BAD, text, f"{patient.serve} --accept-move")
        elif salvage.due(layout):
            text = "the log does not tell yet of what a salvage found lost; the next start does it"
            yield Finding("salvage", State.NOTE, text, patient.serve)


def _difference(layout: Layout) -> str | None:
    reader = JournalReader(layout.root)
    try:
        head = reader.head()
        if head is None:
            return None
        generation = reader.generation(head.lineage, head.boot_generation)
    except SidespanError:
        return None
    finally:
        reader.close()
    return place.difference(generation.get("place"), place.read(layout.segments_dir))
