"""Seals again, with the first key, what an older key has sealed: afterwards the older one is not needed."""

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from services.donation.channels.models import channel_keys
from services.donation.statements.files import owner_of
from services.donation.statements.models import statement_files
from shared.secret_box import SecretBox


async def reseal(engine: AsyncEngine, box: SecretBox) -> int:
    """One row at a time, so that it may be broken off and repeated, beside processes that add and end keys;
    how many were sealed anew. Raises InvalidTag when a row opens with none of the keys.
    """
    return await _keys(engine, box) + await _files(engine, box)


async def _keys(engine: AsyncEngine, box: SecretBox) -> int:
    async with engine.connect() as connection:
        rows = (await connection.execute(channel_keys.select().where(channel_keys.c.sealed != b""))).all()
    anew = [(row, box.sealed_anew(row.channel, row.sealed)) for row in rows]
    changed = 0
    for row, sealed in anew:
        if sealed is None:
            continue
        same = (
            (channel_keys.c.channel == row.channel)
            & (channel_keys.c.purpose == row.purpose)
            & (channel_keys.c.key_id == row.key_id)
            & (channel_keys.c.sealed == row.sealed)
        )
        async with engine.begin() as connection:
            done = await connection.execute(update(channel_keys).where(same).values(sealed=sealed))
        changed += done.rowcount
    return changed


async def _files(engine: AsyncEngine, box: SecretBox) -> int:
    """A file at a time in memory: each may have many megabytes."""
    names = statement_files.c.statement_id, statement_files.c.what
    async with engine.connect() as connection:
        places = (await connection.execute(select(*names))).all()
    changed = 0
    for place in places:
        same = (names[0] == place.statement_id) & (names[1] == place.what)
        async with engine.begin() as connection:
            wanted = select(statement_files.c.sealed).where(same).with_for_update()
            now = (await connection.execute(wanted)).scalar()
            owner = owner_of(place.statement_id, place.what)
            sealed = None if now is None else box.sealed_anew(owner, now)
            if sealed is not None:
                await connection.execute(update(statement_files).where(same).values(sealed=sealed))
                changed += 1
    return changed
