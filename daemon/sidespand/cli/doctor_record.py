"""Whether the store, its sinks and its index are well, and what is missing in the spans."""

import argparse
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final

from sidespand.cli import api, status, units
from sidespand.cli.findings import Finding, Patient, State
from sidespand.errors import SidespanError, StoreUnreadable
from sidespand.journal.layout import Layout
from sidespand.platform import disk_bytes, free_bytes

_RECORDS_LOOKED_AT: Final = 200
_KEYS_SHOWN: Final = 5
_LAG_ITEMS: Final = 10_000
_AGE_S: Final = 60.0
_INDEX_LAG_S: Final = 5.0
_SAMPLE: Final = re.compile(r"(?P<name>[a-z_]+)(?:\{(?P<labels>[^}]*)\})? (?P<value>[0-9.e+-]+)")
# Counters above nought that mean a loss, and what they count.
_LOSSES: Final = {
    "sidespan_journal_dropped_items_total": "items were trimmed before a required sink had them",
    "sidespan_sink_missed_items_total": "items were trimmed before a sink had them",
    "sidespan_sink_dropped_items_total": "items a sink gave up",
    "sidespan_receiver_refused_items_total": "items were refused",
}
_FAILURES: Final = "sidespan_sink_failures"
# What names a model's call, whatever the convention.
_TELLING: Final = re.compile(
    r"(^|[._])(model|prompt|completion|tokens?|input_tokens|output_tokens)([._]|$)"
)


def findings(patient: Patient) -> Iterator[Finding]:
    """Yield what holds for the record."""
    data_dir = patient.config.data_dir
    arguments = argparse.Namespace(data=str(data_dir), config=None)
    try:
        document = status.document(arguments)
    except StoreUnreadable as error:
        layout = Layout(data_dir)
        if layout.unfinished_path.exists():
            yield Finding("store", State.BAD, str(error), error.hint)
        elif layout.segments() or layout.manifest_path.exists():
            # fsck reads what no other command can, and names what mends it.
            yield Finding("store", State.BAD, str(error), f"sidespan fsck --data {data_dir}")
        else:
            yield Finding("store", State.NOTE, str(error), patient.serve)
        return
    except PermissionError:
        text = f"this user may not read {data_dir}"
        yield Finding("store", State.NOTE, text, "sudo sidespan doctor")
        return
    except SidespanError as error:
        yield Finding("store", State.BAD, str(error), error.hint)
        return
    size = units.size(document["store_bytes"])
    yield Finding("store", State.GOOD, f"{data_dir}, {size}, last LSN {document['last_lsn']}")
    yield _disk(patient)
    yield _capture(patient)
    for address in document["insecure_listen"]:
        text = f"anybody who reaches {address} may write here"
        yield Finding("insecure", State.BAD, text, "set receivers.tls, or listen on 127.0.0.1")
    yield from _sinks(patient, document["sinks"])
    yield from _figures(patient)
    yield from _unmapped(patient)


def _disk(patient: Patient) -> Finding:
    free, whole = free_bytes(patient.config.data_dir), disk_bytes(patient.config.data_dir)
    share = free / whole if whole else 1.0
    text = f"{units.size(free)} free, {share:.0%}"
    if share < patient.config.disk_free_min:
        text += f"; below {patient.config.disk_free_min:.0%} the oldest spans go"
        return Finding("disk", State.BAD, text, "make room, or lower journal.disk_free_min")
    return Finding("disk", State.GOOD, text)


def _capture(patient: Patient) -> Finding:
    level = patient.config.capture
    text = f"content is recorded at the level {level}"
    if level == "full":
        return Finding("capture", State.GOOD, text)
    text += ": prompts and answers may be missing in what is shown"
    return Finding("capture", State.NOTE, text, "docs/privacy.md tells what each level keeps")


def _sinks(patient: Patient, sinks: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    configured = {sink.name for sink in patient.config.sinks}
    for name, sink in sinks.items():
        if name not in configured:
            # One that was taken away keeps its cursor.
            continue
        label = f"sink {name}"[:11]
        behind, age_s = sink["lag_items"], sink["oldest_age_s"] or 0.0
        if sink["position"] is None:
            again = f"sidespan fsck --data {patient.config.data_dir}"
            yield Finding(label, State.BAD, "its cursor cannot be read", again)
        elif behind is None or behind > _LAG_ITEMS or age_s > _AGE_S:
            far = "in an older lineage" if behind is None else f"{behind} items behind"
            text = f"{far}, the oldest for {age_s:.0f} s"
            yield Finding(label, State.BAD, text, "read the daemon's log for why it is not taken")
        else:
            yield Finding(label, State.GOOD, f"{behind} items behind")
        if sink["dead_letter_bytes"]:
            text = f"{units.size(sink['dead_letter_bytes'])} of dead letters"
            yield Finding(label, State.NOTE, text, f"sidespan deadletter ls {name}")


def _figures(patient: Patient) -> Iterator[Finding]:
    try:
        page = api.text(patient.socket("http.sock"), "/metrics")
    except api.Absent:
        yield from _index_alone(patient)
        return
    totals: Counter[str] = Counter()
    for line in page.splitlines():
        match = _SAMPLE.fullmatch(line)
        if match is None:
            continue
        value = float(match["value"])
        totals[match["name"]] += value  # type: ignore[assignment]
        if match["name"] == _FAILURES and value:
            named = (match["labels"] or "").partition('"')[2].rstrip('"')
            label = f"sink {named}"[:11]
            text = f"{value:.0f} tries in a row have failed"
            yield Finding(label, State.BAD, text, "read the daemon's log for what its peer says")
    lost = {name: totals[name] for name in _LOSSES if totals[name] > 0}
    for name, count in lost.items():
        text = f"{count:.0f} {_LOSSES[name]} since the daemon started"
        yield Finding("losses", State.NOTE, text, f"see {name} in docs/operations.md")
    if not lost:
        yield Finding("losses", State.GOOD, "nothing was refused or lost since the daemon started")
    if "sidespan_index_lag_seconds" in totals:
        lag_s = totals["sidespan_index_lag_seconds"]
        text = f"{lag_s:.1f} s behind the journal"
        slow = lag_s > _INDEX_LAG_S
        what = "wait, or make it anew: sidespan reindex" if slow else ""
        yield Finding("index", State.NOTE if slow else State.GOOD, text, what)


def _index_alone(patient: Patient) -> Iterator[Finding]:
    """Yield how it stands with an index that no daemon looks after."""
    from sidespand.index.reader import IndexReader
    from sidespand.index.schema import FILE_NAME

    if not patient.config.index_enabled:
        return
    reader = IndexReader(patient.config.data_dir / "index" / FILE_NAME)
    try:
        reader.position()
    except SidespanError as error:
        again = f"sidespan reindex --data {patient.config.data_dir}"
        yield Finding("index", State.NOTE, str(error), again)
    else:
        yield Finding("index", State.GOOD, "it can be read")
    finally:
        reader.close()


def _unmapped(patient: Patient) -> Iterator[Finding]:
    """Yield attributes that look like a model's call and are read by nothing."""
    from sidespand import ai
    from sidespand.journal.reader import JournalReader
    from sidespand.query.spans import decode, items

    normalise = ai.normaliser(patient.config.index_attributes)
    keys: Counter[str] = Counter()
    reader = JournalReader(patient.config.data_dir)
    try:
        for record in islice(reader.newest_first(), _RECORDS_LOOKED_AT):
            for item in items(record):
                attributes = decode(item).attributes
                if normalise(attributes) is None:
                    keys.update(key for key in attributes if _TELLING.search(key))
    except SidespanError as error:
        again = f"sidespan fsck --data {patient.config.data_dir}"
        yield Finding("attributes", State.BAD, str(error), again)
        return
    finally:
        reader.close()
    if not keys:
        yield Finding("attributes", State.GOOD, "none that name a model's call are left unread")
        return
    shown = ", ".join(key for key, _ in keys.most_common(_KEYS_SHOWN))
    yield Finding(
        "attributes", State.NOTE, f"of the newest spans these are read by nothing: {shown}",
        "map them to what they mean in [index.attributes]; docs/search.md",
    )  # fmt: skip
