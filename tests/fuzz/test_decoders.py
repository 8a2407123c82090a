"""The three decoders that meet bytes of strangers: any input, and every one that was saved."""

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidespand.receiver.frames import FrameType, encode
from tests.fuzz.targets import TARGETS, frames, otlp_json, tokens
from tests.toolchain import require

CORPUS = Path(__file__).parent / "corpus"
ROOT = Path(__file__).parents[2]
SAVED = sorted(path.relative_to(CORPUS) for path in CORPUS.glob("*/*"))
RUNS = 1000

FRAMES = st.lists(
    st.builds(encode, st.sampled_from(FrameType), st.integers(0, 2**64 - 1), st.binary(max_size=64))
    | st.binary(max_size=16),
    max_size=6,
).map(b"".join)
KEYS = st.sampled_from(
    ["resourceSpans", "scopeSpans", "spans", "traceId", "spanId", "kind", "status", "code", "value",
     "attributes", "key", "stringValue", "intValue", "bytesValue", "arrayValue", "kvlistValue",
     "values", "startTimeUnixNano", "events", "links", "resourceLogs", "scopeLogs", "logRecords",
     "body", "resourceMetrics", "scopeMetrics", "metrics", "gauge", "dataPoints", "asDouble"]
)  # fmt: skip
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8),
    st.sampled_from(["00" * 16, "ab" * 8, "-1", "18446744073709551616", "NaN", "1e400", "zz"]),
)  # fmt: skip
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)
PIECES = st.sampled_from(
    ["sidespan=", "sidespan", "1-", ",", " ", "\t", "=", "-", "00112233445566aa", "ff", "0" * 24,
     "1" * 32, "1-00112233445566aa-1-" + "0" * 24 + "-" + "a" * 32, "é", "\x00"]
)  # fmt: skip


@given(st.integers(0, 255), FRAMES | st.binary(max_size=200))
def test_frames(step: int, stream: bytes) -> None:
    """A stream means the same wherever it is cut, and frames are what was sent."""
    frames(bytes([step]) + stream)


@pytest.mark.slow
@given(st.integers(0, 2), DOCUMENTS.map(repr) | st.text(max_size=200))
def test_otlp_json_of_any_text(kind: int, text: str) -> None:
    """It is refused by name, or it is stored."""
    otlp_json(bytes([kind]) + text.encode("utf-8", "surrogatepass"))


@pytest.mark.slow
@given(st.integers(0, 2), st.dictionaries(KEYS, DOCUMENTS, max_size=4))
def test_otlp_json_of_any_shape(kind: int, document: dict[str, object]) -> None:
    """The same for documents whose names are OTLP's."""
    otlp_json(bytes([kind]) + json.dumps(document).encode())


@given(st.lists(PIECES | st.text(max_size=5), max_size=12).map("".join))
def test_tokens(text: str) -> None:
    """Junk is no token and disturbs nothing; what is one says the same once written again."""
    tokens(text.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("path", SAVED, ids=str)
def test_the_saved_inputs(path: Path) -> None:
    """Every input that reached new code, or once failed, passes."""
    TARGETS[path.parts[0]]((CORPUS / path).read_bytes())


def test_every_decoder_has_saved_inputs() -> None:
    """Several each, and no other."""
    counts = {name: sum(path.parts[0] == name for path in SAVED) for name in TARGETS}
    assert sum(counts.values()) == len(SAVED)
    assert min(counts.values()) >= 10


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_a_short_run_of_the_fuzzer_finds_nothing(name: str, tmp_path: Path) -> None:
    """A thousand inputs that grow from the saved ones; `make fuzz` tries for minutes."""
    require(importlib.util.find_spec("atheris"), "atheris", "`make fuzz` installs it")
    shutil.copytree(CORPUS / name, tmp_path / "corpus")
    ran = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.run", name, f"-runs={RUNS}", "-max_total_time=3",
         "-verbosity=0", f"-artifact_prefix={tmp_path}/", str(tmp_path / "corpus")],
        cwd=ROOT, capture_output=True, check=False, text=True, timeout=60,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-4000:]
