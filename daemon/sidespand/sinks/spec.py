"""What a type of sink declares: the keys that it takes, and how one is made."""

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sidespand.config import SinkConfig
from sidespand.errors import ConfigError
from sidespand.model import ControlBody
from sidespand.ports import Sink

_SHOWN_CHARACTERS_MAX = 80

# Gives the body of a generation's GEN record from lineage and boot generation; empty when trimmed.
Generations = Callable[[bytes, int], ControlBody]
# Tells a generation's source_node_ref from the same.
NodeRef = Callable[[bytes, int], str]


@dataclass(frozen=True, slots=True)
class Option:
    """One key of a sink.

    Args:
        parse: Takes TOML's value; raises ValueError with what it expected.
        default: What holds without it; ignored when it is required.
        example: What to set a required one to, in TOML; empty for one that is not.
        secret: Never show its value.
    """

    parse: Callable[[Any], Any]
    default: Any = None
    example: str = ""
    secret: bool = False


@dataclass(frozen=True, slots=True)
class SinkType:
    """One ``type`` of the configuration.

    Args:
        options: Its keys.
        make: Takes the value of every key, the sink's own directory, and who recorded each
            generation; called on the event loop that will deliver.
        stays: Tells from the value of every key whether all that it is handed stays in data_dir. If
            not, it has left the node, and is redacted unless the configuration says otherwise.
        faults: Tells which values do not go together, each with its key in front.
        always_redacts: What it writes claims to be redacted, so it is never handed all.
    """

    options: Mapping[str, Option]
    make: Callable[[Mapping[str, Any], Path, Generations], Sink]
    stays: Callable[[Mapping[str, Any]], bool] = lambda _: False
    faults: Callable[[Mapping[str, Any]], Sequence[str]] = lambda _: ()
    always_redacts: bool = False


def node_refs(generations: Generations) -> NodeRef:
    """Return what tells the node references of ``generations``, empty ones where none is known."""

    def node_ref(lineage: bytes, boot_generation: int) -> str:
        return str(generations(lineage, boot_generation).get("source_node_ref", ""))

    return node_ref


def read_options(sink: SinkConfig, known: Mapping[str, Option]) -> dict[str, Any]:
    """Return the value of every known key.

    Raises:
        ConfigError: Names each key that is missing, unknown or cannot be used.
    """
    faults = [
        f"sinks.{sink.name}.{key}: unknown key{meant(key, known)}"
        for key in sink.options
        if key not in known
    ]
    found = {}
    for key, option in known.items():
        path = f"sinks.{sink.name}.{key}"
        if key not in sink.options:
            found[key] = option.default
            if option.example:
                faults.append(f"{path}: missing; set it to {option.example}")
            continue
        try:
            found[key] = option.parse(sink.options[key])
        except ValueError as error:
            got = "" if option.secret else f", got {_shown(sink.options[key])}"
            faults.append(f"{path}: {error}{got}")
    if faults:
        hint = f"a sink of type {sink.type} takes: type, required, capture, {', '.join(known)}"
        raise ConfigError("\n".join(faults), hint=hint)
    return found


def meant(given: str, known: Mapping[str, object]) -> str:
    """Return a suggestion for a name that is not known, to be put behind it; empty for none."""
    near = difflib.get_close_matches(given, known, 1)
    return f", did you mean {near[0]}?" if near else ""


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS_MAX else text[: _SHOWN_CHARACTERS_MAX - 3] + "..."
