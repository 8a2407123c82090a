"""Brings a worker's sinks in line with a configuration that was written anew."""

import logging
from collections.abc import Callable, Sequence

from sidespand.app.carriers import Carriers
from sidespand.config import Config
from sidespand.errors import SidespanError
from sidespand.limits import RELOAD_GRACE_S
from sidespand.sinks import registry
from sidespand.sinks.registry import Plan
from sidespand.sinks.runner import Runner

_log = logging.getLogger(__name__)


class Reloader:
    """Adds, removes and replaces the sinks of a runner; the cursors stay where they are.

    Args:
        read: Returns the configuration as it is now; raises SidespanError.
        plans: The sinks that the runner has.
        carriers: Makes others.
        runner: Started.
    """

    def __init__(
        self,
        read: Callable[[], Config],
        plans: Sequence[Plan],
        carriers: Carriers,
        runner: Runner,
    ) -> None:
        self._read = read
        self._plans = {plan.name: plan for plan in plans}
        self._carriers = carriers
        self._runner = runner

    @property
    def names(self) -> tuple[str, ...]:
        """The sinks that there are now."""
        return tuple(self._plans)

    async def reload(self) -> tuple[str, ...] | None:
        """Read the configuration again; a sink whose table is as it was goes on undisturbed.

        Returns:
            The names of the sinks that are required now; None when the configuration cannot be
            used, which is logged, and nothing was changed.
        """
        try:
            config = self._read()
            plans = {plan.name: plan for plan in registry.parse(config.sinks)}
            fresh = [plan for plan in plans.values() if not _same(plan, self._plans)]
            # A sink that cannot be made must not cost those that run.
            made = [self._carriers.make(plan) for plan in fresh]
        except SidespanError as error:
            hint = f" ({error.hint})" if error.hint else ""
            _log.error("the configuration stays as it was: %s%s", error, hint)
            return None
        kept = plans.keys() - {plan.name for plan in fresh}
        going = self._plans.keys() - kept
        await self._runner.remove(going, RELOAD_GRACE_S)
        for carrier in made:
            self._runner.add(carrier)
        self._plans = plans
        _log.info(
            "sinks: %s; started %s; stopped %s",
            ", ".join(plans) or "none",
            ", ".join(sorted(plan.name for plan in fresh)) or "none",
            ", ".join(sorted(going)) or "none",
        )
        return tuple(sink.name for sink in config.sinks if sink.required)


def _same(plan: Plan, before: dict[str, Plan]) -> bool:
    old = before.get(plan.name)
    return old is not None and (old.given, old.capture) == (plan.given, plan.capture)
