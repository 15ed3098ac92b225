"""What is asked of the campaign service's database. Every function runs in its caller's transaction."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, bindparam, insert, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY, BIGINT, TEXT
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.campaign import models
from services.campaign.days import today_of
from services.campaign.fund_receipts import ReceiptSums
from services.campaign.guardrail import FundFigures
from services.campaign.lifecycle import State
from services.campaign.milestones import Threshold, ThresholdKind
from services.campaign.pledges import queries as pledges
from services.campaign.schemas import Balance, Campaign
from shared.refusals import NotFound

# ---------------------------------------------------------------- campaigns


async def add_campaign(
    connection: AsyncConnection, values: Mapping[str, Any], fund_id: UUID
) -> Campaign | None:
    """Write a draft and its fund; None when the id is taken."""
    statement = (
        upsert(models.campaigns).values(**values).on_conflict_do_nothing(index_elements=["campaign_id"])
    )
    row = (await connection.execute(statement.returning(*models.campaigns.c))).one_or_none()
    if row is None:
        return None
    campaign = Campaign.model_validate(row)
    await connection.execute(
        insert(models.funds).values(
            fund_id=fund_id, campaign_id=campaign.campaign_id, created_at=campaign.created_at
        )
    )
    return campaign


async def campaign(connection: AsyncConnection, campaign_id: str, *, lock: bool = False) -> Campaign:
    """Read a campaign, with `lock` until the end of the transaction. Raises NotFound."""
    statement = select(models.campaigns).where(models.campaigns.c.campaign_id == campaign_id)
    if lock:
        # Not FOR UPDATE: that would hold up every insert whose foreign key points at the campaign.
        statement = statement.with_for_update(key_share=True)
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        raise NotFound("There is no campaign with this id.", fields=["campaign_id"])
    return Campaign.model_validate(row)


async def change_campaign(
    connection: AsyncConnection,
    known: Campaign,
    *,
    action: str,
    person: str,
    now: datetime,
    day: date | None = None,
    reason: str | None = None,
    **values: Any,
) -> Campaign:
    """Write a locked campaign's next version, and who made it, when (`day`: of the fact itself) and why."""
    statement = (
        update(models.campaigns)
        .where(
            models.campaigns.c.campaign_id == known.campaign_id, models.campaigns.c.version == known.version
        )
        .values(version=known.version + 1, changed_at=now, **values)
        .returning(*models.campaigns.c)
    )
    changed = Campaign.model_validate((await connection.execute(statement)).one())
    await record_change(connection, changed, action=action, person=person, day=day, reason=reason)
    return changed


async def record_change(
    connection: AsyncConnection,
    changed: Campaign,
    *,
    action: str,
    person: str,
    day: date | None = None,
    reason: str | None = None,
) -> None:
    """Note who brought a campaign to its version, for which day and why."""
    await connection.execute(
        insert(models.campaign_changes).values(
            campaign_id=changed.campaign_id,
            version=changed.version,
            action=action,
            state=changed.state,
            person=person,
            changed_at=changed.changed_at,
            happened_on=day or today_of(changed.changed_at),
            reason=reason,
        )
    )


async def list_campaigns(
    connection: AsyncConnection,
    *,
    seen: Sequence[str] | None,
    state: State | None,
    after: str | None,
    limit: int,
) -> list[Campaign]:
    """At most `limit` campaigns in the order of their ids, beginning behind `after`; of the organisations
    that are seen alone, unless None.
    """
    statement = select(models.campaigns).order_by(models.campaigns.c.campaign_id).limit(limit)
    if seen is not None:
        statement = statement.where(models.campaigns.c.organisation_id.in_(seen))
    if state is not None:
        statement = statement.where(models.campaigns.c.state == state)
    if after is not None:
        statement = statement.where(models.campaigns.c.campaign_id > after)
    return [Campaign.model_validate(row) for row in await connection.execute(statement)]


# ---------------------------------------------------------------- receipts, goal and milestones

_ADD_RECEIPTS: Final = text(
    "INSERT INTO fund_receipts AS known"
    " (campaign_id, source, received_fen, reversed_fen, donations, reversals)"
    " SELECT * FROM unnest(:campaign_ids, :sources, :received, :reversed, :donations, :reversals)"
    " ON CONFLICT (campaign_id, source) DO UPDATE SET"
    " received_fen = known.received_fen + excluded.received_fen,"
    " reversed_fen = known.reversed_fen + excluded.reversed_fen,"
    " donations = known.donations + excluded.donations,"
    " reversals = known.reversals + excluded.reversals"
).bindparams(
    bindparam("campaign_ids", type_=ARRAY(TEXT)),
    bindparam("sources", type_=ARRAY(TEXT)),
    bindparam("received", type_=ARRAY(BIGINT)),
    bindparam("reversed", type_=ARRAY(BIGINT)),
    bindparam("donations", type_=ARRAY(BIGINT)),
    bindparam("reversals", type_=ARRAY(BIGINT)),
)


async def add_receipts(connection: AsyncConnection, sums: Mapping[tuple[str, str], ReceiptSums]) -> None:
    """Add a batch's sums, in one statement, in the order of the keys (they come sorted)."""
    entries = list(sums.values())
    await connection.execute(
        _ADD_RECEIPTS,
        {
            "campaign_ids": [campaign_id for campaign_id, _ in sums],
            "sources": [source for _, source in sums],
            "received": [entry.received_fen for entry in entries],
            "reversed": [entry.reversed_fen for entry in entries],
            "donations": [entry.donations for entry in entries],
            "reversals": [entry.reversals for entry in entries],
        },
    )


async def add_thresholds(connection: AsyncConnection, thresholds: Sequence[Threshold]) -> None:
    """Write what a campaign is going to announce; what is there already stays as it is."""
    rows = [
        {"campaign_id": each.campaign_id, "kind": each.kind, "threshold_fen": each.threshold_fen}
        for each in thresholds
    ]
    await connection.execute(upsert(models.thresholds).on_conflict_do_nothing(), rows)


async def lock_waiting_thresholds(
    connection: AsyncConnection, campaign_ids: Sequence[str]
) -> dict[str, list[Threshold]]:
    """Lock what the campaigns have not announced yet, until the end of the transaction.

    Two workers that cross a milestone together each see only their own part of the sum. The lock makes the
    second wait for the first one's commit, and its next statement sees both parts.
    """
    table = models.thresholds
    statement = (
        select(table.c.campaign_id, table.c.kind, table.c.threshold_fen)
        .where(table.c.campaign_id.in_(campaign_ids), table.c.reached_at.is_(None))
        .order_by(table.c.campaign_id, table.c.threshold_fen, table.c.kind)
        .with_for_update(key_share=True)
    )
    waiting: dict[str, list[Threshold]] = {}
    for row in await connection.execute(statement):
        threshold = Threshold(row.campaign_id, ThresholdKind(row.kind), row.threshold_fen)
        waiting.setdefault(row.campaign_id, []).append(threshold)
    return waiting


_NET_RECEIVED: Final = text(
    "SELECT campaign_id, CAST(sum(received_fen - reversed_fen) AS bigint) AS net_fen FROM fund_receipts"
    " WHERE campaign_id = ANY(:campaign_ids) GROUP BY campaign_id"
)


async def net_received(connection: AsyncConnection, campaign_ids: Sequence[str]) -> dict[str, int]:
    """Received − reversed of each campaign, in fen."""
    rows = await connection.execute(_NET_RECEIVED, {"campaign_ids": list(campaign_ids)})
    return {row.campaign_id: row.net_fen for row in rows}


async def mark_reached(connection: AsyncConnection, threshold: Threshold) -> None:
    """Note that a locked threshold was announced, now."""
    table = models.thresholds
    await connection.execute(
        update(table)
        .where(
            table.c.campaign_id == threshold.campaign_id,
            table.c.kind == threshold.kind,
            table.c.threshold_fen == threshold.threshold_fen,
        )
        .values(reached_at=text("now()"))
    )


# ---------------------------------------------------------------- funds

_LOCK_FUNDS: Final = text(
    "SELECT campaign_id FROM funds WHERE campaign_id = ANY(:campaign_ids)"
    " ORDER BY campaign_id FOR NO KEY UPDATE"
)

FIGURES: Final = text(
    "SELECT CAST(coalesce(received.received_fen, 0) AS bigint) AS received_fen,"
    " CAST(coalesce(received.reversed_fen, 0) AS bigint) AS reversed_fen,"
    " CAST(coalesce(spent.reserved_fen, 0) AS bigint) AS reserved_fen,"
    " CAST(coalesce(spent.disbursed_fen, 0) AS bigint) AS disbursed_fen,"
    " CAST(coalesce((SELECT sum(amount_fen) FROM fund_transfers"
    "  WHERE to_campaign_id = :campaign_id AND state = 'approved'), 0) AS bigint) AS transferred_in_fen,"
    " CAST(coalesce((SELECT sum(amount_fen) FROM fund_transfers"
    "  WHERE from_campaign_id = :campaign_id AND state = 'approved'), 0) AS bigint) AS transferred_out_fen,"
    " CAST(coalesce(spent.returned_fen, 0) AS bigint) AS returned_fen,"
    " CAST(coalesce(received.donations, 0) AS bigint) AS donations,"
    " CAST(coalesce(received.reversals, 0) AS bigint) AS reversals"
    " FROM (SELECT sum(received_fen) AS received_fen, sum(reversed_fen) AS reversed_fen,"
    "  sum(donations) AS donations, sum(reversals) AS reversals"
    "  FROM fund_receipts WHERE campaign_id = :campaign_id) AS received,"
    " (SELECT sum(amount_fen) FILTER (WHERE state = 'approved') AS reserved_fen,"
    "  sum(amount_fen) FILTER (WHERE state = 'paid') AS disbursed_fen,"
    "  sum(returned_fen) AS returned_fen"
    "  FROM disbursements"
    "  WHERE fund_id = (SELECT fund_id FROM funds WHERE campaign_id = :campaign_id)) AS spent"
)


async def lock_fund(connection: AsyncConnection, campaign_id: str) -> FundFigures:
    """Lock the fund until the end of the transaction, then read its figures.

    Two statements on purpose: the second one's snapshot begins after the lock was given, and so sees what the
    holder before has committed (READ COMMITTED).
    """
    await lock_funds(connection, [campaign_id])
    return await figures(connection, campaign_id)


async def lock_funds(connection: AsyncConnection, campaign_ids: Collection[str]) -> None:
    """Lock the funds of several campaigns, in the order of their ids, until the end of the transaction."""
    rows = (await connection.execute(_LOCK_FUNDS, {"campaign_ids": sorted(campaign_ids)})).all()
    assert len(rows) == len(campaign_ids), "each campaign has a fund"


async def figures(connection: AsyncConnection, campaign_id: str) -> FundFigures:
    """A fund's figures. Whoever decides by them has locked the fund before."""
    return _figures((await connection.execute(FIGURES, {"campaign_id": campaign_id})).one())


def _figures(row: Row[Any]) -> FundFigures:
    return FundFigures(
        received_fen=row.received_fen,
        reversed_fen=row.reversed_fen,
        reserved_fen=row.reserved_fen,
        disbursed_fen=row.disbursed_fen,
        transferred_in_fen=row.transferred_in_fen,
        transferred_out_fen=row.transferred_out_fen,
        returned_fen=row.returned_fen,
    )


async def fund_of(connection: AsyncConnection, campaign_id: str) -> UUID:
    """The id of the campaign's fund."""
    statement = select(models.funds.c.fund_id).where(models.funds.c.campaign_id == campaign_id)
    fund_id: UUID = (await connection.execute(statement)).scalar_one()
    return fund_id


_POSITIONS: Final = text("SELECT source, sequence FROM marks WHERE sequence >= 0 ORDER BY source")


async def positions(connection: AsyncConnection) -> dict[str, int]:
    """For each source the sequence of the last event counted."""
    return {mark.source: mark.sequence for mark in await connection.execute(_POSITIONS)}


async def balance(connection: AsyncConnection, campaign_id: str) -> Balance:
    """A fund's figures and the positions they stand for.

    The caller's transaction must be REPEATABLE READ, or the figures and the positions may be of two moments.
    Raises NotFound.
    """
    await campaign(connection, campaign_id)
    row = (await connection.execute(FIGURES, {"campaign_id": campaign_id})).one()
    known = _figures(row)
    promised = await pledges.promised(connection, campaign_id)
    return Balance(
        campaign_id=campaign_id,
        received_fen=known.received_fen,
        reversed_fen=known.reversed_fen,
        transferred_in_fen=known.transferred_in_fen,
        transferred_out_fen=known.transferred_out_fen,
        reserved_fen=known.reserved_fen,
        disbursed_fen=known.disbursed_fen,
        returned_fen=known.returned_fen,
        balance_fen=known.balance_fen,
        overdrawn=known.overdrawn,
        promised_fen=promised.promised_fen,
        promised_released_fen=promised.released_fen,
        donations=row.donations,
        reversals=row.reversals,
        pledges=promised.pledges,
        positions=await positions(connection),
    )
