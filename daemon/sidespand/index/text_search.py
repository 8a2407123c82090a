"""Traces in which texts are found, in their order, with bounded work for one page.

What is common fills a page soon: windows of traces in the order of start, each larger than the one
before, are asked for texts among the items they have. What is rare has few items: they are looked
up, and their traces put in order.
"""

from typing import Any, Final, NamedTuple

from sidespand.index.conditions import Sql, listed
from sidespand.index.hits import EVERYWHERE
from sidespand.index.pages import Found, Listing, Place
from sidespand.index.texts_asked import Few, Texts
from sidespand.limits import INDEX_ROWS_MAX, INDEX_TEXT_HITS_MAX

_FIRST_WINDOW: Final = 256
_GROWTH: Final = 4
# After so many traces, so many items are read at most to see whether that is all there are.
_PROBES: Final = ((0, 256), (16_384, 4096))
# Items for each row of a page that are read in windows; where these are not enough to fill it,
# traces are asked one by one.
_HITS_A_ROW: Final = 40


class Begun(NamedTuple):
    """A page that is not full.

    Args:
        numbers: Of its traces, with what orders them.
        matches: As of Found.
        further: Where it goes on.
    """

    numbers: list[tuple[int, Any]]
    matches: dict[int, int]
    further: list[Sql]


def page(listing: Listing, texts: Texts, few: Sql | None) -> Found:
    """Return one page of the traces that match texts.

    Args:
        listing: Which page, of what else they have, in which order.
        texts: What they match.
        few: Numbers of traces among which they are; None where these are many.
    """
    if few is not None or not texts.positive:
        return _one_by_one(listing, texts, few)
    if listing.sort.key == "start" and listing.paging.limit <= INDEX_ROWS_MAX:
        return _by_windows(listing, texts)
    reading = texts.between(EVERYWHERE, INDEX_TEXT_HITS_MAX)
    numbers, whole = listing.numbers(listing.paging.limit + 1, listed(reading.traces))
    return listing.found(numbers, complete=reading.complete and whole, matches=reading.traces)


def _one_by_one(
    listing: Listing, texts: Texts, few: Sql | None, begun: Begun | None = None
) -> Found:
    numbers, matches, further = begun or Begun([], {}, [])

    def keep(number: int) -> bool:
        row_id = texts.in_trace(number)
        if row_id:
            matches[number] = row_id
        return row_id is not None

    wanted = listing.paging.limit + 1 - len(numbers)
    kept, whole = listing.numbers(wanted, few, further, keep)
    return listing.found(numbers + kept, complete=whole and texts.complete, matches=matches)


def _of_few(listing: Listing, texts: Texts, few: Few) -> Found:
    if not few.match:
        return _one_by_one(listing, texts, listed(few.traces))
    numbers, whole = listing.numbers(listing.paging.limit + 1, listed(few.traces))
    return listing.found(numbers, complete=whole, matches=few.traces)


def _by_windows(listing: Listing, texts: Texts) -> Found:
    wanted = listing.paging.limit + 1
    begun = Begun([], {}, [])
    edge: Place | None = None
    size, walked = max(_FIRST_WINDOW, _GROWTH * wanted), 0
    left = min(INDEX_TEXT_HITS_MAX, _HITS_A_ROW * wanted)
    probes = iter(_PROBES)
    probe: tuple[int, int] | None = next(probes)
    while len(begun.numbers) < wanted:
        if probe is not None and walked >= probe[0]:
            few = texts.few(probe[1])
            if few is not None:
                return _of_few(listing, texts, few)
            probe = next(probes, None)
        window = listing.window(edge, size)
        if window is None:
            break
        reading = texts.between(window.items, left)
        if not reading.complete:
            # The text is common, and what has it is not else as it should be.
            return _one_by_one(listing, texts, None, begun)
        left -= reading.items
        found, whole = listing.numbers(
            wanted - len(begun.numbers), listed(reading.traces), window.where
        )
        begun.numbers.extend(found)
        begun.matches.update(reading.traces)
        if not whole:
            return listing.found(begun.numbers, complete=False, matches=begun.matches)
        if window.edge is None:
            break
        edge, walked, size = window.edge, walked + size, size * _GROWTH
        begun = begun._replace(further=listing.behind(edge))
    return listing.found(begun.numbers, complete=True, matches=begun.matches)
