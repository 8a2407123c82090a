"""Journal, sessions, upkeep and sinks together against a plain list, in whatever order."""

from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from sidespand.sinks.batches import Batch
from sidespand.sinks.carrier import Carrier
from tests.model.node import INSTANCES, NodeModel


class LongNodeModel(NodeModel):
    """The same, for longer."""


class HastyCarrier(Carrier):
    """A carrier that was broken on purpose: its cursor is durable before its sink has answered."""

    async def _settle(self, batch: Batch) -> bool:
        self._position = batch.position
        await self.save()
        return await super()._settle(batch)


class HastyModel(NodeModel):
    """A node whose sinks are carried hastily."""

    carrier = HastyCarrier


BRIEF = settings(
    max_examples=60,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
TestNodeModel = pytest.mark.slow(NodeModel.TestCase)
TestNodeModel.settings = settings(max_examples=6, stateful_step_count=25, deadline=None)
TestLongNodeModel = pytest.mark.long(LongNodeModel.TestCase)
TestLongNodeModel.settings = settings(max_examples=500, stateful_step_count=50, deadline=None)


# Sequences that once mattered, or that a certain fault shows in.
KEPT: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "a sink that fails": [
        ("append", {"items": 2, "size": 400, "requests": 2}),
        ("deliver", {"name": "archive", "answer": "fails", "dies": False}),
        ("deliver", {"name": "archive", "answer": "takes it", "dies": False}),
    ],
    "a worker that is killed while it delivers": [
        ("append", {"items": 1, "size": 1, "requests": 1}),
        ("deliver", {"name": "copy", "answer": "takes it", "dies": True}),
        ("crash", {}),
        ("deliver", {"name": "copy", "answer": "takes it", "dies": False}),
    ],
    "a trim that a required sink is behind": [
        ("append", {"items": 1, "size": 400, "requests": 1}),
        ("roll", {}),
        ("append", {"items": 1, "size": 400, "requests": 1}),
        ("trim", {"asked": True, "force": False}),
        ("deliver", {"name": "archive", "answer": "refuses one", "dies": False}),
        ("trim", {"asked": True, "force": False}),
        ("crash", {}),
    ],
    "a failed commit before a trim": [
        ("fail", {"full": False}),
        ("append", {"items": 1, "size": 1, "requests": 1}),
        ("trim", {"asked": True, "force": True}),
        ("crash", {}),
        ("fail", {"full": True}),
        ("resend", {"instance": INSTANCES[0], "resent": 2}),
        ("restart", {}),
        ("resend", {"instance": INSTANCES[0], "resent": 2}),
    ],
}


def play(model: type[NodeModel], kept: str) -> None:
    """Run one of the sequences, with what must hold after each step of it."""
    machine = model()
    try:
        machine.begin()
        for step, arguments in KEPT[kept]:
            getattr(machine, step)(**arguments)
            machine.cursors_stand_behind_what_sinks_got()
    finally:
        machine.teardown()


@pytest.mark.slow
@pytest.mark.parametrize("kept", KEPT)
def test_a_kept_sequence_holds(kept: str) -> None:
    """What once failed, or shows a certain fault, does not fail."""
    play(NodeModel, kept)


@pytest.mark.slow
@pytest.mark.parametrize("kept", list(KEPT)[:2])
def test_a_cursor_that_is_saved_before_delivery_is_found(kept: str) -> None:
    """The model tells a worker that loses what its sink was about to get."""
    with pytest.raises(AssertionError, match="never got"):
        play(HastyModel, kept)


@pytest.mark.slow
def test_a_trim_that_waits_for_nobody_is_found() -> None:
    """The model tells a trim that a required sink does not hold."""
    with (
        mock.patch("sidespand.journal.retention.has_passed", return_value=True),
        pytest.raises(AssertionError),
    ):
        play(NodeModel, "a trim that a required sink is behind")


@pytest.mark.long
def test_a_hasty_cursor_is_found_without_being_shown() -> None:
    """No sequence is given: the machine comes upon one."""
    with pytest.raises(AssertionError, match="never got"):
        run_state_machine_as_test(HastyModel, settings=BRIEF)


@pytest.mark.slow
def test_a_step_that_is_stored_twice_is_found() -> None:
    """The model tells a journal that does not know what it was sent before."""
    with (
        mock.patch("sidespand.journal.group.decide", return_value=True),
        pytest.raises(AssertionError),
    ):
        play(NodeModel, "a failed commit before a trim")


@pytest.mark.long
@pytest.mark.parametrize(
    ("broken", "by"),
    [
        ("sidespand.journal.redact.rewrite", {"return_value": None}),
        ("sidespand.journal.group.decide", {"return_value": True}),
        ("sidespand.journal.rewrite.record.redacted", {"return_value": b""}),
    ],
    ids=["a redaction that does nothing", "a step that is stored twice",
         "a redaction that takes the leaf"],
)  # fmt: skip
def test_what_is_broken_on_purpose_is_found(broken: str, by: dict[str, Any]) -> None:
    """The machine tells each of these from a sound node by itself."""
    with mock.patch(broken, **by), pytest.raises(AssertionError):
        run_state_machine_as_test(NodeModel, settings=BRIEF)
