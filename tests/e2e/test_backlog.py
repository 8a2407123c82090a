"""How a sink catches up does not depend on how much there is to catch up with."""

from pathlib import Path

import pytest

from tests.bench.drain import drain
from tests.results import counted

SPANS, SPANS_LONG = 100_000, 5_000_000
SPANS_FEW = 500_000
# A tenth of the way holds several batches of everything, so what is kept for good shows.
GROWTH_MIB_MAX = 16.0
RATIO_MAX = 1.2


@pytest.mark.slow
def test_a_backlog_arrives_whole(tmp_path: Path) -> None:
    """Every span of a store that no sink has seen arrives once, in bounded memory."""
    found = drain(tmp_path, SPANS)
    assert found.growth_mib < GROWTH_MIB_MAX


@pytest.mark.long
def test_a_large_backlog_costs_a_span_no_more_than_a_small_one(tmp_path: Path) -> None:
    """Five million spans arrive once, at the CPU a span and the memory of a tenth of them.

    CPU of the worker stands for the rate, which on a machine with other work is luck.
    """
    few = drain(tmp_path / "few", SPANS_FEW)
    many = drain(tmp_path / "many", SPANS_LONG)
    for found in (few, many):
        memory = [f"{mib:.0f}" for mib in found.rss_anon_mib]
        counted(
            f"drain of {found.spans:,} spans",
            spans_a_second=int(found.rate),
            cpu=f"{found.cpu_us:.2f} µs a span",
            rss_anon=f"{' '.join(memory)} MiB",
        )
    assert many.cpu_us <= RATIO_MAX * few.cpu_us
    assert many.growth_mib < GROWTH_MIB_MAX
