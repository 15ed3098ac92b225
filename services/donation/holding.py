"""Whether a donation counts at once or is held: a pure rule."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, TypeAlias

from shared.events.donations import HeldReason

Reason: TypeAlias = HeldReason | Literal["campaign_not_allowed"]
"""As it is stored and shown. What the event's own list does not have is its `cause` (`told`)."""

_NEAREST: Final[Mapping[str, HeldReason]] = {"campaign_not_allowed": "unknown_campaign"}
"""For readers of the event who know its first list of reasons only: both wait for a person's decision."""


@dataclass(frozen=True, slots=True)
class CampaignState:
    """What this service knows of a campaign from its events. `closed_at` (UTC) only when it is closed."""

    status: str
    closed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What this service knows when it books a batch: the campaigns' states by their ids; `campaigns_of` the
    channels that may give to some campaigns only; the channels that are `sandboxes`.
    """

    states: Mapping[str, CampaignState]
    campaigns_of: Mapping[str, frozenset[str]]
    sandboxes: frozenset[str]

    def held_reason(self, channel: str, campaign_id: str, occurred_at: datetime) -> Reason | None:
        """Why a donation of a channel is held; None: it counts.

        Money that came by a channel's own topic was taken already: one that may not give to its campaign is
        not refused but waits, until the channel may or a person has decided.
        """
        allowed = self.campaigns_of.get(channel)
        if allowed is not None and campaign_id not in allowed:
            return "campaign_not_allowed"
        return held_reason(self.states.get(campaign_id), occurred_at)


def told(reason: Reason) -> tuple[HeldReason, str | None]:
    """A stored reason as DonationHeld says it: (reason, cause)."""
    nearest = _NEAREST.get(reason)
    return (nearest, reason) if nearest is not None else (reason, None)  # type: ignore[return-value]


def held_reason(campaign: CampaignState | None, occurred_at: datetime) -> HeldReason | None:
    """Why a donation is held; None: it counts.

    Money that was given before a campaign closed belongs to it however late the channel reports it; money
    given afterwards waits for a person's decision, as does money for a campaign nobody knows.
    """
    if campaign is None:
        return "unknown_campaign"
    if campaign.status == "launched":
        return None
    if campaign.status == "closed":
        in_time = campaign.closed_at is not None and occurred_at <= campaign.closed_at
        return None if in_time else "closed"
    return "paused" if campaign.status == "paused" else "not_launched"
