"""What is asked of the database about spending. Every function runs in its caller's transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.campaign.ledger.accounts import CHART, MANAGEMENT_COST, PROGRAMME_COST, AccountClass
from services.campaign.organisations.rights import of_seen
from services.campaign.spending import models
from services.campaign.spending.budget import BudgetState, Limits
from services.campaign.spending.ratios import YEARS_BACK, YearFigures
from services.campaign.spending.rules import DisbursementState, ReturnState
from services.campaign.spending.schemas import (
    Budget,
    BudgetChange,
    BudgetLine,
    Disbursement,
    Invoice,
    Return,
    StatedYear,
)
from services.campaign.spending.stated_years import StatementState
from shared.events.campaigns import SpendingCategory
from shared.refusals import NotFound

RETURNS_SHOWN: Final = 100
CHANGES_SHOWN: Final = 20

# ---------------------------------------------------------------- disbursements


async def add_disbursement(connection: AsyncConnection, values: Mapping[str, Any]) -> Disbursement:
    """Write a requested disbursement."""
    statement = insert(models.disbursements).values(**values).returning(*models.disbursements.c)
    return Disbursement.model_validate((await connection.execute(statement)).one())


async def disbursement(
    connection: AsyncConnection, disbursement_id: UUID, *, lock: bool = False
) -> Disbursement:
    """Read a disbursement, with `lock` until the end of the transaction. Raises NotFound."""
    statement = select(models.disbursements).where(models.disbursements.c.disbursement_id == disbursement_id)
    if lock:
        statement = statement.with_for_update(key_share=True)
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        raise NotFound("There is no disbursement with this id.", fields=["disbursement_id"])
    return Disbursement.model_validate(row)


async def change_disbursement(
    connection: AsyncConnection, known: Disbursement, **values: Any
) -> Disbursement:
    """Write a locked disbursement's next version."""
    statement = (
        update(models.disbursements)
        .where(
            models.disbursements.c.disbursement_id == known.disbursement_id,
            models.disbursements.c.version == known.version,
        )
        .values(version=known.version + 1, **values)
        .returning(*models.disbursements.c)
    )
    return Disbursement.model_validate((await connection.execute(statement)).one())


async def list_disbursements(
    connection: AsyncConnection, campaign_id: str, *, after: UUID | None, limit: int
) -> list[Disbursement]:
    """At most `limit` disbursements of a campaign in the order of their ids, beginning behind `after`."""
    table = models.disbursements
    statement = select(table).where(table.c.campaign_id == campaign_id).order_by(table.c.disbursement_id)
    if after is not None:
        statement = statement.where(table.c.disbursement_id > after)
    return [Disbursement.model_validate(row) for row in await connection.execute(statement.limit(limit))]


async def newest_disbursements(
    connection: AsyncConnection,
    *,
    seen: Sequence[str] | None,
    campaign_id: str | None,
    state: DisbursementState | None,
    return_waits: bool | None,
    after: UUID | None,
    limit: int,
) -> list[Disbursement]:
    """At most `limit` disbursements of the organisations that are seen (None: all), newest first, behind
    `after`; None of a filter lets everything through.
    """
    table, returns = models.disbursements, models.disbursement_returns
    statement = (
        select(table).where(of_seen(table.c.campaign_id, seen)).order_by(table.c.disbursement_id.desc())
    )
    if campaign_id is not None:
        statement = statement.where(table.c.campaign_id == campaign_id)
    if state is not None:
        statement = statement.where(table.c.state == state)
    if return_waits is not None:
        waits = table.c.disbursement_id.in_(
            select(returns.c.disbursement_id).where(returns.c.state == ReturnState.ASKED)
        )
        statement = statement.where(waits if return_waits else ~waits)
    if after is not None:
        statement = statement.where(table.c.disbursement_id < after)
    return [Disbursement.model_validate(row) for row in await connection.execute(statement.limit(limit))]


# ---------------------------------------------------------------- what came back


async def add_return(connection: AsyncConnection, values: Mapping[str, Any]) -> bool:
    """Write what one person has recorded; False when one waits already."""
    table = models.disbursement_returns
    statement = (
        upsert(table)
        .values(**values)
        .on_conflict_do_nothing(index_elements=["disbursement_id"], index_where=text("state = 'asked'"))
        .returning(table.c.return_id)
    )
    return (await connection.execute(statement)).one_or_none() is not None


async def waiting_return(connection: AsyncConnection, disbursement_id: UUID) -> Return | None:
    """The return that waits for its second person; the caller holds the disbursement's lock."""
    table = models.disbursement_returns
    statement = select(table).where(
        table.c.disbursement_id == disbursement_id, table.c.state == ReturnState.ASKED
    )
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else Return.model_validate(row)


async def decide_return(
    connection: AsyncConnection, known: Return, state: ReturnState, person: str, now: datetime
) -> Return:
    """Write the end of a return that waits."""
    table = models.disbursement_returns
    statement = (
        update(table)
        .where(table.c.return_id == known.return_id, table.c.state == ReturnState.ASKED)
        .values(state=state, decided_by=person, decided_at=now)
        .returning(*table.c)
    )
    return Return.model_validate((await connection.execute(statement)).one())


async def list_returns(connection: AsyncConnection, disbursement_id: UUID) -> list[Return]:
    """The newest RETURNS_SHOWN of a disbursement, newest first."""
    table = models.disbursement_returns
    statement = (
        select(table)
        .where(table.c.disbursement_id == disbursement_id)
        .order_by(table.c.return_id.desc())
        .limit(RETURNS_SHOWN)
    )
    return [Return.model_validate(row) for row in await connection.execute(statement)]


# ---------------------------------------------------------------- the budget

_LIMITS: Final = text(
    "SELECT c.uses, c.cost_fen, CAST(c.window_start AT TIME ZONE 'Asia/Shanghai' AS date) AS opens_on,"
    " b.spend_until, CASE WHEN b.in_force THEN coalesce(l.amount_fen, 0) END AS line_fen,"
    " (SELECT CAST(coalesce(sum(amount_fen - returned_fen), 0) AS bigint) FROM disbursements"
    "  WHERE fund_id = f.fund_id AND state IN ('approved', 'paid')"
    "  AND CASE :category WHEN 'programme' THEN category = 'programme' AND use = :use"
    "   ELSE category <> 'programme' END) AS spent_fen"
    " FROM campaigns c JOIN funds f USING (campaign_id) LEFT JOIN budgets b USING (campaign_id)"
    " LEFT JOIN budget_lines l ON l.campaign_id = c.campaign_id AND l.use = :use"
    " WHERE c.campaign_id = :campaign_id"
)


async def limits(
    connection: AsyncConnection, campaign_id: str, category: SpendingCategory, use: str
) -> Limits:
    """What holds for a disbursement beside the fund's balance. Whoever decides by it has locked the fund."""
    values = {"campaign_id": campaign_id, "category": category, "use": use}
    row = (await connection.execute(_LIMITS, values)).one()
    return Limits(
        uses=tuple(row.uses),
        cost_fen=row.cost_fen or 0,
        opens_on=row.opens_on,
        spend_until=row.spend_until,
        line_fen=row.line_fen,
        spent_fen=row.spent_fen,
    )


_SPENT: Final = text(
    "SELECT use, CAST(sum(amount_fen - returned_fen) AS bigint) AS spent_fen FROM disbursements"
    " WHERE campaign_id = :campaign_id AND state IN ('approved', 'paid') AND category = 'programme'"
    " GROUP BY use"
)


async def spent_by_use(connection: AsyncConnection, campaign_id: str) -> dict[str, int]:
    """What is reserved and paid of each use, less what came back, in fen."""
    rows = await connection.execute(_SPENT, {"campaign_id": campaign_id})
    return {row.use: row.spent_fen for row in rows}


async def budget(connection: AsyncConnection, campaign_id: str) -> Budget:
    """A campaign's budget; an empty one when nobody has asked for any."""
    table, lines, changes = models.budgets, models.budget_lines, models.budget_changes
    row = (await connection.execute(select(table).where(table.c.campaign_id == campaign_id))).one_or_none()
    spent = await spent_by_use(connection, campaign_id)
    planned = await connection.execute(
        select(lines.c.use, lines.c.amount_fen)
        .where(lines.c.campaign_id == campaign_id)
        .order_by(lines.c.use)
    )
    made = await connection.execute(
        select(changes)
        .where(changes.c.campaign_id == campaign_id)
        .order_by(changes.c.change_id.desc())
        .limit(CHANGES_SHOWN)
    )
    return Budget(
        campaign_id=campaign_id,
        version=0 if row is None else row.version,
        in_force=row is not None and row.in_force,
        spend_until=None if row is None else row.spend_until,
        lines=[
            BudgetLine(use=each.use, amount_fen=each.amount_fen, spent_fen=spent.get(each.use, 0))
            for each in planned
        ],
        changes=[BudgetChange.model_validate(each) for each in made],
    )


async def lock_budget(connection: AsyncConnection, campaign_id: str) -> int:
    """Lock a campaign's budget until the end of the transaction, and give its version; 0: a new one."""
    table = models.budgets
    new = upsert(table).values(campaign_id=campaign_id, version=1, in_force=False)
    written = await connection.execute(new.on_conflict_do_nothing().returning(table.c.version))
    if written.one_or_none() is not None:
        return 0
    statement = select(table.c.version).where(table.c.campaign_id == campaign_id).with_for_update()
    version: int = (await connection.execute(statement)).scalar_one()
    return version


async def move_budget(connection: AsyncConnection, campaign_id: str, version: int, **values: Any) -> None:
    """Write a locked budget's next version."""
    await connection.execute(
        update(models.budgets)
        .where(models.budgets.c.campaign_id == campaign_id)
        .values(version=version + 1, **values)
    )


async def add_budget_change(connection: AsyncConnection, values: Mapping[str, Any]) -> bool:
    """Write what one person asks for; False when a change waits already."""
    table = models.budget_changes
    statement = (
        upsert(table)
        .values(**values)
        .on_conflict_do_nothing(index_elements=["campaign_id"], index_where=text("state = 'asked'"))
        .returning(table.c.change_id)
    )
    return (await connection.execute(statement)).one_or_none() is not None


async def waiting_budget(connection: AsyncConnection, campaign_id: str) -> BudgetChange | None:
    """The change that waits for its second person; the caller holds the budget's lock."""
    table = models.budget_changes
    statement = select(table).where(table.c.campaign_id == campaign_id, table.c.state == BudgetState.ASKED)
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else BudgetChange.model_validate(row)


async def decide_budget(
    connection: AsyncConnection, known: BudgetChange, state: BudgetState, person: str, now: datetime
) -> None:
    """Write the end of a change that waits."""
    table = models.budget_changes
    await connection.execute(
        update(table)
        .where(table.c.change_id == known.change_id, table.c.state == BudgetState.ASKED)
        .values(state=state, decided_by=person, decided_at=now)
    )


async def put_budget_lines(connection: AsyncConnection, campaign_id: str, lines: Mapping[str, int]) -> None:
    """Put lines in the place of those in force."""
    table = models.budget_lines
    await connection.execute(delete(table).where(table.c.campaign_id == campaign_id))
    await connection.execute(
        insert(table),
        [{"campaign_id": campaign_id, "use": use, "amount_fen": fen} for use, fen in lines.items()],
    )


# ---------------------------------------------------------------- invoices

_INVOICES: Final = text(
    "SELECT i.number, i.name, i.media_type, octet_length(i.content) AS size_bytes,"
    " encode(i.sha256, 'hex') AS sha256, i.added_by, i.added_at,"
    " ARRAY(SELECT other.disbursement_id FROM disbursement_invoices other WHERE other.sha256 = i.sha256"
    "  AND other.disbursement_id <> i.disbursement_id ORDER BY 1 LIMIT 20) AS also_at,"
    " i.invoice_number, i.amount_fen,"
    " ARRAY(SELECT DISTINCT other.disbursement_id FROM disbursement_invoices other"
    "  WHERE other.invoice_number = i.invoice_number AND other.disbursement_id <> i.disbursement_id"
    "  ORDER BY 1 LIMIT 20) AS number_also_at"
    " FROM disbursement_invoices i WHERE i.disbursement_id = :disbursement_id ORDER BY i.number"
)


async def list_invoices(connection: AsyncConnection, disbursement_id: UUID) -> list[Invoice]:
    """The files of a disbursement without their content."""
    rows = await connection.execute(_INVOICES, {"disbursement_id": disbursement_id})
    return [Invoice.model_validate(row) for row in rows]


async def add_invoice(connection: AsyncConnection, values: Mapping[str, Any]) -> bool:
    """Keep a file; False when the disbursement has it."""
    table = models.disbursement_invoices
    statement = (
        upsert(table)
        .values(**values)
        .on_conflict_do_nothing(index_elements=["sha256", "disbursement_id"])
        .returning(table.c.number)
    )
    return (await connection.execute(statement)).one_or_none() is not None


async def invoice_file(
    connection: AsyncConnection, disbursement_id: UUID, number: int
) -> tuple[str, str, bytes, bytes]:
    """(name, media type, SHA-256, content) of one file. Raises NotFound."""
    table = models.disbursement_invoices
    statement = select(table.c.name, table.c.media_type, table.c.sha256, table.c.content).where(
        table.c.disbursement_id == disbursement_id, table.c.number == number
    )
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        raise NotFound("The disbursement has no such invoice.", fields=["number"])
    return row.name, row.media_type, bytes(row.sha256), bytes(row.content)


# ---------------------------------------------------------------- an organisation's years

_YEARS: Final = text(
    "SELECT CAST(EXTRACT(year FROM p.booked_on) AS integer) AS year, p.account,"
    " CAST(sum(CASE p.side WHEN 'debit' THEN p.amount_fen ELSE -p.amount_fen END) AS bigint) AS debit_fen"
    " FROM ledger_postings p JOIN campaigns c USING (campaign_id)"
    " WHERE c.organisation_id = :organisation_id AND p.account >= '4'"
    " AND p.booked_on BETWEEN :first AND :last"
    " GROUP BY 1, 2"
)


async def years(connection: AsyncConnection, organisation_id: str, year: int) -> dict[int, YearFigures]:
    """A year of an organisation and the three before it, by the ledger and the days of its booking."""
    values = {
        "organisation_id": organisation_id,
        "first": date(year - YEARS_BACK, 1, 1),
        "last": date(year, 12, 31),
    }
    found: dict[int, YearFigures] = {}
    for row in await connection.execute(_YEARS, values):
        known = found.get(row.year, YearFigures())
        found[row.year] = _with_account(known, row.account, row.debit_fen)
    return found


def _with_account(known: YearFigures, account: str, debit_fen: int) -> YearFigures:
    """A year with one account's sum; a sub-account counts as its account does."""
    if CHART[account].kind is AccountClass.INCOME:
        return replace(known, income_fen=known.income_fen - debit_fen)
    spent = replace(known, spending_fen=known.spending_fen + debit_fen)
    if account.startswith(PROGRAMME_COST):
        return replace(spent, programme_fen=spent.programme_fen + debit_fen)
    if account.startswith(MANAGEMENT_COST):
        return replace(spent, management_fen=spent.management_fen + debit_fen)
    return spent


# ---------------------------------------------------------------- years from before the ledger


async def add_stated_year(connection: AsyncConnection, values: Mapping[str, Any]) -> StatedYear | None:
    """Write what one person states; None when a statement of the year waits or is confirmed."""
    table = models.stated_years
    statement = (
        upsert(table)
        .values(**values)
        .on_conflict_do_nothing(
            index_elements=["organisation_id", "year"], index_where=text("state <> 'withdrawn'")
        )
        .returning(*table.c)
    )
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else StatedYear.model_validate(row)


async def stated_year(connection: AsyncConnection, statement_id: UUID, *, lock: bool = False) -> StatedYear:
    """Read a statement, with `lock` until the end of the transaction. Raises NotFound."""
    statement = select(models.stated_years).where(models.stated_years.c.statement_id == statement_id)
    if lock:
        statement = statement.with_for_update()
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        raise NotFound("There is no statement with this id.", fields=["statement_id"])
    return StatedYear.model_validate(row)


async def decide_stated_year(
    connection: AsyncConnection, known: StatedYear, state: StatementState, person: str, now: datetime
) -> StatedYear:
    """Write the end of a locked statement that waits."""
    table = models.stated_years
    statement = (
        update(table)
        .where(table.c.statement_id == known.statement_id, table.c.version == known.version)
        .values(state=state, version=known.version + 1, decided_by=person, decided_at=now)
        .returning(*table.c)
    )
    return StatedYear.model_validate((await connection.execute(statement)).one())


async def list_stated_years(
    connection: AsyncConnection, organisation_id: str, *, after: UUID | None, limit: int
) -> list[StatedYear]:
    """At most `limit` statements of an organisation in the order of their ids, beginning behind `after`."""
    table = models.stated_years
    statement = select(table).where(table.c.organisation_id == organisation_id).order_by(table.c.statement_id)
    if after is not None:
        statement = statement.where(table.c.statement_id > after)
    return [StatedYear.model_validate(row) for row in await connection.execute(statement.limit(limit))]


async def confirmed_years(
    connection: AsyncConnection, organisation_id: str, year: int
) -> dict[int, YearFigures]:
    """A year and the three before it as they were stated and confirmed."""
    table = models.stated_years
    statement = select(table).where(
        table.c.organisation_id == organisation_id,
        table.c.year.between(year - YEARS_BACK, year),
        table.c.state == StatementState.DONE,
    )
    return {
        row.year: YearFigures(row.income_fen, row.programme_fen, row.management_fen, row.spending_fen)
        for row in await connection.execute(statement)
    }
