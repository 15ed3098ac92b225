"""Pledges: when they are taken, until when they are due, and what is shown of who made them."""

from datetime import date, timedelta

import pytest

from services.campaign.lifecycle import State
from services.campaign.pledges.rules import (
    LATEST_DUE,
    UNNAMED_COMPANY,
    AliasMissing,
    DueDateRefused,
    PledgesNotTaken,
    name_to_show,
    require_due_date,
    require_open_for_pledges,
)

PROMISED_ON = date(2027, 1, 1)


@pytest.mark.parametrize("state", [state for state in State if state is not State.LAUNCHED])
def test_a_promise_is_made_to_a_launched_campaign(state: State) -> None:
    require_open_for_pledges(State.LAUNCHED)
    with pytest.raises(PledgesNotTaken):
        require_open_for_pledges(state)


@pytest.mark.parametrize("due_on", [PROMISED_ON, PROMISED_ON + LATEST_DUE])
def test_a_promise_is_due_from_its_day_to_five_years_on(due_on: date) -> None:
    require_due_date(due_on, PROMISED_ON)


@pytest.mark.parametrize(
    "due_on", [PROMISED_ON - timedelta(days=1), PROMISED_ON + LATEST_DUE + timedelta(days=1)]
)
def test_a_due_date_past_or_too_far_off_is_refused(due_on: date) -> None:
    with pytest.raises(DueDateRefused):
        require_due_date(due_on, PROMISED_ON)


def test_a_company_is_shown_as_it_agreed() -> None:
    assert name_to_show("某某公司", "name", None) == "某某公司"
    assert name_to_show("某某公司", "alias", "老朋友") == "老朋友"
    assert name_to_show("某某公司", "anonymous", "老朋友") == UNNAMED_COMPANY
    with pytest.raises(AliasMissing):
        name_to_show("某某公司", "alias", None)
