"""What precedes an event: the closure of the recorded relations, searched once and kept.

Commits of one log are not stepped through one by one: from a commit, all earlier commits of its
chain are reached at once, and only those are followed that hold a token or a span.
"""

from collections import OrderedDict, deque
from collections.abc import Sequence

from sidespand.evidence.relations import Event, Moment, Relations, Step, Strength
from sidespand.limits import CLOSURE_EVENTS_MAX


class Past:
    """All that precedes one event by relations of a given strength or stronger.

    Args:
        relations: Of the collection.
        event: Whose past it is.
        weakest: The weakest strength that is followed.
    """

    def __init__(self, relations: Relations, event: Event, weakest: Strength) -> None:
        self._relations = relations
        self._target = event
        self._steps: dict[Event, Step] = {}
        # Commits that were met, by chain, in the order of their distance from the target.
        self._commits: dict[bytes, list[tuple[int, Event]]] = {}
        reached: dict[bytes, int] = {}
        waiting = deque([event])
        while waiting:
            later = waiting.popleft()
            for step in relations.before(later):
                if step.strength <= weakest:
                    self._meet(step, waiting)
            if later.moment is not Moment.COMMIT or weakest < Strength.NODE_ATTESTED:
                continue
            place = relations.places[later.subject]
            self._commits.setdefault(place.chain, []).append((place.rank, later))
            followed = reached.get(place.chain, 0)
            for record in relations.earlier_in_chain(place, followed):
                earlier = Event(Moment.COMMIT, record.leaf)
                self._meet(Step(earlier, later, "log", Strength.NODE_ATTESTED), waiting)
            reached[place.chain] = max(followed, place.rank)

    def __len__(self) -> int:
        return len(self._steps) + 1

    def path_from(self, event: Event) -> tuple[Step, ...] | None:
        """Return a shortest chain of steps from ``event`` to the target; None when there is none.

        The target itself is not in its own past unless the relations run in a circle.
        """
        path: list[Step] = []
        if event not in self._steps:
            first = self._along_the_log(event)
            if first is None:
                return None
            path.append(first)
            event = first.later
        while event != self._target or not path:
            step = self._steps[event]
            path.append(step)
            event = step.later
        return tuple(path)

    def _meet(self, step: Step, waiting: deque[Event]) -> None:
        if step.earlier not in self._steps:
            self._steps[step.earlier] = step
            if step.earlier != self._target:
                waiting.append(step.earlier)

    def _along_the_log(self, event: Event) -> Step | None:
        if event.moment is not Moment.COMMIT:
            return None
        place = self._relations.places[event.subject]
        for rank, met in self._commits.get(place.chain, ()):
            if rank > place.rank:
                return Step(event, met, "log", Strength.NODE_ATTESTED)
        return None


class Closure:
    """Pasts by event and strength; the ones asked for last are kept.

    Args:
        relations: Of the collection.
    """

    def __init__(self, relations: Relations) -> None:
        self.relations = relations
        self._pasts: OrderedDict[tuple[Event, Strength], Past] = OrderedDict()
        self._events = 0

    def path(self, earlier: Event, later: Event, weakest: Strength) -> Sequence[Step] | None:
        """Return a shortest chain of steps of ``weakest`` strength or stronger, or None."""
        return self.past(later, weakest).path_from(earlier)

    def past(self, event: Event, weakest: Strength) -> Past:
        """Return all that precedes an event."""
        key = (event, weakest)
        past = self._pasts.get(key)
        if past is None:
            past = self._pasts[key] = Past(self.relations, event, weakest)
            self._events += len(past)
            while self._events > CLOSURE_EVENTS_MAX and len(self._pasts) > 1:
                _, oldest = self._pasts.popitem(last=False)
                self._events -= len(oldest)
        else:
            self._pasts.move_to_end(key)
        return past
