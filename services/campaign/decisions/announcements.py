"""What the other services hear of decisions: what has changed for donors, never who decided or why."""

from sqlalchemy.ext.asyncio import AsyncConnection

from services.campaign.announcements import Announcer
from services.campaign.decisions.schemas import Decision
from shared.events import RemainderDecided, UseChanged
from shared.events.campaigns import RemainderDecidedData, UseChangedData


async def use_changed(connection: AsyncConnection, announcer: Announcer, decision: Decision) -> None:
    """UseChanged: from now on the money goes to these uses."""
    data = UseChangedData.model_validate(decision.model_dump())
    await announcer.append(connection, UseChanged, decision.campaign_id, decision.decision_id, data)


async def remainder_decided(connection: AsyncConnection, announcer: Announcer, decision: Decision) -> None:
    """RemainderDecided: what was left has gone to a similar purpose."""
    data = RemainderDecidedData.model_validate(decision.model_dump())
    await announcer.append(connection, RemainderDecided, decision.campaign_id, decision.decision_id, data)
