"""`python -m services.campaign restore`: the campaign database came back from a backup, and goes on.

What follows from donations (balances, the ledger's entries of them, goals and pledges they fulfil) comes by
itself from donation.events. What people have decided since the backup does not: its events are told here, and
have to be judged by people, or the database restored to a later moment (docs/backup.md).
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from services.campaign.announcements import AREA
from shared.broker import CAMPAIGN_EVENTS, CAMPAIGN_GROUP, DONATION_EVENTS, KafkaSettings
from shared.events import Event, GoalReached, MilestoneReached, PledgeFulfilled
from shared.restoring import adopt_outbox, check_stopped, go_back, reading

FOLLOW_FROM_DONATIONS: Final = (GoalReached, MilestoneReached, PledgeFulfilled)
TOLD: Final = 20


async def restore(settings: KafkaSettings, engine: AsyncEngine, *, dry_run: bool) -> list[str]:
    """Have the outbox go on behind what was published, and the group read donations again; what was done and
    what is lost, in lines for people. Raises RestoreRefused, KafkaError, SQLAlchemyError.
    """
    await check_stopped(settings, [CAMPAIGN_GROUP])
    async with reading(settings) as topics, engine.connect() as connection:
        events = await adopt_outbox(connection, topics, CAMPAIGN_EVENTS, AREA)
        if dry_run:
            await connection.rollback()
        else:
            await connection.commit()
        donations = dict.fromkeys(topics.partitions(DONATION_EVENTS), 0)
    said = [f"{len(events):,} events were published after the backup; the outbox goes on behind them"]
    said += _lost([event for event in events if not isinstance(event, FOLLOW_FROM_DONATIONS)])
    if not dry_run:
        said.append(f"campaign reads {await go_back(settings, CAMPAIGN_GROUP, donations):,} records again")
    return said


def _lost(events: Sequence[Event]) -> list[str]:
    if not events:
        return []
    kinds = Counter(event.type.removeprefix("org.shanliu.") for event in events)
    counted = ", ".join(f"{count:,} {kind}" for kind, count in sorted(kinds.items()))
    each = [f"  {event.time.isoformat()} {event.type} {event.subject}" for event in events[:TOLD]]
    lost = (
        f"LOST: what people decided after the backup ({counted}). Everybody else has these facts, this"
        " database does not: restore it to a later moment, or have each judged."
    )
    more = [f"  and {len(events) - TOLD:,} more"] if len(events) > TOLD else []
    return [lost, *each, *more]
