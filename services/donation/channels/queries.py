"""What is asked of the channels' tables."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, and_, delete, func, insert, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.donation.channels.models import channel_changes, channel_keys, channels, sandbox_messages
from services.donation.channels.schemes import Purpose

_keys = channel_keys.c
_COUNTS = or_(_keys.valid_until.is_(None), _keys.valid_until > func.now())
_VIEW = (
    _keys.purpose,
    _keys.key_id,
    _keys.fingerprint,
    _keys.created_at,
    _keys.created_by,
    _keys.valid_until,
    _COUNTS.label("counts"),
)


async def all_channels(connection: AsyncConnection) -> Sequence[Row[Any]]:
    """Every channel."""
    return (await connection.execute(select(channels).order_by(channels.c.channel))).all()


async def all_keys(connection: AsyncConnection) -> Sequence[Row[Any]]:
    """Every key that still counts, sealed; of each channel the newest first."""
    newest_first = select(channel_keys).where(_COUNTS).order_by(_keys.channel, _keys.created_at.desc())
    return (await connection.execute(newest_first)).all()


async def channel(connection: AsyncConnection, name: str) -> Row[Any] | None:
    """The channel of that name."""
    return (await connection.execute(select(channels).where(channels.c.channel == name))).one_or_none()


_STATES: Final = text("""
SELECT named.campaign_id, campaigns.status
FROM unnest(CAST(:campaigns AS text[])) AS named (campaign_id) LEFT JOIN campaigns USING (campaign_id)
ORDER BY named.campaign_id
""")


async def states_of(connection: AsyncConnection, campaigns: Sequence[str]) -> Sequence[Row[Any]]:
    """Each of these campaigns with its state here; None: no event has told of it."""
    return (await connection.execute(_STATES, {"campaigns": list(campaigns)})).all()


async def lock_channel(connection: AsyncConnection, name: str) -> Row[Any] | None:
    """The same, locked until the end of the transaction: its keys change under this lock too."""
    wanted = select(channels).where(channels.c.channel == name).with_for_update()
    return (await connection.execute(wanted)).one_or_none()


async def add_channel(connection: AsyncConnection, row: Mapping[str, Any]) -> Row[Any] | None:
    """Register a channel; None when the name is taken."""
    added = await connection.execute(
        upsert(channels).values(**row).on_conflict_do_nothing().returning(channels)
    )
    made: Row[Any] | None = added.one_or_none()
    return made


async def change_channel(connection: AsyncConnection, name: str, values: Mapping[str, Any]) -> Row[Any]:
    """Change a channel that the caller has locked; its version goes up."""
    changed = update(channels).where(channels.c.channel == name)
    changed = changed.values(**values, version=channels.c.version + 1)
    row: Row[Any] = (await connection.execute(changed.returning(channels))).one()
    return row


async def note_change(
    connection: AsyncConnection, name: str, person: str, what: str, detail: Mapping[str, Any]
) -> None:
    """Write down who changed what."""
    row = {"channel": name, "person": person, "what": what, "detail": dict(detail)}
    await connection.execute(insert(channel_changes).values(**row))


async def list_changes(
    connection: AsyncConnection, name: str, *, before: int | None, rows: int
) -> Sequence[Row[Any]]:
    """The newest changes of a channel first; `before` continues a list."""
    wanted = select(channel_changes).where(channel_changes.c.channel == name)
    if before is not None:
        wanted = wanted.where(channel_changes.c.change_id < before)
    return (await connection.execute(wanted.order_by(channel_changes.c.change_id.desc()).limit(rows))).all()


# ------------------------------------------------------------------------------------------------- keys


async def keys_of(connection: AsyncConnection, name: str) -> Sequence[Row[Any]]:
    """The keys of a channel without their secrets, also those that ended; the newest first."""
    wanted = select(*_VIEW).where(_keys.channel == name)
    return (await connection.execute(wanted.order_by(_keys.created_at.desc(), _keys.key_id))).all()


async def add_key(connection: AsyncConnection, row: Mapping[str, Any]) -> Row[Any] | None:
    """Keep a key of a channel; None when there is, or was, one of that purpose and name."""
    added = upsert(channel_keys).values(**row).on_conflict_do_nothing().returning(*_VIEW)
    return (await connection.execute(added)).one_or_none()


async def end_keys(
    connection: AsyncConnection, name: str, purpose: Purpose, *, but: str, at: datetime
) -> list[str]:
    """Have the other keys of a purpose end at `at` unless they end before; gives back which they are."""
    ended = (
        update(channel_keys)
        .where(_keys.channel == name, _keys.purpose == purpose, _keys.key_id != but, _COUNTS)
        .values(valid_until=func.least(_keys.valid_until, at))
        .returning(_keys.key_id)
    )
    return sorted((await connection.execute(ended)).scalars())


async def end_key(
    connection: AsyncConnection, name: str, purpose: Purpose, key_id: str, at: datetime
) -> bool:
    """Have one key end now; False when there is none that counts."""
    one = and_(_keys.channel == name, _keys.purpose == purpose, _keys.key_id == key_id, _COUNTS)
    return bool((await connection.execute(update(channel_keys).where(one).values(valid_until=at))).rowcount)


async def wipe_ended(connection: AsyncConnection, name: str, at: datetime) -> None:
    """Empty the secrets of a channel's keys that ended by `at`; that they were there stays on the record."""
    ended = and_(_keys.channel == name, _keys.valid_until <= at)
    await connection.execute(update(channel_keys).where(ended).values(sealed=b""))


# --------------------------------------------------------------------------------------------- sandboxes

_TOO_MANY: Final = text(
    """
    DELETE FROM sandbox_messages USING (
        SELECT channel, (SELECT message_id FROM sandbox_messages m WHERE m.channel = c.channel
                         ORDER BY message_id DESC OFFSET :most LIMIT 1) AS last
        FROM channels c WHERE sandbox
    ) AS old
    WHERE sandbox_messages.channel = old.channel AND sandbox_messages.message_id <= old.last
    """
)


async def keep_sandboxed(connection: AsyncConnection, row: Mapping[str, Any]) -> Row[Any] | None:
    """Keep a sandbox's message; gives back the one that is known under its id, None when it is new. One that
    was to be sent again counts when it comes again.
    """
    kept = await connection.execute(
        upsert(sandbox_messages).values(**row).on_conflict_do_nothing().returning(sandbox_messages.c.subject)
    )
    if kept.first() is not None:
        return None
    c = sandbox_messages.c
    same = and_(c.subject == row["subject"], c.digest == row["digest"], c.state == "asked-again")
    await connection.execute(update(sandbox_messages).where(same).values(state="taken"))
    return (await connection.execute(select(sandbox_messages).where(c.subject == row["subject"]))).one()


async def sandboxed(connection: AsyncConnection, donation_id: UUID) -> Sequence[Row[Any]]:
    """A sandbox's messages about one donation, in the order they came."""
    c = sandbox_messages.c
    wanted = select(sandbox_messages).where(c.donation_id == donation_id).order_by(c.message_id)
    return (await connection.execute(wanted)).all()


async def sandboxed_donation_of(connection: AsyncConnection, reversal_id: UUID) -> UUID | None:
    """Which donation a sandbox's reversal is of."""
    c = sandbox_messages.c
    wanted = select(c.donation_id).where(c.subject == reversal_id, c.kind == "reversal")
    found: UUID | None = (await connection.execute(wanted)).scalar_one_or_none()
    return found


async def prune_sandboxes(connection: AsyncConnection, before: datetime, most: int) -> None:
    """Forget what came before, and of each sandbox all but the newest `most`."""
    await connection.execute(delete(sandbox_messages).where(sandbox_messages.c.created_at < before))
    await connection.execute(_TOO_MANY, {"most": most})
