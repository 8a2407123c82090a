"""The types of sinks there are, and sinks made of their configuration."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sidespand.config import SinkConfig
from sidespand.errors import ConfigError
from sidespand.ports import Sink
from sidespand.sinks.jsonl import JSONL
from sidespand.sinks.otlp import OTLP
from sidespand.sinks.spec import Generations, SinkType, meant, read_options

TYPES: Final[Mapping[str, SinkType]] = {"jsonl": JSONL, "otlp": OTLP}


@dataclass(frozen=True, slots=True)
class Plan:
    """A sink whose configuration was checked; nothing of it is open.

    Args:
        name: Of the sink.
        type: What it will be.
        options: The value of every key of its type.
    """

    name: str
    type: SinkType
    options: Mapping[str, Any]


def parse(configs: Sequence[SinkConfig]) -> tuple[Plan, ...]:
    """Check the configuration of all sinks, without opening anything.

    Raises:
        ConfigError: Names every key that cannot be used.
    """
    plans: list[Plan] = []
    faults: list[str] = []
    hints: list[str] = []
    for config in configs:
        try:
            plans.append(_parse(config))
        except ConfigError as error:
            faults.append(str(error))
            hints.append(error.hint)
    faults += _shared_paths(plans)
    if faults:
        raise ConfigError("\n".join(faults), hint="; ".join(dict.fromkeys(filter(None, hints))))
    return tuple(plans)


def build(plan: Plan, place: Path, generations: Generations) -> Sink:
    """Make a sink; must be called on the event loop that will deliver.

    Args:
        plan: What ``parse`` returned.
        place: The sink's own directory; it is made when it is missing.
        generations: Gives the body of a generation's GEN record.

    Raises:
        ConfigError: The directory cannot be made.
    """
    try:
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ConfigError(
            f"sinks.{plan.name}: cannot make {place}: {error.strerror}",
            hint="data_dir must be writable by the user that runs the daemon",
        ) from error
    return plan.type.make(plan.options, place, generations)


def _parse(config: SinkConfig) -> Plan:
    known = TYPES.get(config.type)
    if known is None:
        raise ConfigError(
            f'sinks.{config.name}.type: unknown type "{config.type}"{meant(config.type, TYPES)}',
            hint=f"the types are: {', '.join(TYPES)}",
        )
    return Plan(config.name, known, read_options(config, known.options))


def _shared_paths(plans: Sequence[Plan]) -> list[str]:
    owners: dict[Path, str] = {}
    faults = []
    for plan in plans:
        path = plan.options.get("path")
        if path is None:
            continue
        if path in owners:
            faults.append(f"sinks.{plan.name}.path: sinks.{owners[path]} writes there already")
        owners.setdefault(path, plan.name)
    return faults
