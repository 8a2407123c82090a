"""The evidence panel: where a span lies, what binds it there, and what nobody can tell."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.daemon import wait_until
from tests.e2e.ui.conftest import Cinema
from tests.e2e.ui.packing import Packed

pytestmark = pytest.mark.slow

COVERED_S_MAX = 20.0


def covered(cinema: Cinema, span: str) -> dict[str, object]:
    """Return the receipt of a span once a checkpoint covers it."""
    found: dict[str, object] = {}

    def is_covered() -> bool:
        found.update(cinema.api.get(f"/v1/receipts/{span}").json())
        return bool(found["covered"])

    wait_until(is_covered, COVERED_S_MAX, f"a checkpoint that covers {span}")
    return found


def test_a_stamp_and_a_proof_that_the_browser_checks(
    page: Page, cinema: Cinema, packed: Packed
) -> None:
    """The path to the root and the signature are computed in the page, not believed."""
    span = packed.id("chat scripted-1")
    receipt = covered(cinema, span)
    page.goto(cinema.url(packed.path("evidence", span=span)))

    stamp = page.get_by_test_id("stamp")
    expect(stamp).to_contain_text(str(receipt["position"]))
    expect(stamp).to_contain_text("node://test@host")
    expect(stamp).to_contain_text("fsync")
    proof = page.get_by_test_id("proof")
    expect(proof).to_contain_text("lead to this root: checked in this browser")
    expect(proof).to_contain_text("signature holds: checked in this browser")


def test_a_receipt_that_was_altered_on_its_way_is_found_out(
    page: Page, cinema: Cinema, packed: Packed
) -> None:
    """Whoever answers in the daemon's place cannot make another leaf lead to the signed root."""
    span = packed.id("plan")
    receipt = covered(cinema, span)
    record = receipt["record"]
    assert isinstance(record, dict)
    altered = {**receipt, "record": {**record, "leaf": "00" * 32}}
    page.route(re.compile("/v1/receipts/"), lambda route: route.fulfill(json=altered))
    page.goto(cinema.url(packed.path("evidence", span=span)))

    proof = page.get_by_test_id("proof")
    expect(proof).to_contain_text("do not lead to this root")
    expect(proof).to_contain_text("signature holds")


def test_the_page_asks_again_until_a_checkpoint_covers_a_record(
    page: Page, cinema: Cinema, packed: Packed
) -> None:
    """Who looks right after a span ended sees first that nothing covers it, then the proof."""
    span = packed.id("remember")
    receipt = covered(cinema, span)
    early = {**receipt, "covered": False, "checkpoint": None, "inclusion": None}
    early["uncovered_reason"] = "no checkpoint was signed since"
    page.route(re.compile("/v1/receipts/"), lambda route: route.fulfill(json=early), times=1)
    page.goto(cinema.url(packed.path("evidence", span=span)))

    proof = page.get_by_test_id("proof")
    expect(proof).to_contain_text("No checkpoint covers it: no checkpoint was signed since")
    expect(proof).to_contain_text("lead to this root: checked in this browser")


def test_both_lists_say_what_is_known_and_what_is_not(
    page: Page, cinema: Cinema, packed: Packed
) -> None:
    """What nobody can tell from a record is beside what it establishes."""
    span = packed.id("chat scripted-1")
    covered(cinema, span)
    page.goto(cinema.url(packed.path("evidence", span=span)))

    known = page.get_by_role("region", name="Established", exact=True)
    expect(known).to_contain_text("it was on this node's disk")
    expect(known).to_contain_text("A signed checkpoint counts it")
    unknown = page.get_by_role("region", name="Not established")
    expect(unknown).to_contain_text("the log vouches for itself")
    expect(unknown).to_contain_text("That what it says is true")


def test_the_store_is_verified_on_request(page: Page, cinema: Cinema, packed: Packed) -> None:
    """A check of the whole store ends with what it found and what it cannot tell."""
    page.goto(cinema.url(packed.path("evidence", span=packed.id("plan"))))

    page.get_by_role("button", name="Verify the store").click()

    check = page.get_by_test_id("store-check")
    expect(check).to_contain_text("Nothing is wrong.", timeout=30_000)
    expect(check).to_contain_text("checksums, commitments, places, stamps and generations hold")
    expect(check).to_contain_text("no node key was given")
