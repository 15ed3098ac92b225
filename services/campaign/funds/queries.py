"""What is asked of the database about funds. Every function runs in its caller's transaction."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.campaign.funds.models import fund_transfers
from services.campaign.funds.schemas import Transfer
from shared.refusals import NotFound

# ---------------------------------------------------------------- transfers


async def add_transfer(connection: AsyncConnection, values: Mapping[str, Any]) -> Transfer:
    """Write a transfer."""
    statement = insert(fund_transfers).values(**values).returning(*fund_transfers.c)
    return Transfer.model_validate((await connection.execute(statement)).one())


async def transfer(connection: AsyncConnection, transfer_id: UUID, *, lock: bool = False) -> Transfer:
    """Read a transfer, with `lock` until the end of the transaction. Raises NotFound."""
    statement = select(fund_transfers).where(fund_transfers.c.transfer_id == transfer_id)
    row = (await connection.execute(statement.with_for_update() if lock else statement)).one_or_none()
    if row is None:
        raise NotFound("There is no transfer with this id.", fields=["transfer_id"])
    return Transfer.model_validate(row)


async def change_transfer(connection: AsyncConnection, known: Transfer, **values: Any) -> Transfer:
    """Write a locked transfer's next version."""
    statement = (
        update(fund_transfers)
        .where(fund_transfers.c.transfer_id == known.transfer_id, fund_transfers.c.version == known.version)
        .values(version=known.version + 1, **values)
        .returning(*fund_transfers.c)
    )
    return Transfer.model_validate((await connection.execute(statement)).one())


async def list_transfers(
    connection: AsyncConnection, campaign_id: str, *, after: UUID | None, limit: int
) -> list[Transfer]:
    """At most `limit` transfers from and to a campaign's fund in the order of their ids, behind `after`."""
    table = fund_transfers
    statement = (
        select(table)
        .where(or_(table.c.from_campaign_id == campaign_id, table.c.to_campaign_id == campaign_id))
        .order_by(table.c.transfer_id)
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(table.c.transfer_id > after)
    return [Transfer.model_validate(row) for row in await connection.execute(statement)]
