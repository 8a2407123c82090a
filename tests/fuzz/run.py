"""Fuzzes one decoder with atheris: ``python -m tests.fuzz.run TARGET [libFuzzer options]``.

What it finds goes to the current directory; inputs that reach new code are added to the corpus that
is named after the options. ``make fuzz`` runs every target for a while.
"""

import sys
from pathlib import Path

import atheris

CORPUS = Path(__file__).parent / "corpus"
# What decodes, and no more: instrumenting takes seconds.
_INSTRUMENTED = [
    "sidespand.admission",
    "sidespand.receiver.frames",
    "sidespand.receiver.otlp_json",
    "sidespand.token",
    "google.protobuf.json_format",
]


def main(arguments: list[str]) -> None:
    """Run until an option or a failure ends it; the process ends with it."""
    name, *options = arguments
    with atheris.instrument_imports(include=_INSTRUMENTED):
        from tests.fuzz.targets import TARGETS
    if not any(not option.startswith("-") for option in options):
        options.append(str(CORPUS / name))
    atheris.Setup([sys.argv[0], *options], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
