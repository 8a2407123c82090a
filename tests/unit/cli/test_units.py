import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidespand.cli import units

MS = 1_000_000
S = 1000 * MS


@pytest.mark.parametrize(
    ("length_ns", "expected"),
    [
        (0, "0 ns"),
        (999, "999 ns"),
        (1_500, "1.5 µs"),
        (999_400, "999 µs"),
        (999_600, "1 ms"),
        (12_340_000, "12.3 ms"),
        (999_600_000, "1 s"),
        (1_240 * MS, "1.24 s"),
        (59_960 * MS, "60 s"),
        (60 * S, "1m 00s"),
        (125 * S, "2m 05s"),
        (3600 * S, "1h 00m"),
        (90 * 3600 * S, "90h 00m"),
    ],
)
def test_durations_have_three_digits(length_ns: int, expected: str) -> None:
    """The unit fits the size."""
    assert units.duration(1, 1 + length_ns) == expected


def test_a_span_without_a_sound_end_has_no_duration() -> None:
    """No end, or one before the start, is not made up."""
    assert units.duration(5, 0) == "-"
    assert units.duration(5, 4) == "-"


def test_moments_have_an_offset(monkeypatch: pytest.MonkeyPatch) -> None:
    """Local times say how far they are from UTC, half hours too."""
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    try:
        assert units.moment(1_790_000_000_123_456_789, utc=False) == "2026-09-21 19:43:20.123+05:30"
    finally:
        monkeypatch.undo()
        time.tzset()
    assert units.moment(1_790_000_000_123_456_789, utc=True) == "2026-09-21 14:13:20.123+00:00"


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_any_clock_of_a_sender_can_be_written(start_ns: int, end_ns: int) -> None:
    """Times of hostile senders are shown, not stumbled over."""
    assert units.moment(start_ns, utc=True).endswith("+00:00")
    assert units.duration(start_ns, end_ns)


@pytest.mark.parametrize(
    ("count_bytes", "expected"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (2**30, "1 GiB"), (2**60, "1.049e+06 TiB")],
)
def test_sizes(count_bytes: int, expected: str) -> None:
    """Binary units."""
    assert units.size(count_bytes) == expected
