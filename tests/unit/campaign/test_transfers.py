"""Transfers: who may decide, which funds give and take, and how they are booked."""

from datetime import date
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.campaign.funds import transfers
from services.campaign.guardrail import FundFigures
from services.campaign.ledger.accounts import Side
from services.campaign.ledger.entries import Posting, of_transfer, require_balanced
from services.campaign.lifecycle import State


@given(*(st.integers(0, 10**13) for _ in range(6)))
def test_what_came_from_another_fund_can_be_spent_and_what_went_there_cannot(
    received: int, reversed_: int, reserved: int, disbursed: int, into: int, out: int
) -> None:
    without = FundFigures(received, reversed_, reserved, disbursed)
    figures = FundFigures(received, reversed_, reserved, disbursed, into, out)
    assert figures.held_fen == without.held_fen + into - out
    assert figures.balance_fen == without.balance_fen + into - out


@pytest.mark.parametrize("state", [State.DRAFT, State.FILED])
def test_a_fund_that_has_never_raised_neither_gives_nor_takes(state: State) -> None:
    with pytest.raises(transfers.FundNotActive) as refused:
        transfers.require_active("gala", state)
    assert refused.value.facts == {"campaign_id": "gala", "state": state.value}


@pytest.mark.parametrize("state", [State.LAUNCHED, State.PAUSED, State.CLOSED])
def test_a_fund_that_has_raised_gives_and_takes(state: State) -> None:
    transfers.require_active("gala", state)


def test_one_fund_is_not_enough() -> None:
    with pytest.raises(transfers.SameFund):
        transfers.require_two_funds("gala", "gala")


def entry_of(to_campaign_id: str | None, amount_fen: int) -> tuple[Posting, ...]:
    return of_transfer(
        UUID(int=1),
        "gala",
        to_campaign_id,
        amount_fen,
        decided_on=date(2023, 12, 31),
        asked_by="wang",
        approved_by="zhao",
        reason="归口",
    ).postings


@given(st.sampled_from([None, "homes"]), st.integers(1, 10**16))
def test_each_fund_is_balanced_by_itself_whatever_the_amount(to_campaign_id: str | None, fen: int) -> None:
    require_balanced(entry_of(to_campaign_id, fen))


def test_what_goes_to_a_trust_is_an_expense_and_what_goes_to_a_fund_is_none() -> None:
    debited = {(each.account, each.campaign_id) for each in entry_of(None, 5) if each.side is Side.DEBIT}
    assert debited == {("510109", "gala")}
    debited = {(each.account, each.campaign_id) for each in entry_of("homes", 5) if each.side is Side.DEBIT}
    assert debited == {("3102", "gala"), ("1002", "homes")}
