"""Brings a worker's sinks in line with a configuration that was written anew."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sidespand import logs
from sidespand.app.carriers import Carriers
from sidespand.config import Config
from sidespand.config.keys import changed_keys
from sidespand.limits import RELOAD_GRACE_S
from sidespand.sinks import registry
from sidespand.sinks.registry import Plan
from sidespand.sinks.runner import Runner

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What a reload has changed.

    Args:
        required: The sinks that are required now.
        started: Sinks that are new, or whose table is another one.
        stopped: Sinks that are gone, and those whose table is another one.
        restart: Keys whose values are others than the daemon began with, and that it takes up at
            the next start.
        log_level: Of both processes.
    """

    required: tuple[str, ...]
    started: tuple[str, ...]
    stopped: tuple[str, ...]
    restart: tuple[str, ...]
    log_level: str


class Reloader:
    """Adds, removes and replaces the sinks of a runner; the cursors stay where they are.

    Args:
        config: What the daemon began with.
        read: Returns the configuration as it is now; raises SidespanError.
        plans: The sinks that the runner has.
        carriers: Makes others.
        runner: Started.
    """

    def __init__(
        self,
        config: Config,
        read: Callable[[], Config],
        plans: Sequence[Plan],
        carriers: Carriers,
        runner: Runner,
    ) -> None:
        self._config = config
        self._read = read
        self._plans = {plan.name: plan for plan in plans}
        self._carriers = carriers
        self._runner = runner

    @property
    def names(self) -> tuple[str, ...]:
        """The sinks that there are now."""
        return tuple(self._plans)

    async def reload(self) -> Reloaded:
        """Read the configuration again; a sink whose table is as it was goes on undisturbed.

        Raises:
            SidespanError: The configuration cannot be used; nothing was changed.
        """
        config = self._read()
        plans = {plan.name: plan for plan in registry.parse(config.sinks)}
        fresh = [plan for plan in plans.values() if not _same(plan, self._plans)]
        # A sink that cannot be made must not cost those that run.
        made = [self._carriers.make(plan) for plan in fresh]
        kept = plans.keys() - {plan.name for plan in fresh}
        going = self._plans.keys() - kept
        await self._runner.remove(going, RELOAD_GRACE_S)
        for carrier in made:
            self._runner.add(carrier)
        self._plans = plans
        logs.set_level(config.log_level)
        done = Reloaded(
            required=tuple(sink.name for sink in config.sinks if sink.required),
            started=tuple(sorted(plan.name for plan in fresh)),
            stopped=tuple(sorted(going)),
            restart=changed_keys(self._config, config),
            log_level=config.log_level,
        )
        _log.info(
            "sinks: %s; started %s; stopped %s",
            ", ".join(plans) or "none",
            ", ".join(done.started) or "none",
            ", ".join(done.stopped) or "none",
        )
        if done.restart:
            _log.warning("read at the next start: %s", ", ".join(done.restart))
        return done


def _same(plan: Plan, before: dict[str, Plan]) -> bool:
    old = before.get(plan.name)
    return old is not None and (old.given, old.capture) == (plan.given, plan.capture)
