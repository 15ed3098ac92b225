"""Whether a donation counts at once or is held: a pure rule."""

from dataclasses import dataclass
from datetime import datetime

from shared.events.donations import HeldReason


@dataclass(frozen=True, slots=True)
class CampaignState:
    """What this service knows of a campaign from its events. `closed_at` (UTC) only when it is closed."""

    status: str
    closed_at: datetime | None = None


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
