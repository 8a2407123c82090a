"""For tests of programs that use sidespan: their spans in memory, or a daemon in a thread.

    with sidespan.testing.capture() as spans:
        plan()
    assert spans.named("plan").attributes["goal"] == "lunch"

With pytest, ``pytest_plugins = ["sidespan.testing.fixtures"]`` in conftest.py brings the fixtures
``sidespan_spans`` and ``sidespan_daemon``.
"""

from sidespan.testing._capture import Capture, capture
from sidespan.testing._daemon import FakeDaemon
from sidespan.testing._spans import CapturedEvent, CapturedSpan

__all__ = ["Capture", "CapturedEvent", "CapturedSpan", "FakeDaemon", "capture"]
