"""Writes the vectors that every binding must pass: ``python -m tests.conformance.write``."""

import json
from pathlib import Path

from tests.conformance import frames, otlp, policy, w3c

DIRECTORY = Path(__file__).parents[2] / "bindings/conformance"
FORMAT = 1


def documents() -> dict[str, str]:
    """Return the text of every file, by its name."""
    files = {**frames.FILES, **otlp.FILES, **w3c.FILES, **policy.FILES}
    return {
        name: json.dumps({"format": FORMAT, **document}, indent=1) + "\n"
        for name, document in files.items()
    }


def main() -> None:
    """Write every file."""
    for name, text in documents().items():
        (DIRECTORY / name).write_text(text, encoding="ascii")
        print(f"wrote {name}: {len(text)} bytes")


if __name__ == "__main__":
    main()
