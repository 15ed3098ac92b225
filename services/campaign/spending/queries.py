"""What is asked of the database about spending. Every function runs in its caller's transaction."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.campaign.spending import models
from services.campaign.spending.rules import ReturnState
from services.campaign.spending.schemas import Disbursement, Return
from shared.refusals import NotFound

RETURNS_SHOWN: Final = 100

# ---------------------------------------------------------------- disbursements


async def add_disbursement(connection: AsyncConnection, values: Mapping[str, Any]) -> Disbursement:
    """Write a requested disbursement."""
    statement = insert(models.disbursements).values(**values).returning(*models.disbursements.c)
    return Disbursement.model_validate((await connection.execute(statement)).one())


async def disbursement(
    connection: AsyncConnection, disbursement_id: UUID, *, lock: bool = False
) -> Disbursement:
    """Read a disbursement, with `lock` until the end of the transaction. Raises NotFound."""
    statement = select(models.disbursements).where(models.disbursements.c.disbursement_id == disbursement_id)
    if lock:
        statement = statement.with_for_update(key_share=True)
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        raise NotFound("There is no disbursement with this id.", fields=["disbursement_id"])
    return Disbursement.model_validate(row)


async def change_disbursement(
    connection: AsyncConnection, known: Disbursement, **values: Any
) -> Disbursement:
    """Write a locked disbursement's next version."""
    statement = (
        update(models.disbursements)
        .where(
            models.disbursements.c.disbursement_id == known.disbursement_id,
            models.disbursements.c.version == known.version,
        )
        .values(version=known.version + 1, **values)
        .returning(*models.disbursements.c)
    )
    return Disbursement.model_validate((await connection.execute(statement)).one())


async def list_disbursements(
    connection: AsyncConnection, campaign_id: str, *, after: UUID | None, limit: int
) -> list[Disbursement]:
    """At most `limit` disbursements of a campaign in the order of their ids, beginning behind `after`."""
    table = models.disbursements
    statement = select(table).where(table.c.campaign_id == campaign_id).order_by(table.c.disbursement_id)
    if after is not None:
        statement = statement.where(table.c.disbursement_id > after)
    return [Disbursement.model_validate(row) for row in await connection.execute(statement.limit(limit))]


# ---------------------------------------------------------------- what came back


async def add_return(connection: AsyncConnection, values: Mapping[str, Any]) -> bool:
    """Write what one person has recorded; False when one waits already."""
    table = models.disbursement_returns
    statement = (
        upsert(table)
        .values(**values)
        .on_conflict_do_nothing(index_elements=["disbursement_id"], index_where=text("state = 'asked'"))
        .returning(table.c.return_id)
    )
    return (await connection.execute(statement)).one_or_none() is not None


async def waiting_return(connection: AsyncConnection, disbursement_id: UUID) -> Return | None:
    """The return that waits for its second person; the caller holds the disbursement's lock."""
    table = models.disbursement_returns
    statement = select(table).where(
        table.c.disbursement_id == disbursement_id, table.c.state == ReturnState.ASKED
    )
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else Return.model_validate(row)


async def decide_return(
    connection: AsyncConnection, known: Return, state: ReturnState, person: str, now: datetime
) -> Return:
    """Write the end of a return that waits."""
    table = models.disbursement_returns
    statement = (
        update(table)
        .where(table.c.return_id == known.return_id, table.c.state == ReturnState.ASKED)
        .values(state=state, decided_by=person, decided_at=now)
        .returning(*table.c)
    )
    return Return.model_validate((await connection.execute(statement)).one())


async def list_returns(connection: AsyncConnection, disbursement_id: UUID) -> list[Return]:
    """The newest RETURNS_SHOWN of a disbursement, newest first."""
    table = models.disbursement_returns
    statement = (
        select(table)
        .where(table.c.disbursement_id == disbursement_id)
        .order_by(table.c.return_id.desc())
        .limit(RETURNS_SHOWN)
    )
    return [Return.model_validate(row) for row in await connection.execute(statement)]
