"""A run of the packing agent in the index, and where its spans are."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

from tests.daemon import wait_until

RUN_S_MAX = INDEXED_S_MAX = 20.0
SPANS = 7


class Packed:
    """What the index has of one run.

    Args:
        api: Of the daemon.
        trace_id: Of the run.
    """

    def __init__(self, api: httpx.Client, trace_id: str) -> None:
        self.trace_id = trace_id
        self._api = api

        def there() -> bool:
            answer = api.get(f"/v1/traces/{trace_id}/skeleton")
            return answer.status_code == httpx.codes.OK and answer.json()["count"] == SPANS

        wait_until(there, INDEXED_S_MAX, f"{SPANS} spans of {trace_id} in the index")
        skeleton: dict[str, Any] = api.get(f"/v1/traces/{trace_id}/skeleton").json()
        columns, strings = skeleton["columns"], skeleton["strings"]
        self.names: Sequence[str] = [strings[name] for name in columns["name"]]
        self._ids: Sequence[str] = columns["span_id"]

    def id(self, name: str, nth: int = 0) -> str:
        """Return the id of the span of that name, the nth in the order of the waterfall."""
        return [one for one, known in zip(self._ids, self.names, strict=True) if known == name][nth]

    def path(self, view: str = "", **parameters: str) -> str:
        """Return the address of a view without the host."""
        given = {"view": view, **parameters} if view else parameters
        return f"/t/{self.trace_id}?" + "&".join(f"{key}={value}" for key, value in given.items())


def pack(api: httpx.Client, ingest: Path) -> Packed:
    """Run the agent against a daemon and return its run once the index has it."""
    finished = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("packing_agent.py"))],
        env={**os.environ, "SIDESPAN_SOCKET": str(ingest)}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=RUN_S_MAX, check=True,
    )  # fmt: skip
    return Packed(api, json.loads(finished.stdout)["trace_id"])
