"""Lineages that begin where another one was left: a log with two futures is a fork."""

import msgpack

from sidespand.evidence.branches import Branch, branches
from sidespand.evidence.collection import Evidence
from sidespand.evidence.violations import Code, violations
from sidespand.hlc import ZERO
from sidespand.journal import record
from sidespand.journal.stamper import Draft, control, seal
from sidespand.journal.state import Head
from sidespand.model import Kind, Record
from tests.clocks import ManualClock
from tests.unit.evidence.nodes import Node


def beginning(number: int, parent: Node, parent_lsn: int, reason: str = "moved") -> Record:
    """Return the first record of a lineage that left ``parent`` after ``parent_lsn``."""
    body = {"parent_lineage": parent.lineage, "parent_lsn": parent_lsn, "reason": reason}
    return first(number, msgpack.packb(body))


def first(number: int, payload: bytes) -> Record:
    """Return a LINEAGE record that begins a log."""
    clock = ManualClock(seed=number)
    head = Head(2, bytes([number]) * 8, 1, 1, 0, 0, ZERO, 0, 0, bytes(16), bytes(16), ())
    draft = Draft(head, clock)
    content = control(Kind.LINEAGE, {})
    draft.stamp(seal(type(content)(content.kind, payload, 1), clock), 0, 0)
    ((_, value),) = draft.values
    return Record(2, *record.decode(value))


def parent() -> Node:
    """Return a log of three records."""
    node = Node(1, declared=True)
    node.write()
    node.write()
    return node


def forks(records: list[Record]) -> list[tuple[bytes, int, str]]:
    """Return what is reported as a fork."""
    found = violations(Evidence(records))
    return [(one.lineage, one.lsn, one.message) for one in found if one.code is Code.FORK]


def test_a_log_that_ended_where_it_was_left_has_one_future() -> None:
    """A store that was moved, or put back, and went on alone."""
    node = parent()
    branch = beginning(2, node, 3)

    assert forks([*node.records, branch]) == []
    assert branches(Evidence([*node.records, branch])) == [
        Branch(bytes([2]) * 8, node.lineage, 3, "moved")
    ]


def test_a_log_that_goes_on_after_it_was_left_is_forked() -> None:
    """The original beside its copy, or records that a rollback took back."""
    node = parent()

    assert forks([*node.records, beginning(2, node, 2)]) == [
        (
            node.lineage,
            3,
            "lineage 0202020202020202 goes on after LSN 2 (moved); the log itself goes on to LSN 3",
        )
    ]


def test_a_log_that_was_left_twice_is_forked() -> None:
    """Two copies of one store, of which the original is not at hand."""
    node = parent()
    found = forks([beginning(2, node, 3), beginning(3, node, 5, "rolled_back")])

    assert [(lineage, lsn) for lineage, lsn, _ in found] == [(node.lineage, 4)]
    assert "(moved)" in found[0][2]
    assert "(rolled_back)" in found[0][2]


def test_bodies_that_nobody_of_ours_wrote_are_no_branches() -> None:
    """Whatever a LINEAGE record holds, no error comes of it, and no word of it reaches a report."""
    node = parent()
    strange = [b"", b"\xc1", msgpack.packb([1]), msgpack.packb({"parent_lineage": 7})]
    odd = beginning(9, node, 1, "\x1b[31m")

    assert branches(Evidence([first(10 + at, one) for at, one in enumerate(strange)])) == []
    ((_, _, message),) = forks([*node.records, odd])
    assert message.isprintable()
