"""``python -m tests.fault.steps DIR``: a store is made, rolls, is trimmed, and is closed.

Prints ``acked SPAN_ID LSN`` or ``refused`` of each request, and ``stopped`` where it could not
begin. Whatever is done to its system calls, it ends with status 0 unless it is killed.
"""

import sys
from pathlib import Path

from sidespand.clock import SystemClock
from sidespand.errors import SidespanError
from sidespand.journal.retention import Retention
from sidespand.journal.upkeep import Upkeep
from sidespand.limits import GIB
from tests.otlp import export_request
from tests.unit.journal.lives import Life, living
from tests.unit.journal.making import content

# Three of these fill a segment.
PAYLOAD_BYTES = 400_000
REQUESTS = 7
# All that is closed is over age.
_NOTHING_KEPT = Retention(age_s=0.0, bytes_max=GIB, disk_free_min=0.0)


def record(life: Life, number: int) -> None:
    """Append one request, and print what became of it."""
    span_id = number.to_bytes(8)
    request = export_request(1, span_ids=[span_id], attributes=1)
    span = request.resource_spans[0].scope_spans[0].spans[0]
    span.attributes[0].value.string_value = "x" * PAYLOAD_BYTES
    try:
        receipt = life.append(content(request.SerializeToString()))
    except SidespanError:
        print("refused", flush=True)
    else:
        print("acked", span_id.hex(), receipt.first_lsn, flush=True)


def main(data_dir: Path) -> None:
    """Live once."""
    clock = SystemClock()
    try:
        with living(data_dir, clock) as life:
            upkeep = Upkeep(life.store, _NOTHING_KEPT, clock)
            try:
                life.run(upkeep.resume())
                for number in range(1, REQUESTS + 1):
                    record(life, number)
                life.run(upkeep.trim({}))
                record(life, REQUESTS + 1)
            finally:
                upkeep.close()
    except (SidespanError, OSError) as error:
        print("stopped", error, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
