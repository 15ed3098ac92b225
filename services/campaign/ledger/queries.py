"""What is asked of the ledger's tables. Every function runs in its caller's transaction.

What is read for one answer in several statements must be of one moment: a REPEATABLE READ transaction.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import bindparam, insert, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY, BIGINT, DATE, TEXT
from sqlalchemy.ext.asyncio import AsyncConnection

from services.campaign.ledger.accounts import (
    CHART,
    EXPENSE_OF,
    GOODS_COST,
    GOODS_INCOME,
    GOODS_LOSS,
    INVENTORY,
    OF_GOODS,
    RESTRICTED_INCOME,
    RESTRICTED_NET_ASSETS,
    TRUST_COST,
    Side,
)
from services.campaign.ledger.drafts import DraftState
from services.campaign.ledger.entries import BUSINESS, Kind
from services.campaign.ledger.models import ledger_drafts, ledger_entries, ledger_journals, ledger_periods
from services.campaign.ledger.periods import PeriodState
from services.campaign.ledger.schemas import (
    Draft,
    Entry,
    Fund,
    JournalHead,
    Period,
    StatementLine,
    TrialBalanceLine,
)
from shared.refusals import NotFound

# ---------------------------------------------------------------- drafts


async def add_draft(connection: AsyncConnection, values: Mapping[str, Any]) -> Draft:
    """Write a draft."""
    statement = insert(ledger_drafts).values(**values).returning(*ledger_drafts.c)
    return Draft.model_validate((await connection.execute(statement)).one())


async def draft(connection: AsyncConnection, draft_id: UUID, *, lock: bool = False) -> Draft:
    """Read a draft, with `lock` until the end of the transaction. Raises NotFound."""
    statement = select(ledger_drafts).where(ledger_drafts.c.draft_id == draft_id)
    row = (await connection.execute(statement.with_for_update() if lock else statement)).one_or_none()
    if row is None:
        raise NotFound("There is no draft with this id.", fields=["draft_id"])
    return Draft.model_validate(row)


async def decide_draft(
    connection: AsyncConnection,
    known: Draft,
    state: DraftState,
    *,
    person: str,
    now: datetime,
    sequence: int | None = None,
) -> Draft:
    """Write a locked draft's end."""
    statement = (
        update(ledger_drafts)
        .where(ledger_drafts.c.draft_id == known.draft_id, ledger_drafts.c.version == known.version)
        .values(state=state, version=known.version + 1, decided_by=person, decided_at=now, sequence=sequence)
        .returning(*ledger_drafts.c)
    )
    return Draft.model_validate((await connection.execute(statement)).one())


_ALL_SEEN: Final = text(
    "NOT EXISTS (SELECT FROM json_array_elements(postings) AS posting"
    " LEFT JOIN campaigns ON campaigns.campaign_id = posting->>'campaign_id'"
    " WHERE organisation_id IS NULL OR organisation_id <> ALL(:seen))"
).bindparams(bindparam("seen", type_=ARRAY(TEXT)))


async def list_drafts(
    connection: AsyncConnection,
    *,
    seen: Sequence[str] | None = None,
    state: DraftState | None,
    after: UUID | None,
    limit: int,
) -> list[Draft]:
    """At most `limit` drafts, oldest first, beginning behind `after`; of campaigns of the organisations that
    are seen alone, unless None.
    """
    statement = select(ledger_drafts).order_by(ledger_drafts.c.draft_id).limit(limit)
    if seen is not None:
        statement = statement.where(_ALL_SEEN.bindparams(seen=list(seen)))
    if state is not None:
        statement = statement.where(ledger_drafts.c.state == state)
    if after is not None:
        statement = statement.where(ledger_drafts.c.draft_id > after)
    return [Draft.model_validate(row) for row in await connection.execute(statement)]


# ---------------------------------------------------------------- periods

_OWN_PERIODS: Final = text("SELECT pg_advisory_xact_lock(hashtext('shanliu.ledger.periods'))")


async def own_periods(connection: AsyncConnection) -> None:
    """Wait until every booking that has begun is committed, and hold up the others: bookkeeping shares it."""
    await connection.execute(_OWN_PERIODS)


async def closed_month(connection: AsyncConnection) -> date | None:
    """The last closed month; None when none is."""
    found: date | None = (
        await connection.execute(text("SELECT max(month) FROM ledger_periods WHERE state = 'closed'"))
    ).scalar_one()
    return found


async def period(connection: AsyncConnection, month: date) -> Period | None:
    """A month that is being closed or is closed; None: nobody has asked."""
    statement = select(ledger_periods).where(ledger_periods.c.month == month)
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else Period.model_validate(row)


async def add_period(connection: AsyncConnection, month: date, *, asked_by: str, now: datetime) -> Period:
    """Note that somebody asks to close a month."""
    statement = insert(ledger_periods).values(
        month=month, state=PeriodState.CLOSING, version=1, asked_by=asked_by, asked_at=now
    )
    return Period.model_validate((await connection.execute(statement.returning(*ledger_periods.c))).one())


async def close_period(
    connection: AsyncConnection, known: Period, *, confirmed_by: str, now: datetime
) -> Period:
    """Close a month, for ever."""
    statement = (
        update(ledger_periods)
        .where(ledger_periods.c.month == known.month, ledger_periods.c.version == known.version)
        .values(
            state=PeriodState.CLOSED, version=known.version + 1, confirmed_by=confirmed_by, confirmed_at=now
        )
    )
    return Period.model_validate((await connection.execute(statement.returning(*ledger_periods.c))).one())


async def list_periods(connection: AsyncConnection, limit: int) -> list[Period]:
    """At most `limit` months that are not simply open, newest first."""
    statement = select(ledger_periods).order_by(ledger_periods.c.month.desc()).limit(limit)
    return [Period.model_validate(row) for row in await connection.execute(statement)]


# ---------------------------------------------------------------- entries

_POSTINGS: Final = (
    "(SELECT coalesce(json_agg(json_build_object('account', p.account, 'campaign_id', p.campaign_id,"
    " 'side', p.side, 'amount_fen', p.amount_fen) ORDER BY p.line), '[]')"
    " FROM ledger_postings p WHERE p.journal = e.journal AND p.sequence = e.sequence) AS postings"
)
_ENTRIES: Final = text(
    f"SELECT e.*, {_POSTINGS} FROM ledger_entries e"  # noqa: S608 - our own words
    " WHERE e.journal = :journal AND e.sequence > :after ORDER BY e.sequence LIMIT :limit"
)


async def entries(connection: AsyncConnection, journal: str, *, after: int, limit: int) -> list[Entry]:
    """At most `limit` entries of a journal with their postings, beginning behind `after`."""
    rows = await connection.execute(_ENTRIES, {"journal": journal, "after": after, "limit": limit})
    return [
        Entry.model_validate({**row._mapping, "hash": bytes(row.hash).hex()})  # noqa: SLF001 - its public name
        for row in rows
    ]


_WALK: Final = text(
    f"SELECT e.*, {_POSTINGS}, (SELECT bool_and(p.booked_on = e.booked_on) AND max(p.line) = count(*)"  # noqa: S608 - our own words
    "  FROM ledger_postings p WHERE p.journal = e.journal AND p.sequence = e.sequence) AS in_order"
    " FROM ledger_entries e WHERE e.journal = :journal AND e.sequence > :after"
    " ORDER BY e.sequence LIMIT :limit"
)


async def walk(connection: AsyncConnection, journal: str, page: int) -> AsyncIterator[dict[str, Any]]:
    """Every row of a journal as it lies in the table, `page` at a time; `in_order`: its postings have its day
    and gapless lines.
    """
    after = -(2**63)
    while True:
        values = {"journal": journal, "after": after, "limit": page}
        rows = (await connection.execute(_WALK, values)).mappings().all()
        for row in rows:
            yield dict(row)
        if len(rows) < page:
            return
        after = rows[-1]["sequence"]


async def heads(connection: AsyncConnection) -> list[JournalHead]:
    """The head of every journal, in the order of their names."""
    rows = await connection.execute(select(ledger_journals).order_by(ledger_journals.c.journal))
    return [
        JournalHead(journal=row.journal, sequence=row.sequence, hash=bytes(row.hash).hex()) for row in rows
    ]


_STRAY: Final = text(
    "SELECT journal, sequence FROM ledger_postings p WHERE NOT EXISTS"
    " (SELECT FROM ledger_entries e WHERE e.journal = p.journal AND e.sequence = p.sequence)"
    " UNION ALL SELECT journal, sequence FROM ledger_entries e WHERE NOT EXISTS"
    " (SELECT FROM ledger_journals j WHERE j.journal = e.journal) ORDER BY journal, sequence LIMIT 1"
)


async def stray(connection: AsyncConnection) -> tuple[str, int] | None:
    """The first posting without an entry, or entry without a journal."""
    row = (await connection.execute(_STRAY)).one_or_none()
    return None if row is None else (row.journal, row.sequence)


async def entry(connection: AsyncConnection, journal: str, sequence: int) -> Entry:
    """One entry. Raises NotFound."""
    found = await entries(connection, journal, after=sequence - 1, limit=1)
    if not found or found[0].sequence != sequence:
        raise NotFound("There is no such entry.", fields=["journal", "sequence"])
    return found[0]


async def reversed_by(connection: AsyncConnection, sequence: int) -> int | None:
    """The sequence of the business entry that has reversed another; None: none has."""
    statement = select(ledger_entries.c.sequence).where(
        ledger_entries.c.journal == BUSINESS, ledger_entries.c.reverses == sequence
    )
    found: int | None = (await connection.execute(statement)).scalar_one_or_none()
    return found


async def standing_opening(connection: AsyncConnection) -> int | None:
    """The opening that nothing has reversed."""
    opening, reversal = ledger_entries.alias(), ledger_entries.alias()
    statement = select(opening.c.sequence).where(
        opening.c.journal == BUSINESS,
        opening.c.kind == Kind.OPENING,
        ~select(reversal.c.sequence)
        .where(reversal.c.journal == BUSINESS, reversal.c.reverses == opening.c.sequence)
        .exists(),
    )
    found: int | None = (await connection.execute(statement)).scalar_one_or_none()
    return found


async def unknown_campaigns(connection: AsyncConnection, campaign_ids: list[str]) -> list[str]:
    """Those of the ids that no campaign has."""
    statement = text(
        "SELECT id FROM unnest(:ids) AS id WHERE NOT EXISTS"
        " (SELECT FROM campaigns WHERE campaign_id = id) ORDER BY id"
    ).bindparams(bindparam("ids", type_=ARRAY(TEXT)))
    return list((await connection.execute(statement, {"ids": campaign_ids})).scalars())


# ---------------------------------------------------------------- sums

_SELECTED: Final = (
    " FROM ledger_postings p JOIN unnest(:journals, :sequences) AS at (journal, sequence)"
    " ON p.journal = at.journal AND p.sequence <= at.sequence"
    " WHERE (:campaign_id IS NULL OR p.campaign_id = :campaign_id) AND (:day IS NULL OR p.booked_on <= :day)"
)
_SELECTION: Final = (
    bindparam("journals", type_=ARRAY(TEXT)),
    bindparam("sequences", type_=ARRAY(BIGINT)),
    bindparam("campaign_id", type_=TEXT),
    bindparam("day", type_=DATE),
)
_SUMS: Final = text(
    "SELECT p.account, coalesce(sum(p.amount_fen) FILTER (WHERE p.side = 'debit'), 0) AS debit_fen,"
    " coalesce(sum(p.amount_fen) FILTER (WHERE p.side = 'credit'), 0) AS credit_fen"
    f"{_SELECTED} GROUP BY p.account ORDER BY p.account"
).bindparams(*_SELECTION)


def _selection(positions: Mapping[str, int], campaign_id: str | None, day: date | None) -> dict[str, Any]:
    return {
        "journals": list(positions),
        "sequences": list(positions.values()),
        "campaign_id": campaign_id,
        "day": day,
    }


async def sums(
    connection: AsyncConnection, positions: Mapping[str, int], *, campaign_id: str | None, day: date | None
) -> list[TrialBalanceLine]:
    """What each account has at the positions, of a campaign or of all, up to a day or to the end."""
    lines = []
    for row in await connection.execute(_SUMS, _selection(positions, campaign_id, day)):
        account = CHART[row.account]
        surplus = int(row.debit_fen) - int(row.credit_fen)
        lines.append(
            TrialBalanceLine(
                account=account.number,
                name=account.name,
                name_en=account.name_en,
                kind=account.kind,
                debit_fen=int(row.debit_fen),
                credit_fen=int(row.credit_fen),
                balance_fen=surplus if account.normal_side is Side.DEBIT else -surplus,
            )
        )
    return lines


# ---------------------------------------------------------------- statements

_PLACE: Final = "p.booked_on, p.journal, p.sequence, p.line"
_AFTER: Final = f"({_PLACE}) > (:on, :journal, :sequence, :line)"
_CURSOR: Final = (
    bindparam("on", type_=DATE),
    bindparam("journal", type_=TEXT),
    bindparam("sequence", type_=BIGINT),
    bindparam("line", type_=BIGINT),
)
_STATEMENT: Final = text(
    f"SELECT {_PLACE}, p.campaign_id, p.side, p.amount_fen,"  # noqa: S608 - our own words
    " (SELECT (e.kind, e.note) FROM ledger_entries e WHERE e.journal = p.journal AND e.sequence = p.sequence)"
    f" AS said {_SELECTED} AND p.account = :account AND {_AFTER} ORDER BY {_PLACE} LIMIT :limit"
).bindparams(*_SELECTION, *_CURSOR)
_BROUGHT: Final = text(
    "SELECT coalesce(sum(CASE p.side WHEN 'debit' THEN p.amount_fen ELSE -p.amount_fen END), 0)"
    f"{_SELECTED} AND p.account = :account AND NOT {_AFTER}"
).bindparams(*_SELECTION, *_CURSOR)


@dataclass(frozen=True, slots=True)
class StatementPlace:
    """A posting's place in the order of a statement; as text it is the `next` of a page."""

    on: date
    journal: str
    sequence: int
    line: int

    def __str__(self) -> str:
        return f"{self.on}~{self.sequence}~{self.line}~{self.journal}"

    @classmethod
    def parse(cls, text_: str) -> "StatementPlace":
        """Read the text. Raises ValueError."""
        on, sequence, line, journal = text_.split("~", 3)
        return cls(date.fromisoformat(on), journal, int(sequence), int(line))


async def statement(
    connection: AsyncConnection,
    account: str,
    positions: Mapping[str, int],
    *,
    campaign_id: str | None,
    after: StatementPlace | None,
    limit: int,
) -> tuple[int, list[StatementLine]]:
    """What an account had before, and at most `limit` of its postings, beginning behind `after`."""
    sign = 1 if CHART[account].normal_side is Side.DEBIT else -1
    begin = after or StatementPlace(date.min, "", 0, 0)
    values = {**_selection(positions, campaign_id, None), **asdict(begin), "account": account}
    brought = sign * int((await connection.execute(_BROUGHT, values)).scalar_one()) if after else 0
    balance, lines = brought, []
    for row in await connection.execute(_STATEMENT, {**values, "limit": limit}):
        balance += sign * (row.amount_fen if row.side == Side.DEBIT else -row.amount_fen)
        kind, note = row.said
        lines.append(
            StatementLine(
                booked_on=row.booked_on,
                journal=row.journal,
                sequence=row.sequence,
                line=row.line,
                kind=kind,
                note=note,
                campaign_id=row.campaign_id,
                side=row.side,
                amount_fen=row.amount_fen,
                balance_fen=balance,
            )
        )
    return brought, lines


# ---------------------------------------------------------------- funds

_EXPENSES: Final = ", ".join(f"'{account}'" for account in EXPENSE_OF.values())
_BY_CAMPAIGN: Final = (
    "WITH posted AS (SELECT campaign_id,"  # noqa: S608 - our own words
    f"  coalesce(sum(amount_fen) FILTER (WHERE account = '{RESTRICTED_INCOME}' AND side = 'credit'), 0)"
    "   AS received_fen,"
    f"  coalesce(sum(amount_fen) FILTER (WHERE account = '{RESTRICTED_INCOME}' AND side = 'debit'), 0)"
    "   AS reversed_fen,"
    f"  coalesce(sum(amount_fen) FILTER (WHERE account = '{RESTRICTED_NET_ASSETS}' AND side = 'credit'), 0)"
    "   AS transferred_in_fen,"
    f"  coalesce(sum(amount_fen) FILTER (WHERE account = '{RESTRICTED_NET_ASSETS}' AND side = 'debit'"
    f"   OR account = '{TRUST_COST}'), 0) AS transferred_out_fen,"
    f"  coalesce(sum(amount_fen) FILTER (WHERE account IN ({_EXPENSES}) AND side = 'debit'), 0)"
    "   AS disbursed_fen,"
    f"  coalesce(sum(amount_fen) FILTER (WHERE account IN ({_EXPENSES}) AND side = 'credit'), 0)"
    "   AS returned_fen,"
    "  sum(CASE side WHEN 'credit' THEN amount_fen ELSE -amount_fen END) AS ledger_fen"
    f"  FROM ledger_postings WHERE account >= '3' AND account NOT IN {OF_GOODS}"
    "   AND campaign_id IS NOT NULL GROUP BY campaign_id),"
    " taken AS (SELECT campaign_id, sum(received_fen - reversed_fen) AS taken_fen"
    "  FROM fund_receipts GROUP BY campaign_id),"
    " spent AS (SELECT campaign_id,"
    "  coalesce(sum(amount_fen) FILTER (WHERE state = 'approved'), 0) AS reserved_fen,"
    "  coalesce(sum(amount_fen) FILTER (WHERE state = 'paid'), 0) - sum(returned_fen) AS paid_fen"
    "  FROM disbursements GROUP BY campaign_id),"
    " moved AS (SELECT campaign_id, sum(moved_fen) AS moved_fen FROM"
    "  (SELECT to_campaign_id AS campaign_id, amount_fen AS moved_fen FROM fund_transfers"
    "   WHERE state = 'approved' AND to_campaign_id IS NOT NULL"
    "   UNION ALL SELECT from_campaign_id, -amount_fen FROM fund_transfers WHERE state = 'approved') AS sides"
    "  GROUP BY campaign_id),"
    " funds AS (SELECT campaign_id, coalesce(received_fen, 0) AS received_fen,"
    "  coalesce(reversed_fen, 0) AS reversed_fen, coalesce(disbursed_fen, 0) AS disbursed_fen,"
    "  coalesce(transferred_in_fen, 0) AS transferred_in_fen,"
    "  coalesce(transferred_out_fen, 0) AS transferred_out_fen,"
    "  coalesce(returned_fen, 0) AS returned_fen,"
    "  coalesce(ledger_fen, 0) AS ledger_fen, coalesce(reserved_fen, 0) AS reserved_fen,"
    "  coalesce(taken_fen, 0) + coalesce(moved_fen, 0) - coalesce(reserved_fen, 0) - coalesce(paid_fen, 0)"
    "   AS guardrail_balance_fen"
    "  FROM posted FULL JOIN taken USING (campaign_id) FULL JOIN spent USING (campaign_id)"
    "  FULL JOIN moved USING (campaign_id))"
)
_FUNDS: Final = text(
    f"{_BY_CAMPAIGN} SELECT * FROM funds WHERE campaign_id > :after"  # noqa: S608 - our own words
    " AND (:seen IS NULL OR campaign_id IN (SELECT campaign_id FROM campaigns"
    "  WHERE organisation_id = ANY(:seen))) ORDER BY campaign_id LIMIT :limit"
).bindparams(bindparam("seen", type_=ARRAY(TEXT)))
_UNEQUAL: Final = text(
    f"{_BY_CAMPAIGN} SELECT campaign_id FROM funds"  # noqa: S608 - our own words
    " WHERE ledger_fen - reserved_fen <> guardrail_balance_fen ORDER BY campaign_id LIMIT 10"
)


async def funds(
    connection: AsyncConnection, *, seen: Sequence[str] | None = None, after: str | None, limit: int
) -> list[Fund]:
    """At most `limit` funds by the ledger and by the guardrail's own tables, beginning behind `after`; of the
    organisations that are seen alone, unless None.
    """
    asked = {"after": after or "", "seen": None if seen is None else list(seen), "limit": limit}
    rows = await connection.execute(_FUNDS, asked)
    found = []
    for row in rows.mappings():
        equal = row["ledger_fen"] - row["reserved_fen"] == row["guardrail_balance_fen"]
        found.append(Fund.model_validate({**row, "equal": equal}))
    return found


async def unequal_funds(connection: AsyncConnection) -> list[str]:
    """Campaigns whose fund is another by the ledger than by the guardrail's tables, at most 10."""
    return list((await connection.execute(_UNEQUAL)).scalars())


_UNEQUAL_STORES: Final = text(
    "WITH posted AS (SELECT campaign_id,"  # noqa: S608 - our own words
    f"  coalesce(sum(fen) FILTER (WHERE account = '{INVENTORY}'), 0) AS store_fen,"
    f"  coalesce(-sum(fen) FILTER (WHERE account = '{GOODS_INCOME}'), 0) AS received_fen,"
    f"  coalesce(sum(fen) FILTER (WHERE account = '{GOODS_COST}'), 0) AS distributed_fen,"
    f"  coalesce(sum(fen) FILTER (WHERE account = '{GOODS_LOSS}'), 0) AS lost_fen"
    "  FROM (SELECT campaign_id, account, CASE side WHEN 'debit' THEN amount_fen ELSE -amount_fen END AS fen"
    f"   FROM ledger_postings WHERE account IN {OF_GOODS} AND campaign_id IS NOT NULL) AS lines"
    "  GROUP BY campaign_id),"
    " stored AS (SELECT campaign_id, sum(left_fen) AS left_fen FROM goods_items GROUP BY campaign_id),"
    " given AS (SELECT campaign_id, sum(value_fen) AS given_fen FROM goods_gifts WHERE state = 'confirmed'"
    "  GROUP BY campaign_id),"
    " moved AS (SELECT campaign_id,"
    "  coalesce(sum(value_fen) FILTER (WHERE kind = 'reversal'), 0) AS reversed_fen,"
    "  coalesce(sum(value_fen) FILTER (WHERE kind = 'distribution'), 0)"
    "   - coalesce(sum(value_fen) FILTER (WHERE kind = 'return'), 0) AS out_fen,"
    "  coalesce(sum(value_fen) FILTER (WHERE kind = 'write_off'), 0) AS written_off_fen"
    "  FROM goods_movements WHERE state = 'done' GROUP BY campaign_id)"
    " SELECT campaign_id FROM posted FULL JOIN stored USING (campaign_id)"
    " FULL JOIN given USING (campaign_id) FULL JOIN moved USING (campaign_id)"
    " WHERE (coalesce(store_fen, 0), coalesce(received_fen, 0), coalesce(distributed_fen, 0),"
    "  coalesce(lost_fen, 0))"
    " <> (coalesce(left_fen, 0), coalesce(given_fen, 0) - coalesce(reversed_fen, 0), coalesce(out_fen, 0),"
    "  coalesce(written_off_fen, 0)) ORDER BY campaign_id LIMIT 10"
)


async def unequal_stores(connection: AsyncConnection) -> list[str]:
    """Campaigns whose goods are others by the ledger than by the store's own tables, at most 10."""
    return list((await connection.execute(_UNEQUAL_STORES)).scalars())
