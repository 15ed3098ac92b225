"""What the campaign service tells the others, written to the outbox in the transaction of its cause.

All events of a campaign have its id as their key, so they keep their order.
"""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.campaign.lifecycle import State
from services.campaign.milestones import Threshold, ThresholdKind
from services.campaign.schemas import Campaign
from shared import outbox
from shared.events import (
    CampaignClosed,
    CampaignFiled,
    CampaignLaunched,
    CampaignPaused,
    CampaignSettled,
    Event,
    EventData,
    GoalReached,
    MilestoneReached,
)
from shared.events.campaigns import (
    CampaignData,
    GoalReachedData,
    MilestoneReachedData,
)

AREA: Final = "campaign"

_CAMPAIGN_EVENTS: Final[dict[State, type[Event]]] = {
    State.FILED: CampaignFiled,
    State.LAUNCHED: CampaignLaunched,
    State.PAUSED: CampaignPaused,
    State.CLOSED: CampaignClosed,
    State.SETTLED: CampaignSettled,
}


@dataclass(frozen=True, slots=True)
class Announcer:
    """Writes events to the outbox. Call it last in a transaction: its lock is held to the end."""

    partitions: int

    async def campaign_changed(self, connection: AsyncConnection, campaign: Campaign) -> None:
        """The event of the state a campaign is in now, with its plan, which must be complete.

        Named for the state and not for the step: an emergency appeal that files late says CampaignLaunched
        again, now with its number. To every reader CampaignFiled means that nothing is taken yet.
        """
        event_class = _CAMPAIGN_EVENTS[campaign.state]
        # A closed campaign that files late, or is opened again, stays closed since it was closed.
        changed_at = campaign.settled_at or campaign.closed_at or campaign.changed_at
        data = CampaignData.model_validate({**campaign.model_dump(), "changed_at": changed_at})
        await self.append(connection, event_class, campaign.campaign_id, campaign.campaign_id, data)

    async def threshold_reached(
        self, connection: AsyncConnection, threshold: Threshold, received_fen: int
    ) -> None:
        """GoalReached or MilestoneReached; `received_fen` is net of reversals."""
        campaign_id, fen = threshold.campaign_id, threshold.threshold_fen
        if threshold.kind is ThresholdKind.GOAL:
            goal = GoalReachedData(campaign_id=campaign_id, goal_fen=fen, received_fen=received_fen)
            await self.append(connection, GoalReached, campaign_id, campaign_id, goal)
        else:
            reached = MilestoneReachedData(
                campaign_id=campaign_id, milestone_fen=fen, received_fen=received_fen
            )
            await self.append(connection, MilestoneReached, campaign_id, campaign_id, reached)

    async def append(
        self,
        connection: AsyncConnection,
        event_class: type[Event],
        campaign_id: str,
        subject: str | UUID,
        data: EventData,
    ) -> None:
        """Write one event of a campaign; `subject` is the id of what it is about."""
        await outbox.append(
            connection,
            AREA,
            event_class,
            key=campaign_id,
            subject=str(subject),
            data=data,
            partitions=self.partitions,
        )
