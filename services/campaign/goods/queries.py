"""What is asked of the database about goods. Every function runs in its caller's transaction."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy import BigInteger, Uuid, bindparam, delete, func, insert, select, text, true, tuple_, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from services.campaign.goods import models
from services.campaign.goods.rules import (
    GiftAction,
    GiftState,
    Line,
    Moved,
    MovementKind,
    MovementState,
    Pile,
)
from services.campaign.goods.schemas import (
    Carries,
    Carry,
    Gift,
    GiftChange,
    GiftChanges,
    GoodsFigures,
    Item,
    Movement,
    MovementItem,
)
from services.campaign.organisations.rights import of_seen
from shared.refusals import NotFound

CHANGES_SHOWN: Final = 200

# ---------------------------------------------------------------- gifts


async def add_gift(
    connection: AsyncConnection, values: Mapping[str, Any], items: Sequence[Mapping[str, Any]], person: str
) -> Gift:
    """Write a gift with its items, and who entered it."""
    await connection.execute(insert(models.goods_gifts).values(**values))
    return await _with_items(connection, values["gift_id"], items, GiftAction.ENTER, person)


async def rewrite_gift(
    connection: AsyncConnection,
    known: Gift,
    values: Mapping[str, Any],
    items: Sequence[Mapping[str, Any]],
    person: str,
) -> Gift:
    """Put other contents in the place of a locked gift's, which nobody has confirmed."""
    await _next_version(connection, known, values)
    table = models.goods_items
    await connection.execute(delete(table).where(table.c.gift_id == known.gift_id))
    return await _with_items(connection, known.gift_id, items, GiftAction.REWRITE, person)


async def change_gift(
    connection: AsyncConnection, known: Gift, action: GiftAction, person: str, **values: Any
) -> Gift:
    """Write a locked gift's next version, and who made it. A confirmed one lies in the store."""
    await _next_version(connection, known, values)
    if action is GiftAction.CONFIRM:
        table = models.goods_items
        await connection.execute(
            update(table)
            .where(table.c.gift_id == known.gift_id)
            .values(left_quantity=table.c.quantity, left_fen=table.c.value_fen)
        )
    return await _with_items(connection, known.gift_id, [], action, person)


async def _next_version(connection: AsyncConnection, known: Gift, values: Mapping[str, Any]) -> None:
    table = models.goods_gifts
    await connection.execute(
        update(table)
        .where(table.c.gift_id == known.gift_id, table.c.version == known.version)
        .values(version=known.version + 1, **values)
    )


async def _with_items(
    connection: AsyncConnection,
    gift_id: UUID,
    items: Sequence[Mapping[str, Any]],
    action: GiftAction,
    person: str,
) -> Gift:
    """Add items to a gift and note who made this version of it."""
    if items:
        await connection.execute(insert(models.goods_items), items)
    changed = await gift(connection, gift_id)
    await connection.execute(
        insert(models.goods_gift_changes).values(
            gift_id=gift_id,
            version=changed.version,
            action=action,
            value_fen=changed.value_fen,
            person=person,
            changed_at=func.now(),
        )
    )
    return changed


async def gift(connection: AsyncConnection, gift_id: UUID) -> Gift:
    """Read a gift with its items. Raises NotFound."""
    statement = select(models.goods_gifts).where(models.goods_gifts.c.gift_id == gift_id)
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        raise NotFound("There is no gift with this id.", fields=["gift_id"])
    return (await _gifts(connection, [row]))[0]


async def list_gifts(
    connection: AsyncConnection,
    campaign_id: str,
    *,
    state: GiftState | None,
    after: UUID | None,
    limit: int,
) -> list[Gift]:
    """At most `limit` gifts of a campaign in the order of their ids, beginning behind `after`."""
    table = models.goods_gifts
    statement = select(table).where(table.c.campaign_id == campaign_id).order_by(table.c.gift_id)
    if state is not None:
        statement = statement.where(table.c.state == state)
    if after is not None:
        statement = statement.where(table.c.gift_id > after)
    return await _gifts(connection, (await connection.execute(statement.limit(limit))).all())


async def _gifts(connection: AsyncConnection, rows: Sequence[Any]) -> list[Gift]:
    table = models.goods_items
    wanted = [row.gift_id for row in rows]
    statement = select(table).where(table.c.gift_id.in_(wanted)).order_by(table.c.gift_id, table.c.line)
    items: dict[UUID, list[Item]] = {}
    for item in await connection.execute(statement):
        items.setdefault(item.gift_id, []).append(Item.model_validate(item))
    return [
        Gift.model_validate({**row._mapping, "items": items.get(row.gift_id, [])})  # noqa: SLF001 - its public name
        for row in rows
    ]


async def gift_changes(connection: AsyncConnection, gift_id: UUID) -> GiftChanges:
    """Who brought a gift to which version."""
    table = models.goods_gift_changes
    statement = select(table).where(table.c.gift_id == gift_id).order_by(table.c.version.desc())
    rows = await connection.execute(statement.limit(CHANGES_SHOWN))
    return GiftChanges(items=[GiftChange.model_validate(row) for row in rows])


# ---------------------------------------------------------------- the store


async def items_named(
    connection: AsyncConnection, campaign_id: str, item_ids: Iterable[UUID]
) -> dict[UUID, Item]:
    """Those of the items that the campaign has."""
    table = models.goods_items
    statement = select(table).where(table.c.campaign_id == campaign_id, table.c.item_id.in_(set(item_ids)))
    found = [Item.model_validate(row) for row in await connection.execute(statement)]
    return {item.item_id: item for item in found}


async def last_received_on(connection: AsyncConnection, item_ids: Iterable[UUID]) -> date | None:
    """The last day on which one of the items came in."""
    items, gifts = models.goods_items, models.goods_gifts
    statement = select(func.max(gifts.c.received_on)).where(
        gifts.c.gift_id.in_(select(items.c.gift_id).where(items.c.item_id.in_(set(item_ids))))
    )
    found: date | None = (await connection.execute(statement)).scalar_one()
    return found


async def item(connection: AsyncConnection, item_id: UUID) -> Item:
    """Read an item. Raises NotFound."""
    statement = select(models.goods_items).where(models.goods_items.c.item_id == item_id)
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        raise NotFound("There are no goods with this id.", fields=["item_id"])
    return Item.model_validate(row)


async def add_carry(connection: AsyncConnection, values: Mapping[str, Any]) -> Item:
    """Note that goods, whose campaign is locked, were carried to another store."""
    await connection.execute(insert(models.goods_carries).values(**values))
    table = models.goods_items
    statement = update(table).where(table.c.item_id == values["item_id"]).values(store=values["to_store"])
    return Item.model_validate((await connection.execute(statement.returning(*table.c))).one())


async def carries(connection: AsyncConnection, item_id: UUID) -> Carries:
    """Where an item has lain."""
    table = models.goods_carries
    statement = select(table).where(table.c.item_id == item_id).order_by(table.c.carry_id.desc())
    rows = await connection.execute(statement.limit(CHANGES_SHOWN))
    return Carries(items=[Carry.model_validate(row) for row in rows])


async def list_store(
    connection: AsyncConnection, campaign_id: str, *, store: str | None, after: UUID | None, limit: int
) -> list[Item]:
    """At most `limit` items that lie in a campaign's stores, or in one of them, behind `after`."""
    table = models.goods_items
    statement = (
        select(table)
        .where(table.c.campaign_id == campaign_id, table.c.left_quantity > 0)
        .order_by(table.c.item_id)
        .limit(limit)
    )
    if store is not None:
        statement = statement.where(table.c.store == store)
    if after is not None:
        statement = statement.where(table.c.item_id > after)
    return [Item.model_validate(row) for row in await connection.execute(statement)]


async def list_expiring(
    connection: AsyncConnection,
    latest: date,
    *,
    seen: Sequence[str] | None = None,
    after: UUID | None,
    limit: int,
) -> list[Item]:
    """At most `limit` items in any store that expire by `latest`, the first to expire first; of the
    organisations that are seen alone, unless None.
    """
    table = models.goods_items
    statement = (
        select(table)
        .where(table.c.left_quantity > 0, table.c.expires_on <= latest, of_seen(table.c.campaign_id, seen))
        .order_by(table.c.expires_on, table.c.item_id)
        .limit(limit)
    )
    if after is not None:
        begin = select(table.c.expires_on).where(table.c.item_id == after).scalar_subquery()
        statement = statement.where(tuple_(table.c.expires_on, table.c.item_id) > tuple_(begin, after))
    return [Item.model_validate(row) for row in await connection.execute(statement)]


# ---------------------------------------------------------------- movements


async def add_movement(
    connection: AsyncConnection, values: Mapping[str, Any], lines: Iterable[Line]
) -> Movement:
    """Write what one person asks for."""
    await connection.execute(insert(models.goods_movements).values(**values))
    of = {name: values[name] for name in ("movement_id", "campaign_id")}
    rows = [{**of, "item_id": line.item_id, "quantity": line.quantity} for line in lines]
    await connection.execute(insert(models.goods_movement_items), rows)
    return await movement(connection, values["movement_id"])


async def movement(connection: AsyncConnection, movement_id: UUID) -> Movement:
    """Read a movement with its lines. Raises NotFound."""
    statement = select(models.goods_movements).where(models.goods_movements.c.movement_id == movement_id)
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        raise NotFound("There is no movement with this id.", fields=["movement_id"])
    return (await _movements(connection, [row]))[0]


async def list_movements(
    connection: AsyncConnection,
    campaign_id: str,
    *,
    kind: MovementKind | None,
    state: MovementState | None,
    after: UUID | None,
    limit: int,
) -> list[Movement]:
    """At most `limit` movements of a campaign in the order of their ids, beginning behind `after`."""
    table = models.goods_movements
    statement = select(table).where(table.c.campaign_id == campaign_id).order_by(table.c.movement_id)
    if kind is not None:
        statement = statement.where(table.c.kind == kind)
    if state is not None:
        statement = statement.where(table.c.state == state)
    if after is not None:
        statement = statement.where(table.c.movement_id > after)
    return await _movements(connection, (await connection.execute(statement.limit(limit))).all())


async def _movements(connection: AsyncConnection, rows: Sequence[Any]) -> list[Movement]:
    lines, items = models.goods_movement_items, models.goods_items
    statement = (
        select(lines, items.c.description, items.c.unit)
        .join(items, items.c.item_id == lines.c.item_id)
        .where(lines.c.movement_id.in_([row.movement_id for row in rows]))
        .order_by(lines.c.movement_id, lines.c.item_id)
    )
    found: dict[UUID, list[MovementItem]] = {}
    for line in await connection.execute(statement):
        found.setdefault(line.movement_id, []).append(MovementItem.model_validate(line))
    return [
        Movement.model_validate({**row._mapping, "items": found.get(row.movement_id, [])})  # noqa: SLF001 - its public name
        for row in rows
    ]


_PUT_OUT: Final = (
    "UPDATE goods_items AS known SET left_quantity = known.left_quantity - moved.quantity,"
    " left_fen = known.left_fen - moved.fen"
    " FROM unnest(:item_ids, :quantities, :values) AS moved (item_id, quantity, fen)"
    " WHERE known.item_id = moved.item_id"
)
_PUT_IN: Final = _PUT_OUT.replace(" - moved", " + moved")
_GIVE_BACK: Final = _PUT_OUT.replace("goods_items", "goods_movement_items") + (
    " AND known.movement_id = :distribution_id"
)
_VALUE_LINES: Final = (
    "UPDATE goods_movement_items AS known SET value_fen = moved.fen,"
    " left_quantity = CASE WHEN :distributed THEN moved.quantity END,"
    " left_fen = CASE WHEN :distributed THEN moved.fen END"
    " FROM unnest(:item_ids, :quantities, :values) AS moved (item_id, quantity, fen)"
    " WHERE known.movement_id = :movement_id AND known.item_id = moved.item_id"
)
_ARRAYS: Final = (
    bindparam("item_ids", type_=ARRAY(Uuid)),
    bindparam("quantities", type_=ARRAY(BigInteger)),
    bindparam("values", type_=ARRAY(BigInteger)),
)


async def apply(connection: AsyncConnection, known: Movement, moved: Sequence[Moved]) -> None:
    """Move goods and their value: out of the store, or back into it and out of their distribution.

    The database refuses what would leave a pile below zero.
    """
    values = {
        "item_ids": [each.item_id for each in moved],
        "quantities": [each.quantity for each in moved],
        "values": [each.value_fen for each in moved],
    }
    comes_back = known.kind is MovementKind.RETURN
    await connection.execute(text(_PUT_IN if comes_back else _PUT_OUT).bindparams(*_ARRAYS), values)
    if comes_back:
        of = {"distribution_id": known.distribution_id}
        await connection.execute(text(_GIVE_BACK).bindparams(*_ARRAYS), values | of)
    lines = {
        "movement_id": known.movement_id,
        "distributed": known.kind is MovementKind.DISTRIBUTION,
    }
    await connection.execute(text(_VALUE_LINES).bindparams(*_ARRAYS), values | lines)


async def piles(
    connection: AsyncConnection,
    campaign_id: str,
    item_ids: Sequence[UUID],
    *,
    distribution_id: UUID | None,
    gift_id: UUID | None,
) -> dict[UUID, Pile]:
    """What a movement of these goods draws on, now; the caller holds the campaign's lock.

    The lines of the distribution that it is a return of, the goods of the gift that it reverses, else all of
    the campaign's stores.
    """
    if distribution_id is not None:
        table = models.goods_movement_items
        about = table.c.movement_id == distribution_id
    else:
        table = models.goods_items
        about = true() if gift_id is None else table.c.gift_id == gift_id
    statement = select(table.c.item_id, table.c.left_quantity, table.c.left_fen).where(
        table.c.campaign_id == campaign_id, table.c.item_id.in_(item_ids), about
    )
    rows = await connection.execute(statement)
    return {row.item_id: Pile(row.left_quantity, row.left_fen) for row in rows}


async def decide_movement(
    connection: AsyncConnection,
    known: Movement,
    state: MovementState,
    *,
    person: str,
    **values: Any,
) -> Movement:
    """Write a locked movement's end, now."""
    table = models.goods_movements
    await connection.execute(
        update(table)
        .where(table.c.movement_id == known.movement_id, table.c.version == known.version)
        .values(state=state, version=known.version + 1, decided_by=person, decided_at=func.now(), **values)
    )
    return await movement(connection, known.movement_id)


# ---------------------------------------------------------------- sums

FIGURES: Final = text(
    "SELECT gifts.*, moved.*, (SELECT CAST(coalesce(sum(left_fen), 0) AS bigint) FROM goods_items"
    "  WHERE campaign_id = :campaign_id) AS in_store_fen"
    " FROM (SELECT CAST(coalesce(sum(value_fen) FILTER (WHERE state = 'confirmed'), 0) AS bigint)"
    "   AS received_fen, count(*) FILTER (WHERE state = 'confirmed') AS gifts,"
    "   count(*) FILTER (WHERE state = 'entered') AS entered"
    "  FROM goods_gifts WHERE campaign_id = :campaign_id) AS gifts,"
    " (SELECT CAST(coalesce(sum(value_fen) FILTER (WHERE kind = 'reversal'), 0) AS bigint) AS reversed_fen,"
    "   CAST(coalesce(sum(value_fen) FILTER (WHERE kind = 'distribution'), 0) AS bigint) AS distributed_fen,"
    "   CAST(coalesce(sum(value_fen) FILTER (WHERE kind = 'return'), 0) AS bigint) AS returned_fen,"
    "   CAST(coalesce(sum(value_fen) FILTER (WHERE kind = 'write_off'), 0) AS bigint) AS written_off_fen"
    "  FROM goods_movements WHERE campaign_id = :campaign_id) AS moved"
)


async def figures(connection: AsyncConnection, campaign_id: str) -> GoodsFigures:
    """A campaign's goods at their values: one statement, so of one moment."""
    row = (await connection.execute(FIGURES, {"campaign_id": campaign_id})).one()
    return GoodsFigures(campaign_id=campaign_id, **row._mapping)  # noqa: SLF001 - SQLAlchemy's public name
