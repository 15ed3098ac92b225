"""What is asked of the database about funds. Every function runs in its caller's transaction."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, insert, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.campaign.funds.models import fund_transfers, named_funds
from services.campaign.funds.named import TermsState
from services.campaign.funds.schemas import FundTurnover, Terms, Transfer
from services.campaign.funds.turnover import WINDOW_DAYS, Turnover, idle
from services.campaign.ledger.accounts import (
    FUNDRAISING_COST,
    MANAGEMENT_COST,
    PROGRAMME_COST,
    RESTRICTED_INCOME,
    RESTRICTED_NET_ASSETS,
    TRUST_COST,
)
from services.campaign.organisations.rights import of_seen
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


# ---------------------------------------------------------------- named funds

VERSIONS_SHOWN: Final = 100


async def add_terms(connection: AsyncConnection, values: Mapping[str, Any]) -> Terms:
    """Write a version of a named fund's terms."""
    statement = insert(named_funds).values(**values).returning(*named_funds.c)
    return Terms.model_validate((await connection.execute(statement)).one())


async def newest_terms(connection: AsyncConnection, campaign_id: str) -> Terms | None:
    """The newest version, whatever became of it. Whoever decides by it has locked the fund before."""
    found = await versions_of_terms(connection, campaign_id, limit=1)
    return found[0] if found else None


async def versions_of_terms(
    connection: AsyncConnection, campaign_id: str, *, limit: int = VERSIONS_SHOWN
) -> list[Terms]:
    """At most `limit` versions, the newest first."""
    table = named_funds
    statement = select(table).where(table.c.campaign_id == campaign_id)
    rows = await connection.execute(statement.order_by(table.c.version.desc()).limit(limit))
    return [Terms.model_validate(row) for row in rows]


async def standing_terms(connection: AsyncConnection, campaign_id: str) -> Terms | None:
    """The newest confirmed version; None: the campaign is no named fund."""
    table = named_funds
    statement = (
        select(table)
        .where(table.c.campaign_id == campaign_id, table.c.state == TermsState.CONFIRMED)
        .order_by(table.c.version.desc())
        .limit(1)
    )
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else Terms.model_validate(row)


async def decide_terms(
    connection: AsyncConnection, known: Terms, state: TermsState, *, person: str, now: datetime
) -> Terms:
    """Note who confirmed or withdrew what was waiting."""
    table = named_funds
    statement = (
        update(table)
        .where(table.c.campaign_id == known.campaign_id, table.c.version == known.version)
        .values(state=state, decided_by=person, decided_at=now)
        .returning(*table.c)
    )
    return Terms.model_validate((await connection.execute(statement)).one())


async def list_standing(
    connection: AsyncConnection, *, seen: Sequence[str] | None = None, after: str | None, limit: int
) -> list[Terms]:
    """The terms that stand of at most `limit` named funds in the order of their campaigns, behind `after`; of
    the organisations that are seen alone, unless None.
    """
    table, other = named_funds, named_funds.alias()
    newest = select(func.max(other.c.version)).where(
        other.c.campaign_id == table.c.campaign_id, other.c.state == TermsState.CONFIRMED
    )
    statement = (
        select(table)
        .where(table.c.version == newest.scalar_subquery(), of_seen(table.c.campaign_id, seen))
        .order_by(table.c.campaign_id)
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(table.c.campaign_id > after)
    return [Terms.model_validate(row) for row in await connection.execute(statement)]


# ---------------------------------------------------------------- turnover

# Money alone: goods given in kind have accounts of their own.
_INTO: Final = f"('{RESTRICTED_INCOME}', '{RESTRICTED_NET_ASSETS}')"
_SPENT: Final = f"('{PROGRAMME_COST}', '{MANAGEMENT_COST}', '{FUNDRAISING_COST}')"
_SIGNED: Final = "CASE side WHEN 'credit' THEN amount_fen ELSE -amount_fen END"
_POSTED: Final = "FROM ledger_postings WHERE campaign_id = :campaign_id AND booked_on <= :on"

_TURNOVER: Final = text(
    f"WITH posted AS (SELECT account, side, booked_on, amount_fen, {_SIGNED} AS signed_fen {_POSTED}"  # noqa: S608 - our own words
    f"  AND (account IN {_INTO} OR account IN {_SPENT} OR account = '{TRUST_COST}')),"
    " figures AS (SELECT CAST(coalesce(sum(signed_fen), 0) AS bigint) AS held_fen,"
    f"  CAST(coalesce(-sum(signed_fen) FILTER (WHERE account IN {_SPENT} AND booked_on > :since), 0)"
    "   AS bigint) AS spent_fen FROM posted),"
    " days AS (SELECT booked_on, sum(sum(amount_fen)) OVER (ORDER BY booked_on DESC) AS since_fen"
    f"  FROM posted WHERE side = 'credit' AND account IN {_INTO} GROUP BY booked_on)"
    " SELECT held_fen, spent_fen, (SELECT min(booked_on) FROM days) AS first_on,"
    " CASE WHEN held_fen > 0 THEN coalesce("
    "  (SELECT max(booked_on) FROM days WHERE since_fen >= held_fen), (SELECT min(booked_on) FROM days)) END"
    "  AS oldest_on FROM figures"
)


async def turnover(
    connection: AsyncConnection, campaign_id: str, on: date, *, idle_after_days: int | None
) -> FundTurnover:
    """How long a fund's money lay on a day, by the days on which it was booked."""
    values = {"campaign_id": campaign_id, "on": on, "since": on - timedelta(days=WINDOW_DAYS)}
    row = (await connection.execute(_TURNOVER, values)).one()
    moved = Turnover(on, row.held_fen, row.spent_fen, row.first_on, row.oldest_on)
    return FundTurnover(
        campaign_id=campaign_id,
        on=on,
        held_fen=moved.held_fen,
        spent_fen=moved.spent_fen,
        window_days=moved.window_days,
        days_of_balance=moved.days_of_balance,
        oldest_on=moved.oldest_on,
        idle_days=moved.idle_days,
        idle_after_days=idle_after_days,
        idle=idle(moved.idle_days, idle_after_days),
    )
