"""What is asked of the database about decisions. Every function runs in its caller's transaction."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.campaign.decisions.models import campaign_decisions
from services.campaign.decisions.schemas import Decision
from shared.refusals import NotFound


async def add_decision(connection: AsyncConnection, values: Mapping[str, Any]) -> Decision | None:
    """Write what one person asks for; None when one of its kind waits already."""
    statement = (
        upsert(campaign_decisions)
        .values(**values)
        .on_conflict_do_nothing(index_elements=["campaign_id", "kind"], index_where=text("state = 'asked'"))
        .returning(*campaign_decisions.c)
    )
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else Decision.model_validate(row)


async def decision(connection: AsyncConnection, decision_id: UUID, *, lock: bool = False) -> Decision:
    """Read a decision, with `lock` until the end of the transaction. Raises NotFound."""
    statement = select(campaign_decisions).where(campaign_decisions.c.decision_id == decision_id)
    row = (await connection.execute(statement.with_for_update() if lock else statement)).one_or_none()
    if row is None:
        raise NotFound("There is no decision with this id.", fields=["decision_id"])
    return Decision.model_validate(row)


async def change_decision(connection: AsyncConnection, known: Decision, **values: Any) -> Decision:
    """Write a locked decision's next version."""
    table = campaign_decisions
    statement = (
        update(table)
        .where(table.c.decision_id == known.decision_id, table.c.version == known.version)
        .values(version=known.version + 1, **values)
        .returning(*table.c)
    )
    return Decision.model_validate((await connection.execute(statement)).one())


async def list_decisions(
    connection: AsyncConnection, campaign_id: str, *, after: UUID | None, limit: int
) -> list[Decision]:
    """At most `limit` decisions about a campaign in the order of their ids, beginning behind `after`."""
    table = campaign_decisions
    statement = select(table).where(table.c.campaign_id == campaign_id).order_by(table.c.decision_id)
    if after is not None:
        statement = statement.where(table.c.decision_id > after)
    return [Decision.model_validate(row) for row in await connection.execute(statement.limit(limit))]
