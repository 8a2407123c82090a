"""``python -m tests.fault.stepped serve …``: the daemon with a wall clock that keeps being set.

STEPPED_SEED chooses the steps: by -1 h to +3 s from the machine's clock, anew every few readings.
"""

import argparse
import os
import random
import sys

from sidespand.app import recorder
from sidespand.cli import serve
from sidespand.clock import SystemClock
from sidespand.config import load

STEPS_S = (-3600.0, 3.0)
READINGS_PER_STEP = 20


class SteppedClock(SystemClock):
    """The machine's clocks, but for a wall that somebody keeps setting.

    Args:
        seed: Of the steps.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._readings = 0
        self._offset_ns = 0

    def wall_ns(self) -> int:
        """Return CLOCK_REALTIME as somebody set it."""
        if self._readings % READINGS_PER_STEP == 0:
            self._offset_ns = int(self._random.uniform(*STEPS_S) * 1e9)
        self._readings += 1
        return super().wall_ns() + self._offset_ns


def main() -> int:
    """Run the daemon; return its exit status."""
    parser = argparse.ArgumentParser()
    serve.add_arguments(parser)
    args = parser.parse_args(sys.argv[2:])
    flags = {
        "data_dir": args.data,
        "runtime_dir": args.run,
        "receivers.otlp_grpc": "off",
        "receivers.otlp_http": "off",
    }
    clock = SteppedClock(int(os.environ["STEPPED_SEED"]))
    return recorder.serve(load(args.config, flags), serve.worker_arguments(args), clock=clock)


if __name__ == "__main__":
    sys.exit(main())
