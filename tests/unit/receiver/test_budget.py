"""Room for requests: never more than there is, and never all of it for one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidespand.errors import Unavailable
from sidespand.model import Peer
from sidespand.receiver.budget import Budget, Share, owner_of


def test_a_peer_is_its_tenant_its_user_or_its_address() -> None:
    """Whatever says most about who it is; not the process, nor the port."""
    assert owner_of(Peer("http", 7, 100, "", "blue")) == "blue"
    assert owner_of(Peer("ingest", 7, 100)) == owner_of(Peer("http", 7, 200))
    assert owner_of(Peer("grpc", address="::1")) == owner_of(Peer("http", address="::1"))
    assert owner_of(Peer("ingest", 0)) != owner_of(Peer("grpc"))


def test_one_peer_leaves_room_for_others() -> None:
    """It is refused above its own part while another is not."""
    budget = Budget(100, 60)
    budget.take("one", 60)

    with pytest.raises(Unavailable, match="this sender's"):
        budget.take("one", 1)
    budget.take("other", 40)
    with pytest.raises(Unavailable, match="of requests are under way"):
        budget.take("third", 1)


def test_what_is_given_back_can_be_taken_again() -> None:
    """By anybody."""
    budget = Budget(100, 100)
    budget.take("one", 100)
    budget.give_back("one", 30)

    budget.take("other", 30)
    assert budget.used_bytes == 100


def test_a_share_that_does_not_fit_stays_what_it_was() -> None:
    """A refusal takes nothing, and letting go gives everything back."""
    budget = Budget(100, 50)
    share = Share(budget, "one")
    share.resize(40)
    with pytest.raises(Unavailable):
        share.resize(51)
    assert budget.used_bytes == 40

    share.resize(0)
    assert budget.used_bytes == 0


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 80)), max_size=40))
def test_the_bounds_hold_whatever_is_asked_for(asked: list[tuple[int, int]]) -> None:
    """Used bytes are the sum of what is held, within both bounds; at the end nothing is left."""
    budget = Budget(100, 60)
    shares = [Share(budget, number % 2) for number in range(4)]
    sizes = [0] * 4
    for number, size in asked:
        try:
            shares[number].resize(size)
        except Unavailable:
            continue
        sizes[number] = size
    assert budget.used_bytes == sum(sizes) <= 100
    assert max(sizes[0] + sizes[2], sizes[1] + sizes[3]) <= 60
    for share in shares:
        share.resize(0)
    assert (budget.used_bytes, budget._held) == (0, {})
