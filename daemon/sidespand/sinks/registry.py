"""The types of sinks there are, and sinks made of their configuration."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sidespand.config import Capture, SinkConfig
from sidespand.errors import ConfigError
from sidespand.filters import Filter
from sidespand.ports import Sink
from sidespand.sinks import plugins
from sidespand.sinks.aitrace_file import AITRACE_FILE
from sidespand.sinks.console import CONSOLE
from sidespand.sinks.jetstream import NATS
from sidespand.sinks.jsonl import JSONL
from sidespand.sinks.otlp import OTLP
from sidespand.sinks.resources import Additions
from sidespand.sinks.shared_options import SHARED
from sidespand.sinks.spec import Generations, SinkType, meant, read_options

TYPES: Final[Mapping[str, SinkType]] = {
    "aitrace_file": AITRACE_FILE,
    "console": CONSOLE,
    "jsonl": JSONL,
    "nats": NATS,
    "otlp": OTLP,
}


@dataclass(frozen=True, slots=True)
class Plan:
    """A sink whose configuration was checked; nothing of it is open.

    Args:
        name: Of the sink.
        type: What it will be.
        options: The value of every key of its type.
        capture: How much of each record it gets.
        given: What was written, to tell whether a later configuration says the same.
        wanted: Which items it gets; None for all.
        additions: Attributes for every resource; None for none.
    """

    name: str
    type: SinkType
    options: Mapping[str, Any]
    capture: Capture
    given: Mapping[str, Any]
    wanted: Filter | None = None
    additions: Additions | None = None


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
        ConfigError: The directory, or the sink, cannot be made.
    """
    try:
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ConfigError(
            f"sinks.{plan.name}: cannot make {place}: {error.strerror}",
            hint="data_dir must be writable by the user that runs the daemon",
        ) from error
    try:
        return plan.type.make(plan.options, place, generations)
    except (OSError, RuntimeError, ValueError, TypeError, LookupError) as error:
        # Those of other authors may not know our errors.
        raise ConfigError(f"sinks.{plan.name}: cannot be made: {error}") from error


def _parse(config: SinkConfig) -> Plan:
    known = _type_of(config)
    options = read_options(config, {**known.options, **SHARED})
    faults = [f"sinks.{config.name}.{fault}" for fault in known.faults(options)]
    if faults:
        raise ConfigError("\n".join(faults))
    usual = Capture.FULL if known.stays(options) else Capture.REDACTED
    if known.always_redacts and config.capture is Capture.FULL:
        raise ConfigError(
            f"sinks.{config.name}.capture: what it writes says that it is redacted",
            hint=f"take {Capture.REDACTED} or {Capture.METADATA}, or a sink of type jsonl",
        )
    return Plan(
        config.name,
        known,
        options,
        config.capture or usual,
        {"type": config.type, "capture": config.capture, **config.options},
        wanted=options.pop("filter"),
        additions=options.pop("resource"),
    )


def _type_of(config: SinkConfig) -> SinkType:
    path = f"sinks.{config.name}.type"
    if config.type in TYPES:
        return TYPES[config.type]
    try:
        found = plugins.load(config.type)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}", hint=error.hint) from error
    if found is None:
        known = dict.fromkeys((*TYPES, *plugins.names()))
        raise ConfigError(
            f'{path}: unknown type "{config.type}"{meant(config.type, known)}',
            hint=f"the types are: {', '.join(known)}",
        )
    return found


def _shared_paths(plans: Sequence[Plan]) -> list[str]:
    owners: dict[Path, str] = {}
    faults = []
    for plan in plans:
        for key in ("path", "directory"):
            path = plan.options.get(key)
            if not isinstance(path, Path):
                continue
            if path in owners:
                faults.append(f"sinks.{plan.name}.{key}: sinks.{owners[path]} writes there already")
            owners.setdefault(path, plan.name)
    return faults
