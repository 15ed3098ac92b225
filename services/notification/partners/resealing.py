"""Seals partners' secrets again, with the first key: afterwards the older one is not needed."""

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from services.notification.partners.models import webhook_endpoints
from shared.secret_box import SecretBox


async def reseal_endpoints(engine: AsyncEngine, box: SecretBox) -> int:
    """One endpoint at a time, so that it may be broken off and repeated, beside processes that renew secrets;
    how many secrets were sealed anew. Raises InvalidTag when one opens with none of the keys.
    """
    columns = webhook_endpoints.c
    async with engine.connect() as connection:
        places = (await connection.execute(select(columns.endpoint_id))).scalars().all()
    changed = 0
    for place in places:
        async with engine.begin() as connection:
            wanted = select(columns.secret, columns.previous_secret).where(columns.endpoint_id == place)
            row = (await connection.execute(wanted.with_for_update())).mappings().one()
            anew = {
                name: sealed
                for name, now in row.items()
                if now is not None and (sealed := box.sealed_anew(str(place), now)) is not None
            }
            if anew:
                await connection.execute(
                    update(webhook_endpoints).where(columns.endpoint_id == place).values(**anew)
                )
        changed += len(anew)
    return changed
