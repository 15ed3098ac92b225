"""A digest as people type it from a photograph."""

import hashlib

import pytest

from services.reporting.proof import canonical_claim
from services.reporting.proving.codes import code_of, digest_typed
from tests.services.reporting.builders import state

DIGEST = "3f9a07c2" + "e1" * 28


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        (DIGEST, DIGEST),
        ("3F9A 07C2", "3f9a07c2"),
        (" 3f9a-o7c2 ", "3f9a07c2"),
        ("3f9aO7cl", "3f9a07c1"),
        (code_of(DIGEST), DIGEST[:16]),
        ("3f9a07c", None),
        ("3f9a07cg", None),
        (DIGEST + "0", None),
        ("", None),
    ],
)
def test_case_spaces_and_what_looks_alike_do_not_count(typed: str, found: str | None) -> None:
    assert digest_typed(typed) == found


def test_the_claim_a_browser_is_given_is_what_the_digest_is_of() -> None:
    shown = state(1_000, reversed_fen=100, returned_fen=7)
    claim = canonical_claim(shown.campaign_id, shown.positions, shown.amounts)
    assert hashlib.sha256(claim.encode()).hexdigest() == shown.digest
