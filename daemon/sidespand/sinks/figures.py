"""What is counted of one sink."""

from dataclasses import dataclass


@dataclass(slots=True)
class Figures:
    """What a carrier counted since it began.

    Args:
        delivered_items: The sink took them.
        rejected_items: The sink refused them for good; they are among its dead letters.
        retries: Waits after a failure.
        missed_items: LSNs that could not be read from the journal.
        dropped_items: Those of the rejected ones whose bytes found no room there.
        withheld_items: The policy keeps them from the sink, or they name other sinks.
        changed_values: Left out, replaced or scrubbed in what the sink was to get.
    """

    delivered_items: int = 0
    rejected_items: int = 0
    retries: int = 0
    missed_items: int = 0
    dropped_items: int = 0
    withheld_items: int = 0
    changed_values: int = 0
