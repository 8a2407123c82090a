"""What sidespan gives to tests works in tests."""

import textwrap
from pathlib import Path

import pytest

import sidespan
from sidespan.testing import FakeDaemon, capture

pytest_plugins = ["pytester"]

WAIT_S = 20.0


def test_capture_decodes_what_was_recorded() -> None:
    """As Python values, and only within the block."""
    with capture() as spans:
        with sidespan.span("plan", {"a.b": [1, 2.5, None, b"x"]}, kind="server") as s:
            s.add_event("thought", {"deep": {"k": True}})
        with pytest.raises(LookupError, match="0 spans are named 'other'"):
            spans.named("other")
    with sidespan.span("after"):
        pass

    (span,) = spans.spans
    assert (span.name, span.kind, span.status) == ("plan", "server", "unset")
    assert span.attributes == {"a.b": [1, 2.5, None, b"x"]}
    assert span.events[0].attributes == {"deep": {"k": True}}
    assert (span.trace_id, span.span_id) == (s.trace_id, s.span_id)
    spans.clear()
    assert spans.encoded == []


def test_a_durable_span_does_not_wait_for_a_capture() -> None:
    """Nothing is sent, so there is nothing to wait for."""
    with capture(), sidespan.span("pay", durable=True, durable_timeout_s=3600) as s:
        assert not s.durable


def test_the_fake_daemon_refuses_what_it_cannot_read(tmp_path: Path) -> None:
    """As the real one: for good, and the next step is taken."""
    from sidespan import _wire
    from sidespan._transport import PermanentError, connect

    daemon = FakeDaemon(tmp_path / "ingest.sock").start()
    transport = connect(daemon.address, b"i" * 16)
    with pytest.raises(PermanentError):
        transport.send(1, _wire.encode_records(b"\xff\xff"))
    assert transport.send(2, b"").first_lsn == 0
    transport.close()
    daemon.stop()
    daemon.stop()


@pytest.mark.slow
def test_the_fixtures_are_there(pytester: pytest.Pytester) -> None:
    """One line in conftest.py brings both."""
    pytester.makeconftest('pytest_plugins = ["sidespan.testing.fixtures"]')
    pytester.makepyfile(
        textwrap.dedent(
            """
            import sidespan

            def test_spans(sidespan_spans):
                with sidespan.span("plan"):
                    pass
                assert sidespan_spans.named("plan")

            def test_daemon(sidespan_daemon):
                sidespan.init("x", socket=sidespan_daemon.address)
                with sidespan.span("plan"):
                    pass
                assert sidespan.flush()
                assert [span.name for span in sidespan_daemon.spans] == ["plan"]
            """
        )
    )
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")

    result.assert_outcomes(passed=2)
