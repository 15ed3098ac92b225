"""What is asked of the channels' tables."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.donation.channels.models import channel_keys, channels


async def all_channels(connection: AsyncConnection) -> Sequence[Row[Any]]:
    """Every channel."""
    return (await connection.execute(select(channels).order_by(channels.c.channel))).all()


async def all_keys(connection: AsyncConnection) -> Sequence[Row[Any]]:
    """Every key, sealed; of each channel the newest first."""
    newest_first = select(channel_keys).order_by(channel_keys.c.channel, channel_keys.c.created_at.desc())
    return (await connection.execute(newest_first)).all()


async def add_channel(connection: AsyncConnection, row: dict[str, Any]) -> bool:
    """Register a channel; False when the name is taken."""
    added = await connection.execute(
        upsert(channels).values(**row).on_conflict_do_nothing().returning(channels.c.channel)
    )
    return added.first() is not None


async def add_key(connection: AsyncConnection, row: dict[str, Any]) -> None:
    """Keep a key of a channel."""
    await connection.execute(insert(channel_keys).values(**row))


async def set_channel_state(connection: AsyncConnection, channel: str, state: str) -> bool:
    """Pause or resume a channel; False when there is none of that name."""
    changed = await connection.execute(
        update(channels).where(channels.c.channel == channel).values(state=state)
    )
    return bool(changed.rowcount)
