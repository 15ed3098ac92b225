"""What people book by hand: written by one, booked by another (制单, 审核). Pure.

A voucher moves money between accounts (a channel's settlement, a fee, rent), an opening books once what
there was before the system, a reversal takes back a voucher or an opening. A campaign's fund is changed by
none of them.
"""

from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final

from services.campaign.ledger.entries import BUSINESS, Kind, day_of
from shared.refusals import Refused

REVERSIBLE: Final = (Kind.OPENING, Kind.VOUCHER)


class DraftState(StrEnum):
    """Where a draft stands; booked and discarded are the ends."""

    WAITING = "waiting"
    BOOKED = "booked"
    DISCARDED = "discarded"


class DraftDecided(Refused):
    """A draft that is booked or discarded already."""

    code = "ledger-draft-decided"
    title = "The draft is decided"


class NotReversible(Refused):
    """An entry that something else than a reversal corrects."""

    code = "ledger-not-reversible"
    title = "The entry can't be reversed by hand"


class AlreadyReversed(Refused):
    """An entry that was reversed before."""

    code = "ledger-already-reversed"
    title = "The entry is reversed"


class OpeningBooked(Refused):
    """A second opening while one stands."""

    code = "ledger-opening-booked"
    title = "The opening balances are booked"


class DayRefused(Refused):
    """A day that can't be right."""

    code = "ledger-day-refused"
    title = "The day can't be right"
    status = 422


def require_waiting(state: DraftState) -> None:
    """Raise DraftDecided unless the draft still waits."""
    if state is not DraftState.WAITING:
        raise DraftDecided(f"It is {state} already.", state=state.value)


def require_day(day: date, now: datetime) -> None:
    """Raise DayRefused for a day that hasn't come, or that is ten years gone: a typing error."""
    today = day_of(now)
    if not today - timedelta(days=3660) <= day <= today:
        raise DayRefused(f"day must lie within the ten years before {today}.", fields=["day"])


def require_reversible(journal: str, kind: Kind) -> None:
    """Raise NotReversible unless a person has booked the entry.

    What comes from an event is corrected by an event: the public totals follow the event, and would deny a
    ledger that was put right alone.
    """
    if journal != BUSINESS or kind in {Kind.DONATIONS, Kind.CARRIED}:
        raise NotReversible(
            "It sums up donations. Reverse the donation itself; its channel sends the reversal.",
            kind=kind.value,
        )
    if kind in {Kind.DISBURSEMENT, Kind.RETURN}:
        raise NotReversible(
            "It is a payment, which is published. What comes back of it is an event of its own.",
            kind=kind.value,
        )
    if kind is Kind.TRANSFER:
        raise NotReversible(
            "It moved money between funds, which is published. Transfer it back as a correction.",
            kind=kind.value,
        )
    if kind is Kind.GOODS:
        raise NotReversible(
            "It is goods, which are published. Ask for a return, or a reversal of the gift.", kind=kind.value
        )
    if kind not in REVERSIBLE:
        raise NotReversible("It is a reversal itself. Book the first voucher again.", kind=kind.value)


def require_not_reversed(reversed_by: int | None) -> None:
    """Raise AlreadyReversed when an entry has taken it back; `reversed_by` is that one's sequence."""
    if reversed_by is not None:
        raise AlreadyReversed(f"Entry {reversed_by} has reversed it.", reversed_by=reversed_by)


def require_no_opening(standing: int | None) -> None:
    """Raise OpeningBooked when an opening stands; `standing` is its sequence."""
    if standing is not None:
        raise OpeningBooked(
            f"Entry {standing} has them. Reverse it, or book what is missing as a voucher.", sequence=standing
        )
