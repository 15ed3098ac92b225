"""What is asked of the database about funds. Every function runs in its caller's transaction."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Uuid, bindparam, func, insert, or_, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY, BIGINT, DATE, TEXT
from sqlalchemy.dialects.postgresql import UUID as UUID_
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.campaign.funds.models import (
    donation_split_parts,
    donation_splits,
    fund_transfers,
    named_funds,
    split_donations,
)
from services.campaign.funds.named import TermsState
from services.campaign.funds.schemas import FundTurnover, Split, Terms, Transfer
from services.campaign.funds.splitting import Part
from services.campaign.funds.transfers import TransferState
from services.campaign.funds.turnover import WINDOW_DAYS, Turnover, idle
from services.campaign.ledger.accounts import (
    FUNDRAISING_COST,
    MANAGEMENT_COST,
    PROGRAMME_COST,
    RESTRICTED_INCOME,
    RESTRICTED_NET_ASSETS,
    TRUST_COST,
)
from services.campaign.ledger.entries import day_of
from services.campaign.organisations.rights import of_seen
from shared.events import DonationReceived, DonationReversed, Event
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


# ---------------------------------------------------------------- donations that are split, as the log says

_WANTED: Final = text(
    "SELECT donation_id, received_on FROM split_donations AS wanted"
    " WHERE source IS NULL AND (searched_at IS NULL OR searched_at < :not_since)"
    " AND asked_at > now() - interval '1 day'"
    " AND EXISTS (SELECT FROM donation_splits AS split"
    "  WHERE split.donation_id = wanted.donation_id AND split.state = 'asked')"
    " ORDER BY searched_at NULLS FIRST, donation_id LIMIT :most"
)
_NOTE_DONATION: Final = text(
    "UPDATE split_donations SET source = :source, sequence = :sequence, campaign_id = :campaign_id,"
    " amount_fen = :amount_fen WHERE donation_id = :donation_id AND source IS NULL"
)
_NOTE_REVERSALS: Final = text(
    "INSERT INTO split_reversals"
    " (source, sequence, donation_id, amount_fen, kind, reversed_on, noted_at)"
    " SELECT heard.source, heard.sequence, heard.donation_id, heard.amount_fen, heard.kind,"
    " heard.reversed_on, now()"
    " FROM unnest(:sources, :sequences, :donation_ids, :amounts, :kinds, :days)"
    " AS heard (source, sequence, donation_id, amount_fen, kind, reversed_on)"
    " JOIN split_donations USING (donation_id) ON CONFLICT DO NOTHING"
).bindparams(
    bindparam("sources", type_=ARRAY(TEXT)),
    bindparam("sequences", type_=ARRAY(BIGINT)),
    bindparam("donation_ids", type_=ARRAY(UUID_)),
    bindparam("amounts", type_=ARRAY(BIGINT)),
    bindparam("kinds", type_=ARRAY(TEXT)),
    bindparam("days", type_=ARRAY(DATE)),
)


async def want_donation(
    connection: AsyncConnection, donation_id: UUID, received_on: date, now: datetime
) -> None:
    """Ask for what the log says of a donation; of one that was not found, from another day on."""
    table = split_donations
    statement = upsert(table).values(donation_id=donation_id, received_on=received_on, asked_at=now)
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=["donation_id"],
            set_={"received_on": received_on, "asked_at": now, "searched_at": None},
            where=table.c.source.is_(None),
        )
    )


async def wanted_donations(
    connection: AsyncConnection, *, not_since: datetime, limit: int
) -> dict[UUID, date]:
    """At most `limit` donations that a waiting split of the last day names and the log has not shown, each
    with the day from which to read; those that were looked for later than `not_since` are left out.
    """
    rows = await connection.execute(_WANTED, {"not_since": not_since, "most": limit})
    return {row.donation_id: row.received_on for row in rows}


async def note_donations(connection: AsyncConnection, events: Iterable[Event]) -> None:
    """Write what the log says of wanted donations; what is written stays."""
    for event in events:
        if isinstance(event, DonationReceived):
            data = event.data
            values = {
                "source": event.source,
                "sequence": event.sequence,
                "campaign_id": data.campaign_id,
                "amount_fen": data.amount_fen,
                "donation_id": data.donation_id,
            }
            await connection.execute(_NOTE_DONATION, values)


async def note_reversals(connection: AsyncConnection, events: Iterable[Event]) -> None:
    """Keep the reversals of donations that are, or were, to be split, each once by its position.

    One statement for a batch that has reversals, none for another: the worker calls it with every batch.
    """
    heard = [event for event in events if isinstance(event, DonationReversed)]
    if not heard:
        return
    values = {
        "sources": [event.source for event in heard],
        "sequences": [event.sequence for event in heard],
        "donation_ids": [event.data.donation_id for event in heard],
        "amounts": [event.data.amount_fen for event in heard],
        "kinds": [event.data.kind for event in heard],
        "days": [day_of(event.data.occurred_at) for event in heard],
    }
    await connection.execute(_NOTE_REVERSALS, values)


async def note_searched(connection: AsyncConnection, donation_ids: Sequence[UUID]) -> None:
    """Note that the log was read to its end."""
    table = split_donations
    await connection.execute(
        update(table).where(table.c.donation_id.in_(donation_ids)).values(searched_at=func.now())
    )


async def counted(connection: AsyncConnection, source: str, sequence: int) -> bool:
    """Whether the funds have counted the event at a position."""
    statement = text("SELECT sequence FROM marks WHERE source = :source")
    mark = (await connection.execute(statement, {"source": source})).scalar_one_or_none()
    return mark is not None and mark >= sequence


# ---------------------------------------------------------------- splits

_SPLITS: Final = (
    "SELECT s.*, json_build_object('donation_id', d.donation_id, 'received_on', d.received_on,"
    " 'searched_at', d.searched_at, 'source', d.source, 'sequence', d.sequence,"
    " 'campaign_id', d.campaign_id, 'amount_fen', d.amount_fen, 'reversed_fen', r.reversed_fen) AS donation,"
    " (SELECT json_agg(json_build_object('campaign_id', p.campaign_id, 'amount_fen', p.amount_fen,"
    "   'share_bp', p.share_bp, 'given_fen', p.given_fen,"
    "   'corrected_fen', (SELECT coalesce(sum(t.amount_fen), 0)"
    "   FROM fund_transfers t WHERE t.split_id = s.split_id AND t.kind = 'correction'"
    "   AND t.state <> 'withdrawn' AND t.from_campaign_id = p.campaign_id)) ORDER BY p.place)"
    "  FROM donation_split_parts p WHERE p.split_id = s.split_id) AS parts"
    " FROM donation_splits s JOIN split_donations d USING (donation_id)"
    " CROSS JOIN LATERAL (SELECT CAST(coalesce(sum(amount_fen), 0) AS bigint) AS reversed_fen"
    "  FROM split_reversals r WHERE r.donation_id = s.donation_id) AS r"
)
_SPLIT: Final = text(f"{_SPLITS} WHERE s.split_id = :split_id")
_LIST_SPLITS: Final = text(
    f"{_SPLITS} WHERE (s.campaign_id = :campaign_id OR EXISTS (SELECT FROM donation_split_parts p"
    "  WHERE p.split_id = s.split_id AND p.campaign_id = :campaign_id))"
    " AND (:after IS NULL OR s.split_id > :after) ORDER BY s.split_id LIMIT :most"
).bindparams(bindparam("after", type_=Uuid))
_TO_CORRECT: Final = text(
    f"{_SPLITS} WHERE s.state = 'approved' AND r.reversed_fen > s.settled_fen"  # noqa: S608 - our own words
    " AND (:seen IS NULL OR s.campaign_id IN (SELECT campaign_id FROM campaigns"
    "  WHERE organisation_id = ANY(:seen)))"
    " AND (:after IS NULL OR s.split_id > :after) ORDER BY s.split_id LIMIT :most"
).bindparams(bindparam("after", type_=Uuid), bindparam("seen", type_=ARRAY(TEXT)))
_LOCK_SPLIT: Final = text("SELECT FROM donation_splits WHERE split_id = :split_id FOR UPDATE")


async def add_split(
    connection: AsyncConnection, values: Mapping[str, Any], parts: Sequence[Part]
) -> Split | None:
    """Write a split and its parts; None when the donation has one that was not withdrawn."""
    table = donation_splits
    statement = (
        upsert(table)
        .values(**values)
        .on_conflict_do_nothing(index_elements=["donation_id"], index_where=text("state <> 'withdrawn'"))
        .returning(table.c.split_id)
    )
    split_id = (await connection.execute(statement)).scalar_one_or_none()
    if split_id is None:
        return None
    rows = [
        {
            "split_id": split_id,
            "place": place,
            "campaign_id": part.campaign_id,
            "amount_fen": part.amount_fen,
            "share_bp": part.share_bp,
        }
        for place, part in enumerate(parts, start=1)
    ]
    await connection.execute(insert(donation_split_parts), rows)
    return await split(connection, split_id)


async def split(connection: AsyncConnection, split_id: UUID, *, lock: bool = False) -> Split:
    """Read a split with its parts, with `lock` until the end of the transaction. Raises NotFound."""
    if lock:
        await connection.execute(_LOCK_SPLIT, {"split_id": split_id})
    row = (await connection.execute(_SPLIT, {"split_id": split_id})).one_or_none()
    if row is None:
        raise NotFound("There is no split with this id.", fields=["split_id"])
    return Split.model_validate(row)


async def change_split(connection: AsyncConnection, known: Split, **values: Any) -> Split:
    """Write a locked split's next version."""
    table = donation_splits
    await connection.execute(
        update(table)
        .where(table.c.split_id == known.split_id, table.c.version == known.version)
        .values(version=known.version + 1, **values)
    )
    return await split(connection, known.split_id)


async def give_parts(connection: AsyncConnection, known: Split, given_fen: Sequence[int]) -> None:
    """Write what each part of a locked split gets, in the order of the parts."""
    table = donation_split_parts
    for part, fen in zip(known.parts, given_fen, strict=True):
        await connection.execute(
            update(table)
            .where(table.c.split_id == known.split_id, table.c.campaign_id == part.campaign_id)
            .values(given_fen=fen)
        )


async def list_splits(
    connection: AsyncConnection, campaign_id: str, *, after: UUID | None, limit: int
) -> list[Split]:
    """At most `limit` splits from and to a campaign's fund, oldest first, beginning behind `after`."""
    asked = {"campaign_id": campaign_id, "after": after, "most": limit}
    return [Split.model_validate(row) for row in await connection.execute(_LIST_SPLITS, asked)]


async def list_to_correct(
    connection: AsyncConnection, *, seen: Sequence[str] | None, after: UUID | None, limit: int
) -> list[Split]:
    """At most `limit` splits whose donation has gone back since, wholly or in part, and is not corrected."""
    asked = {"seen": None if seen is None else list(seen), "after": after, "most": limit}
    return [Split.model_validate(row) for row in await connection.execute(_TO_CORRECT, asked)]


async def correction_waits(connection: AsyncConnection, known: Split) -> bool:
    """Whether a correction of a split waits for its second person."""
    table = fund_transfers
    statement = select(table.c.transfer_id).where(
        table.c.split_id == known.split_id, table.c.state == TransferState.ASKED
    )
    return (await connection.execute(statement.limit(1))).one_or_none() is not None
