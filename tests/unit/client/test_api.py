"""The names that others rely on."""

import inspect
import subprocess
import sys
from types import ModuleType

import pytest

import sidespan
from sidespan import _transport


def test_all_is_sorted_and_complete() -> None:
    """What is public is in __all__, and nothing else is."""
    for name in sidespan.__all__:
        getattr(sidespan, name)
    public = {
        name
        for name, value in vars(sidespan).items()
        if not name.startswith("_")
        and not isinstance(value, ModuleType)
        and getattr(value, "__module__", "").startswith("sidespan")
    }

    assert sidespan.__all__ == sorted(sidespan.__all__)
    assert set(sidespan.__all__) == public | {"__version__"}
    for name in public:
        assert inspect.getdoc(getattr(sidespan, name))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = sidespan.nothing


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("", "FramesTransport"),
        ("/run/x.sock", "FramesTransport"),
        ("relative.sock", "FramesTransport"),
        ("unix:///run/x.sock", "FramesTransport"),
        ("grpc+unix:///run/x.sock", "RecorderTransport"),
        ("grpc://127.0.0.1:1", "RecorderTransport"),
        ("grpcs://127.0.0.1:1", "RecorderTransport"),
        ("file:///tmp/spans.jsonl", "FileTransport"),
    ],
)
def test_the_address_chooses_the_transport(address: str, kind: str) -> None:
    """A path means frames; a gRPC address means the Recorder service."""
    transport = _transport.connect(address, bytes(16))

    assert type(transport).__name__ == kind
    transport.close()


def test_a_wrong_address_is_named_not_raised() -> None:
    """The program runs on; status says what is wrong."""
    sidespan.init("x", socket="http://127.0.0.1:4318")
    with sidespan.span("a"):
        pass
    sidespan.flush(0.05)

    assert "expected a path" in sidespan.status().last_error


@pytest.mark.slow
def test_the_interceptors_say_what_to_install() -> None:
    """Without grpcio the import fails with the command that helps; the rest of the client works."""
    program = (
        "import sys; sys.modules['grpc'] = None\n"
        "import sidespan\n"
        "try:\n    import sidespan.grpc\n"
        "except ImportError as error:\n    print(error)\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert finished.stdout == "sidespan.grpc needs grpcio; run: pip install 'sidespan[grpc]'\n"
