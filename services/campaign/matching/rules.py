"""What a matching gift (配捐) comes to, and what may be done with it. Pure.

matched = min(cap, floor(ratio × what was given to its campaigns in its window, less what of that went back)).

It is a function of two sums that only grow, so it is the same after any order of donations and reversals and
for any cut into batches, and never past the cap. Whether a donation is eligible follows from the donation
alone: its campaign, and when it was given. A reversal lowers the sum of the donation that it takes back, by
the time of that donation.

entered → confirmed by another person, before anything in its window was counted → closing → closed by another
person, which makes a pledge of what is matched then. entered → cancelled.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from services.campaign.lifecycle import State
from shared.events import DonationReceived, DonationReversed, Event
from shared.refusals import Refused

WHOLE_BP: Final = 10_000
"""Basis points of a ratio of 1:1."""

MOST_AHEAD: Final = timedelta(minutes=15)
"""The donation service takes nothing that was given more than ten minutes ahead of its own clock. So what is
given later than this from now was not counted yet, even where two machines' clocks differ by minutes."""

MOST_OPEN: Final = 20
"""Confirmed matches that one campaign may be eligible for at a time: a batch looks at all of them."""


class MatchState(StrEnum):
    """Where a match stands. Confirmed, closing and closed ones count what is given."""

    ENTERED = "entered"
    CONFIRMED = "confirmed"
    CLOSING = "closing"
    CLOSED = "closed"
    CANCELLED = "cancelled"


COUNTING: Final = (MatchState.CONFIRMED, MatchState.CLOSING, MatchState.CLOSED)
"""A closed one goes on counting: what comes or goes back late shows beside the pledge that it became."""


class MatchStepNotAllowed(Refused):
    """The match's state has no such step."""

    code = "match-step-not-allowed"
    title = "The match can't take this step from its state"


class WindowBegun(Refused):
    """A confirmation after something in the window may have been counted."""

    code = "match-window-begun"
    title = "Donations in the window may have been counted already"


class WindowOpen(Refused):
    """Closing a match that still runs."""

    code = "match-window-open"
    title = "The match's window is not over"


class WindowWrong(Refused):
    """A window that ends before it begins."""

    code = "match-window-wrong"
    title = "The match's window can't be right"
    status = 422


class CampaignRepeated(Refused):
    """A campaign that is named twice."""

    code = "match-campaign-repeated"
    title = "A campaign stands in the list twice"
    status = 422


class NotMatchedNow(Refused):
    """A match for a campaign that is not filed yet, or over."""

    code = "match-not-taken"
    title = "The campaign takes no matches now"


class TooManyMatches(Refused):
    """More matches than a batch should look at."""

    code = "too-many-matches"
    title = "The campaign has as many matches as it can have"


class CapReadDiffers(Refused):
    """What the second person has read is not what was entered."""

    code = "read-back-differs"
    title = "What was read back is not what was entered"


@dataclass(frozen=True, slots=True)
class Offer:
    """What a batch must know of a match: which campaigns, from when until before when (UTC)."""

    match_id: UUID
    campaign_ids: frozenset[str]
    window_start: datetime
    window_end: datetime

    def eligible(self, campaign_id: str, given_at: datetime) -> bool:
        """Whether what was given to a campaign at that time is matched."""
        return campaign_id in self.campaign_ids and self.window_start <= given_at < self.window_end


@dataclass(slots=True)
class EligibleSums:
    """What was given in a match's window and what of that went back, in fen: both only grow."""

    received_fen: int = 0
    reversed_fen: int = 0

    @property
    def net_fen(self) -> int:
        """Below zero for a moment when a reversal is read before its donation."""
        return self.received_fen - self.reversed_fen


def matched_fen(net_fen: int, *, ratio_bp: int, cap_fen: int) -> int:
    """What is matched, in fen: 0 … cap, rounded down, so that no part of a fen is promised."""
    return min(cap_fen, max(0, net_fen) * ratio_bp // WHOLE_BP)


def eligible_sums(events: Iterable[Event], offers: Sequence[Offer]) -> dict[tuple[UUID, str], EligibleSums]:
    """What a batch adds to each match, per (match, source), keys sorted so that upserts can't deadlock."""
    by_campaign = _by_campaign(offers)
    sums: defaultdict[tuple[UUID, str], EligibleSums] = defaultdict(EligibleSums)
    for event in events:
        if isinstance(event, DonationReceived):
            for offer in by_campaign.get(event.data.campaign_id, ()):
                if offer.eligible(event.data.campaign_id, event.data.occurred_at):
                    sums[offer.match_id, event.source].received_fen += event.data.amount_fen
        elif isinstance(event, DonationReversed):
            for offer in by_campaign.get(event.data.campaign_id, ()):
                if offer.eligible(event.data.campaign_id, event.data.donation_occurred_at):
                    sums[offer.match_id, event.source].reversed_fen += event.data.amount_fen
    return dict(sorted(sums.items()))


def _by_campaign(offers: Sequence[Offer]) -> Mapping[str, list[Offer]]:
    found: defaultdict[str, list[Offer]] = defaultdict(list)
    for offer in offers:
        for campaign_id in offer.campaign_ids:
            found[campaign_id].append(offer)
    return found


# ---------------------------------------------------------------- what may be done


def require_window(start: datetime, end: datetime) -> None:
    """Raise WindowWrong unless the window begins before it ends."""
    if end <= start:
        raise WindowWrong("window_end must be later than window_start.", fields=["window_end"])


def require_each_once(campaign_ids: Sequence[str]) -> None:
    """Raise CampaignRepeated when a campaign is named twice."""
    if len(set(campaign_ids)) < len(campaign_ids):
        raise CampaignRepeated("Name each campaign once.", fields=["campaign_ids"])


def require_running(campaign_id: str, state: State) -> None:
    """Raise NotMatchedNow unless the campaign is filed and not over."""
    if state not in (State.FILED, State.LAUNCHED, State.PAUSED):
        raise NotMatchedNow(f"{campaign_id} is {state}.", campaign_id=campaign_id, state=state.value)


def require_room(campaign_id: str, open_matches: int) -> None:
    """Raise TooManyMatches when a campaign has MOST_OPEN matches already."""
    if open_matches >= MOST_OPEN:
        raise TooManyMatches(f"{campaign_id} has {open_matches} matches.", matches=open_matches)


def require_state(state: MatchState, *allowed: MatchState) -> None:
    """Raise MatchStepNotAllowed unless the match is in one of the allowed states."""
    if state not in allowed:
        needed = " or ".join(allowed)
        raise MatchStepNotAllowed(
            f"The match is {state}; this is done with one that is {needed}. Read it again.", state=state.value
        )


def require_cap_read(entered_fen: int, read_fen: int) -> None:
    """Raise CapReadDiffers unless the second person has read the same cap in the agreement."""
    if entered_fen != read_fen:
        raise CapReadDiffers(
            "Look at the agreement together. Is the entry wrong, cancel it and enter it anew.",
            fields=["cap_fen"],
        )


def require_nothing_counted(window_start: datetime, now: datetime, *, counted: bool) -> None:
    """Raise WindowBegun unless what is in the window is still to be counted: it begins later than anything
    that can have been counted by now, or nothing of its first day and later was counted at all.

    `counted`: whether the ledger has a donation or a reversal of its campaigns on or after the window's first
    day. Only then are the sums of the match, which begin at zero, those of the whole window.
    """
    if counted and window_start < now + MOST_AHEAD:
        raise WindowBegun(
            "Its campaigns have donations of the window's first day or later. Cancel it, and enter one whose "
            f"window begins {MOST_AHEAD.seconds // 60} minutes from now or later.",
            fields=["window_start"],
        )


def require_over(window_end: datetime, now: datetime) -> None:
    """Raise WindowOpen until the window is over."""
    if now < window_end:
        raise WindowOpen(f"It runs until {window_end.isoformat()}; close it then.")
