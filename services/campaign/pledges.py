"""Pledges (认捐, 举牌): promises made in public, which the law enforces (Charity Law art. 41).

A pledge is never counted as received, and never added to what was received or disbursed.
"""

from datetime import date, datetime, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

from services.campaign.lifecycle import State
from shared.refusals import Refused

Display = Literal["name", "alias", "anonymous"]

UNNAMED_COMPANY: Final = "爱心企业"
"""Shown for a company that did not agree to be named (art. 82): "a kind company"."""

LATEST_DUE: Final = timedelta(days=5 * 366)
"""A due date further off than five years is taken for a typing error."""

DONOR_TIME: Final = ZoneInfo("Asia/Shanghai")


class PledgesNotTaken(Refused):
    """A pledge to a campaign that is not launched."""

    code = "pledges-not-taken"
    title = "The campaign takes no pledges now"


class DueDateRefused(Refused):
    """A due date in the past, or too far off."""

    code = "due-date-refused"
    title = "The due date can't be right"
    status = 422


class AliasMissing(Refused):
    """An alias is to be shown, and none was sent."""

    code = "alias-missing"
    title = "The alias to show is missing"
    status = 422


def require_open_for_pledges(state: State) -> None:
    """Raise PledgesNotTaken unless the campaign is launched: a promise is made in public (art. 41)."""
    if state is not State.LAUNCHED:
        raise PledgesNotTaken(f"The campaign is {state}; it must be launched.", state=state.value)


def require_due_date(due_on: date, now: datetime) -> None:
    """Raise DueDateRefused unless due_on is between today in Asia/Shanghai and five years on."""
    today = now.astimezone(DONOR_TIME).date()
    if not today <= due_on <= today + LATEST_DUE:
        raise DueDateRefused(
            f"due_on must lie between {today} and {today + LATEST_DUE}.",
            fields=["due_on"],
            due_on=due_on.isoformat(),
        )


def name_to_show(company: str, display: Display, alias: str | None) -> str:
    """The name for screens and events, as the company agreed (art. 82).

    Raises AliasMissing when an alias is to be shown and there is none.
    """
    if display == "name":
        return company
    if display == "anonymous":
        return UNNAMED_COMPANY
    if not alias:
        raise AliasMissing("Send the alias that is to be shown.", fields=["alias"])
    return alias
