"""Sink configuration: every fault is named, nothing is opened for it."""

from pathlib import Path

import pytest

from sidespand.config import Capture, SinkConfig
from sidespand.errors import ConfigError
from sidespand.model import Delivered, Kind
from sidespand.sinks import registry
from sidespand.sinks.jsonl import JsonlSink
from sidespand.sinks.otlp_options import Endpoint
from tests.journals import NODE_REF, content, records, run
from tests.otlp import encoded


def refusal(*configs: SinkConfig) -> ConfigError:
    """Return what is said of configurations that cannot be used."""
    with pytest.raises(ConfigError) as refused:
        registry.parse(configs)
    return refused.value


def test_every_key_has_a_value_after_parsing() -> None:
    """Keys that were not given hold their default."""
    jsonl, otlp = registry.parse(
        [
            SinkConfig("archive", "jsonl", {}),
            SinkConfig("tempo", "otlp", {"endpoint": "http://tempo", "timeout": "500ms"}),
        ]
    )
    assert (jsonl.name, jsonl.options) == (
        "archive",
        {
            "path": None,
            "format": "spans",
            "rotate_bytes": None,
            "rotate_age": None,
            "keep_files": None,
        },
    )
    assert otlp.options == {
        "endpoint": Endpoint(host="tempo"),
        "protocol": "grpc",
        "signals": {Kind.SPANS, Kind.LOGS, Kind.METRICS},
        "stamp": "span",
        "headers": {},
        "headers_file": None,
        "timeout": 0.5,
        "compression": "none",
        "request_bytes_max": 4 << 20,
        "ca_file": None,
        "cert_file": None,
        "key_file": None,
    }
    assert (otlp.wanted, otlp.additions) == (None, None)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            SinkConfig("a", "oltp", {}),
            'sinks.a.type: unknown type "oltp", did you mean otlp?',
        ),
        (SinkConfig("a", "kafka", {}), 'sinks.a.type: unknown type "kafka"'),
        (
            SinkConfig("a", "jsonl", {"pth": "/x"}),
            "sinks.a.pth: unknown key, did you mean path?",
        ),
        (SinkConfig("a", "jsonl", {"path": 5}), "sinks.a.path: expected a path, got 5"),
        (
            SinkConfig("a", "otlp", {}),
            'sinks.a.endpoint: missing; set it to "http://127.0.0.1:4317"',
        ),
        (
            SinkConfig("a", "otlp", {"endpoint": "http://h", "timeout": "0s"}),
            "sinks.a.timeout: expected a duration above 0, got '0s'",
        ),
        (
            SinkConfig("a", "otlp", {"endpoint": "http://h", "compression": "zstd"}),
            'sinks.a.compression: expected "none" or "gzip", got \'zstd\'',
        ),
    ],
)
def test_a_fault_names_its_key(config: SinkConfig, message: str) -> None:
    """The message has the path of the key, what was expected, and what was meant."""
    error = refusal(config)
    assert str(error) == message
    assert error.hint


def test_all_faults_are_told_at_once() -> None:
    """Every key of every sink is looked at before giving up."""
    error = refusal(
        SinkConfig("a", "jsonl", {"x": 1, "path": ""}),
        SinkConfig("b", "nope", {}),
        SinkConfig("c", "jsonl", {"path": "/tmp/same"}),
        SinkConfig("d", "jsonl", {"path": "/tmp/same"}),
    )
    keys = [line.split(":")[0] for line in str(error).split("\n")]
    assert keys == ["sinks.a.x", "sinks.a.path", "sinks.b.type", "sinks.d.path"]


def test_a_secret_is_not_repeated() -> None:
    """A header that cannot be used is named without its value."""
    headers = {"authorization": "Bearer hunter2\n"}
    error = refusal(SinkConfig("a", "otlp", {"endpoint": "http://h", "headers": headers}))
    assert str(error).startswith("sinks.a.headers: ")
    assert "hunter2" not in str(error) + error.hint


def test_a_long_value_is_cut_in_the_message() -> None:
    """A value of a kilobyte does not fill the terminal."""
    error = refusal(SinkConfig("a", "otlp", {"endpoint": "x" * 1000}))
    assert len(str(error)) < 250


def test_a_jsonl_sink_writes_below_its_own_directory_by_default(tmp_path: Path) -> None:
    """Without a path the file lies in the sink's directory, which is made for its owner alone."""
    (plan,) = registry.parse([SinkConfig("archive", "jsonl", {})])
    place = tmp_path / "sinks" / "archive"

    async def test() -> None:
        sink = registry.build(plan, place, lambda *_: {"source_node_ref": NODE_REF})
        assert isinstance(sink, JsonlSink)
        assert await sink.deliver(records([content(encoded(2))])) == Delivered()
        await sink.close()

    run(test())
    assert place.stat().st_mode & 0o777 == 0o700
    assert len((place / "spans.jsonl").read_bytes().splitlines()) == 2


def test_a_directory_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    """The sink is named, and what to look at."""
    (plan,) = registry.parse([SinkConfig("archive", "jsonl", {})])
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"sinks.archive: cannot make .*file") as refused:
        registry.build(
            plan, tmp_path / "file" / "archive", lambda *_: {"source_node_ref": NODE_REF}
        )
    assert "data_dir" in refused.value.hint


def test_what_claims_to_be_redacted_is_never_handed_all() -> None:
    """AITrace's files say that they are redacted: another level is refused, the default is not."""
    (plan,) = registry.parse([SinkConfig("traces", "aitrace_file", {})])
    assert plan.capture is Capture.REDACTED
    error = refusal(SinkConfig("traces", "aitrace_file", {}, capture=Capture.FULL))
    assert str(error).startswith("sinks.traces.capture: ")
    assert error.hint


def test_two_sinks_do_not_share_a_directory() -> None:
    """Files of two sinks in one directory would be taken for one another's."""
    options = {"directory": "/tmp/same"}
    error = refusal(
        SinkConfig("a", "aitrace_file", options), SinkConfig("b", "aitrace_file", options)
    )
    assert str(error) == "sinks.b.directory: sinks.a writes there already"
