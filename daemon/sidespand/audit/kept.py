"""Checkpoints that somebody kept outside a store: what shows that its end was cut off."""

from collections.abc import Mapping, Sequence

from sidespand.audit.lineage import Emit, LineageAudit
from sidespand.audit.report import Fault, Finding
from sidespand.errors import SidespanError
from sidespand.evidence.checkpoint import Checkpoint, parse_body
from sidespand.evidence.failures import Malformed
from sidespand.evidence.keys import verify_checkpoint
from sidespand.evidence.note import parse

_WHERE = "kept checkpoint"


def kept_roots(kept: Sequence[str], emit: Emit) -> dict[bytes, dict[int, bytes]]:
    """Return by lineage and number of records what the kept checkpoints say, not verified yet.

    Args:
        kept: Signed notes.
        emit: Told of each that is none.
    """
    found: dict[bytes, dict[int, bytes]] = {}
    for text in kept:
        try:
            checkpoint, lineage = _parse(text)
        except SidespanError as error:
            emit(Finding(Fault.MALFORMED, _WHERE, str(error)))
            continue
        found.setdefault(lineage, {})[checkpoint.size] = checkpoint.root
    return found


def check_kept(kept: Sequence[str], lineages: Mapping[bytes, LineageAudit], emit: Emit) -> None:
    """Check that each kept checkpoint is of a log that was read, and signed by a key of it."""
    for text in kept:
        try:
            checkpoint, lineage = _parse(text)
        except SidespanError:
            continue
        audit = lineages.get(lineage)
        if audit is None:
            message = f"{checkpoint.origin} is not in this store: it was replaced, or never there"
            emit(Finding(Fault.CHECKPOINT_AHEAD, _WHERE, message))
            continue
        try:
            verify_checkpoint(text.encode(), audit.authority.statements())
        except SidespanError as error:
            emit(Finding(Fault.CHECKPOINT_INVALID, _WHERE, str(error)))


def _parse(text: str) -> tuple[Checkpoint, bytes]:
    checkpoint = parse_body(parse(text.encode(errors="surrogatepass")).text)
    try:
        return checkpoint, bytes.fromhex(checkpoint.origin.rpartition("/")[2])
    except ValueError:
        raise Malformed("the checkpoint's origin names no lineage") from None
