"""``python -m tests.fault.sending DOOR ROOT SPANS``: sends until it is killed; a line an answer."""

import sys
from pathlib import Path

from tests import doors
from tests.daemon import Daemon
from tests.otlp import encoded


def main(name: str, root: Path, spans: int) -> None:
    """Send requests of ``spans`` spans to the daemon whose directory is ``root``."""
    with doors.opened(name, Daemon(root)) as door:
        while True:
            answer = door.send(encoded(spans, attributes=50))
            assert answer.code == door.ok, answer
            print(answer.token, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
