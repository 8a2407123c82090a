"""What the kernel says of its clock, as far as a record can use it."""

from typing import Any

import pytest

from sidespand import platform
from sidespand.clock import SystemClock

UNSYNCHRONISED = 0x40
PPS_AND_PLL = 0x2001


class Kernel:
    """Answers adjtimex(2) as a machine would whose clock this test may not set."""

    def __init__(self, answer: int, maxerror: int, status: int) -> None:
        self._answer = answer
        self._maxerror = maxerror
        self._status = status
        self.modes: list[int] = []

    def adjtimex(self, reference: Any) -> int:
        """Fill in a struct timex."""
        state = reference._obj
        self.modes.append(state.modes)
        state.maxerror = self._maxerror
        state.status = self._status
        return self._answer


@pytest.mark.parametrize(
    ("answer", "maxerror", "status", "error_us"),
    [
        (0, 420, PPS_AND_PLL, 420),
        (0, 0, PPS_AND_PLL, 0),
        (5, 16_000_000, UNSYNCHRONISED, None),
        (0, 420, PPS_AND_PLL | UNSYNCHRONISED, None),
        (-1, 0, 0, None),
        (0, 2**40, PPS_AND_PLL, None),
        (0, -1, PPS_AND_PLL, None),
    ],
)
def test_only_a_disciplined_clock_has_an_error(
    monkeypatch: pytest.MonkeyPatch, answer: int, maxerror: int, status: int, error_us: int | None
) -> None:
    """Unknown where nobody disciplines it, where asking is refused, and where it makes no sense."""
    kernel = Kernel(answer, maxerror, status)
    monkeypatch.setattr(platform, "_libc", kernel)

    assert SystemClock().error_us() == error_us
    # Any mode would set something.
    assert kernel.modes == [0]


def test_this_machine_answers() -> None:
    """Whatever it says fits into a record's header."""
    error_us = SystemClock().error_us()

    assert error_us is None or 0 <= error_us <= 16_000_000
