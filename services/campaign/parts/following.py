"""What a parent's step does to its parts, in the step's transaction, under the locks of the whole tree."""

from datetime import date, datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from services.campaign import queries as campaigns
from services.campaign.announcements import Announcer
from services.campaign.lifecycle import Action, State
from services.campaign.parts import queries, rules
from services.campaign.schemas import Campaign


async def follow(
    connection: AsyncConnection,
    announcer: Announcer,
    parent: Campaign,
    action: Action,
    *,
    person: str,
    now: datetime,
    day: date,
) -> None:
    """Pause, resume, close and number the parts with their parent; each says so in an event of its own."""
    parts = await queries.parts(connection, parent.campaign_id)
    paused = await queries.paused_with_parent(connection, parent.campaign_id)
    for part in parts:
        state = rules.following(action, part.state, paused_with_parent=part.campaign_id in paused)
        if state is None:
            continue
        changed = await campaigns.change_campaign(
            connection,
            part,
            action=f"{action}_with_parent",
            person=person,
            now=now,
            day=day,
            state=state,
            **_values(parent, part, state, now, day),
        )
        await announcer.campaign_changed(connection, changed)


def _values(parent: Campaign, part: Campaign, state: State, now: datetime, day: date) -> dict[str, Any]:
    """The parent's number, and when a part was closed: not before it was launched, whatever is recorded."""
    values: dict[str, Any] = dict(number_of(parent))
    if state is State.CLOSED and part.closed_at is None:
        values |= {"closed_at": now, "closed_on": max(day, part.launched_on or day)}
    return values


def number_of(parent: Campaign) -> dict[str, Any]:
    """The columns that say under which number a part runs, and since when."""
    return {
        "filing_number": parent.filing_number,
        "filed_at": parent.filed_at,
        "filed_on": parent.filed_on,
    }
