"""What is asked of the database about disbursements. Every function runs in its caller's transaction."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.campaign.spending import models
from services.campaign.spending.schemas import Disbursement
from shared.refusals import NotFound


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
        statement = statement.with_for_update()
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
