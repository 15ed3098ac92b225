"""What people do with disbursements: each function is one command, inside the transaction of its caller.

Locks in this order: the disbursement or the budget, the fund, the ledger (periods, journals), the outbox. A
stated year is locked alone.
"""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.campaign import guardrail
from services.campaign import queries as campaigns
from services.campaign.announcements import Announcer
from services.campaign.commands import Actor
from services.campaign.days import require_not_ahead, today_of
from services.campaign.identifiers import new_id
from services.campaign.ledger import bookkeeping
from services.campaign.ledger.entries import of_disbursement, of_return
from services.campaign.organisations import queries as register
from services.campaign.spending import announcements, budget, invoices, queries, rules, stated_years
from services.campaign.spending.budget import BudgetState
from services.campaign.spending.ratios import YearFigures
from services.campaign.spending.rules import DisbursementState, ReturnState
from services.campaign.spending.schemas import (
    Budget,
    BudgetBody,
    BudgetChange,
    Disbursement,
    DisbursementBody,
    EndBody,
    MoneyBackBody,
    PayBody,
    Return,
    StatedYear,
    StatedYearBody,
)
from services.campaign.spending.stated_years import StatementState
from shared.two_people import require_another

# ---------------------------------------------------------------- asked for, approved, paid


async def request_disbursement(
    connection: AsyncConnection, actor: Actor, campaign_id: str, body: DisbursementBody
) -> Disbursement:
    """Ask for money. Nothing is reserved yet, so no balance is asked; what the plan and the budget would
    refuse to approve now is not asked for. Raises ItemsDiffer, NobodyHelped, UseNotPlanned, PastBudget, …
    """
    now = datetime.now(UTC)
    campaign = await campaigns.campaign(connection, campaign_id)
    rules.require_launched_once(campaign.state)
    rules.require_items_add_up(body.amount_fen, [item.amount_fen for item in body.items])
    rules.require_helped(body.category, body.beneficiaries)
    requested_on = body.requested_on or today_of(now)
    require_not_ahead(requested_on, now, "requested_on")
    limits = await queries.limits(connection, campaign_id, body.category, body.use)
    budget.require_in_window(limits, requested_on, "requested_on", opened=False)
    budget.require_allowed(limits, body.category, body.use, body.amount_fen)
    values = {
        **body.model_dump(),
        "disbursement_id": new_id(),
        "campaign_id": campaign_id,
        "fund_id": await campaigns.fund_of(connection, campaign_id),
        "state": DisbursementState.REQUESTED,
        "version": 1,
        "requested_on": requested_on,
        "requested_by": actor.person,
        "requested_at": now,
    }
    return await queries.add_disbursement(connection, values)


async def approve_disbursement(
    connection: AsyncConnection, announcer: Announcer, actor: Actor, disbursement_id: UUID
) -> Disbursement:
    """Reserve the amount, if the fund's balance, the plan and the budget cover it. Raises SamePerson,
    PastBalance, UseNotPlanned, PastBudget, PastPlannedCost or OutsideWindow, among others.
    """
    now = datetime.now(UTC)
    wanted = await _read_and_locked(connection, actor, disbursement_id)
    rules.require_approvable(wanted.state, requested_by=wanted.requested_by, approved_by=actor.person)
    guardrail.require_covered(await campaigns.lock_fund(connection, wanted.campaign_id), wanted.amount_fen)
    limits = await queries.limits(connection, wanted.campaign_id, wanted.category, wanted.use)
    budget.require_in_window(limits, wanted.requested_on, "requested_on", opened=False)
    budget.require_opened(limits, today_of(now), "It could not be paid before; approve it from that day on.")
    budget.require_allowed(limits, wanted.category, wanted.use, wanted.amount_fen)
    approved = await queries.change_disbursement(
        connection,
        wanted,
        state=DisbursementState.APPROVED,
        approved_by=actor.person,
        approved_at=now,
    )
    await announcements.disbursement_approved(connection, announcer, approved)
    return approved


async def pay_disbursement(
    connection: AsyncConnection,
    announcer: Announcer,
    actor: Actor,
    disbursement_id: UUID,
    body: PayBody | None = None,
) -> Disbursement:
    """Note that the money has gone out, in the ledger too. Raises PastHeld when refunds have taken it
    meanwhile, OutsideWindow for a day that can't be right.
    """
    now = datetime.now(UTC)
    paid_on = (body and body.paid_on) or today_of(now)
    require_not_ahead(paid_on, now, "paid_on")
    approved = await _read_and_locked(connection, actor, disbursement_id)
    rules.require_payable(approved.state)
    guardrail.require_held(await campaigns.lock_fund(connection, approved.campaign_id), approved.amount_fen)
    limits = await queries.limits(connection, approved.campaign_id, approved.category, approved.use)
    budget.require_in_window(limits, paid_on, "paid_on", opened=True)
    paid = await queries.change_disbursement(
        connection,
        approved,
        state=DisbursementState.PAID,
        paid_by=actor.person,
        paid_at=now,
        paid_on=paid_on,
    )
    await enter_payment(connection, paid, actor.person, paid_on)
    await announcements.funds_disbursed(connection, announcer, paid)
    return paid


async def enter_payment(connection: AsyncConnection, paid: Disbursement, paid_by: str, paid_on: date) -> None:
    """Put what was paid into the ledger."""
    entry = of_disbursement(
        paid.disbursement_id,
        paid.campaign_id,
        paid.amount_fen,
        category=paid.category,
        paid_by=paid_by,
        paid_on=paid_on,
    )
    await bookkeeping.book(connection, [entry])


# ---------------------------------------------------------------- not paid after all


async def reject_disbursement(
    connection: AsyncConnection, actor: Actor, disbursement_id: UUID, body: EndBody
) -> Disbursement:
    """Say no to a request, with the reason."""
    wanted = await _read_and_locked(connection, actor, disbursement_id)
    rules.require_rejectable(wanted.state)
    return await _end(connection, actor, wanted, DisbursementState.REJECTED, body)


async def withdraw_disbursement(
    connection: AsyncConnection, announcer: Announcer, actor: Actor, disbursement_id: UUID, body: EndBody
) -> Disbursement:
    """Take back a request, or what was approved: its reserve is free again."""
    wanted = await _read_and_locked(connection, actor, disbursement_id)
    rules.require_withdrawable(wanted.state)
    await campaigns.lock_fund(connection, wanted.campaign_id)
    withdrawn = await _end(connection, actor, wanted, DisbursementState.WITHDRAWN, body)
    if wanted.state is DisbursementState.APPROVED:
        await announcements.disbursement_withdrawn(connection, announcer, withdrawn)
    return withdrawn


async def _end(
    connection: AsyncConnection, actor: Actor, known: Disbursement, state: DisbursementState, body: EndBody
) -> Disbursement:
    return await queries.change_disbursement(
        connection,
        known,
        state=state,
        ended_by=actor.person,
        ended_at=datetime.now(UTC),
        end_reason=body.reason,
    )


# ---------------------------------------------------------------- invoices


async def add_invoice(
    connection: AsyncConnection,
    actor: Actor,
    disbursement_id: UUID,
    *,
    name: str,
    media_type: str,
    content: bytes,
    invoice_number: str | None = None,
    amount_fen: int | None = None,
) -> Disbursement:
    """Keep an invoice with what is asked for, approved or paid: its next version, which whoever decides has
    to read. Raises FileUnusable, TooManyInvoices, InvoiceTwice, …
    """
    found = invoices.type_of(content, media_type)
    known = await _read_and_locked(connection, actor, disbursement_id)
    rules.require_not_ended(known.state)
    kept = len(await queries.list_invoices(connection, disbursement_id))
    invoices.require_room(kept)
    values = {
        "disbursement_id": disbursement_id,
        "number": kept + 1,
        "name": name,
        "media_type": found,
        "sha256": invoices.digest_of(content),
        "content": content,
        "added_by": actor.person,
        "added_at": datetime.now(UTC),
        "invoice_number": invoice_number,
        "amount_fen": amount_fen,
    }
    if not await queries.add_invoice(connection, values):
        raise invoices.InvoiceTwice("It is kept already; each file once.")
    return await queries.change_disbursement(connection, known)


# ---------------------------------------------------------------- come back


async def ask_return(
    connection: AsyncConnection, actor: Actor, disbursement_id: UUID, body: MoneyBackBody
) -> Disbursement:
    """Record what came back; it counts when another person has confirmed it. Raises PastPaid, ReturnWaits."""
    now = datetime.now(UTC)
    returned_on = body.returned_on or today_of(now)
    paid = await _read_and_locked(connection, actor, disbursement_id)
    _require_returnable(paid, body.amount_fen)
    rules.require_return_day(returned_on, paid_on=paid.paid_on, now=now)
    values: dict[str, Any] = {
        "return_id": new_id(),
        "disbursement_id": disbursement_id,
        "state": ReturnState.ASKED,
        "amount_fen": body.amount_fen,
        "returned_on": returned_on,
        "reason": body.reason,
        "asked_by": actor.person,
        "asked_at": now,
    }
    if not await queries.add_return(connection, values):
        raise rules.ReturnWaits("Have it confirmed or withdrawn first, then record this one.")
    return await queries.change_disbursement(connection, paid)


async def confirm_return(
    connection: AsyncConnection, announcer: Announcer, actor: Actor, disbursement_id: UUID
) -> Disbursement:
    """By another person: the money is the fund's again. → FundsReturned"""
    now = datetime.now(UTC)
    paid = await _read_and_locked(connection, actor, disbursement_id)
    waiting = await _waiting_return(connection, disbursement_id)
    require_another(actor.person, waiting.asked_by)
    _require_returnable(paid, waiting.amount_fen)
    await campaigns.lock_fund(connection, paid.campaign_id)
    done = await queries.decide_return(connection, waiting, ReturnState.DONE, actor.person, now)
    returned = await queries.change_disbursement(
        connection, paid, returned_fen=paid.returned_fen + done.amount_fen
    )
    entry = of_return(
        done.return_id,
        paid.campaign_id,
        done.amount_fen,
        category=paid.category,
        returned_on=done.returned_on,
        recorded_by=done.asked_by,
        confirmed_by=actor.person,
        reason=done.reason,
    )
    await bookkeeping.book(connection, [entry])
    await announcements.funds_returned(connection, announcer, returned, done)
    return returned


async def withdraw_return(connection: AsyncConnection, actor: Actor, disbursement_id: UUID) -> Disbursement:
    """Drop a return that was recorded by mistake, by either of the two."""
    paid = await _read_and_locked(connection, actor, disbursement_id)
    waiting = await _waiting_return(connection, disbursement_id)
    now = datetime.now(UTC)
    await queries.decide_return(connection, waiting, ReturnState.WITHDRAWN, actor.person, now)
    return await queries.change_disbursement(connection, paid)


async def _waiting_return(connection: AsyncConnection, disbursement_id: UUID) -> Return:
    waiting = await queries.waiting_return(connection, disbursement_id)
    if waiting is None:
        raise rules.NoReturnWaits("Record what came back first; another person confirms it then.")
    return waiting


def _require_returnable(paid: Disbursement, amount_fen: int) -> None:
    rules.require_returnable(
        paid.state, paid_fen=paid.amount_fen, returned_fen=paid.returned_fen, amount_fen=amount_fen
    )


async def _read_and_locked(connection: AsyncConnection, actor: Actor, disbursement_id: UUID) -> Disbursement:
    """Locked until the end of the transaction, and as the actor says they have read it."""
    known = await queries.disbursement(connection, disbursement_id, lock=True)
    actor.require_read(known.version)
    return known


# ---------------------------------------------------------------- the budget


async def ask_budget(connection: AsyncConnection, actor: Actor, campaign_id: str, body: BudgetBody) -> Budget:
    """Put forward a budget by use. Raises PlanNotFiled, UseNotPlanned, UseTwice, BudgetWaits, …"""
    campaign = await campaigns.campaign(connection, campaign_id)
    version = await queries.lock_budget(connection, campaign_id)
    if actor.expected_version is not None:
        actor.require_read(version)
    budget.require_budget(campaign.state, campaign.uses, [line.use for line in body.lines])
    asked = {
        **body.model_dump(),
        "change_id": new_id(),
        "campaign_id": campaign_id,
        "state": BudgetState.ASKED,
        "asked_by": actor.person,
        "asked_at": datetime.now(UTC),
    }
    if not await queries.add_budget_change(connection, asked):
        raise budget.BudgetWaits("Have it decided or withdrawn first, then ask again.")
    await queries.move_budget(connection, campaign_id, version)
    return await queries.budget(connection, campaign_id)


async def confirm_budget(connection: AsyncConnection, actor: Actor, campaign_id: str) -> Budget:
    """By another person: it is in force, for every approval that comes after. Raises BudgetBelowSpent, …"""
    version, waiting = await _waiting_budget(connection, actor, campaign_id)
    require_another(actor.person, waiting.asked_by)
    campaign = await campaigns.campaign(connection, campaign_id)
    lines = {line.use: line.amount_fen for line in waiting.lines}
    budget.require_budget(campaign.state, campaign.uses, list(lines))
    await campaigns.lock_fund(connection, campaign_id)
    budget.require_not_below(lines, await queries.spent_by_use(connection, campaign_id))
    await queries.decide_budget(connection, waiting, BudgetState.DONE, actor.person, datetime.now(UTC))
    await queries.put_budget_lines(connection, campaign_id, lines)
    await queries.move_budget(
        connection, campaign_id, version, in_force=True, spend_until=waiting.spend_until
    )
    return await queries.budget(connection, campaign_id)


async def withdraw_budget(connection: AsyncConnection, actor: Actor, campaign_id: str) -> Budget:
    """Drop a budget that waits for its second person, by either of the two."""
    version, waiting = await _waiting_budget(connection, actor, campaign_id)
    now = datetime.now(UTC)
    await queries.decide_budget(connection, waiting, BudgetState.WITHDRAWN, actor.person, now)
    await queries.move_budget(connection, campaign_id, version)
    return await queries.budget(connection, campaign_id)


async def _waiting_budget(
    connection: AsyncConnection, actor: Actor, campaign_id: str
) -> tuple[int, BudgetChange]:
    """The locked budget's version, and the change of it that waits."""
    await campaigns.campaign(connection, campaign_id)
    version = await queries.lock_budget(connection, campaign_id)
    actor.require_read(version)
    waiting = await queries.waiting_budget(connection, campaign_id)
    if waiting is None:
        raise budget.NoBudgetWaits("Ask for it first; another person decides then.")
    return version, waiting


# ---------------------------------------------------------------- years from before the ledger


async def state_year(
    connection: AsyncConnection, actor: Actor, organisation_id: str, body: StatedYearBody
) -> StatedYear:
    """Record a year as the audited account has it; it counts when another person has confirmed it. Raises
    YearNotOver, PartsExceedSpending, YearInLedger or YearStated.
    """
    now = datetime.now(UTC)
    await register.organisation(connection, organisation_id)
    stated_years.require_over(body.year, now)
    stated_years.require_parts(YearFigures(**body.model_dump(exclude={"year", "reference"})))
    await _require_not_in_ledger(connection, organisation_id, body.year)
    values = {
        **body.model_dump(),
        "statement_id": new_id(),
        "organisation_id": organisation_id,
        "state": StatementState.ASKED,
        "version": 1,
        "asked_by": actor.person,
        "asked_at": now,
    }
    stated = await queries.add_stated_year(connection, values)
    if stated is None:
        raise stated_years.YearStated(
            "Each year is stated once. Have the one that waits confirmed, or withdraw it and state it anew;"
            " what is confirmed stays.",
            fields=["year"],
        )
    return stated


async def confirm_stated_year(connection: AsyncConnection, actor: Actor, statement_id: UUID) -> StatedYear:
    """By another person: the ratios use it, as long as the ledger has nothing of the year."""
    waiting = await _waiting_statement(connection, actor, statement_id)
    require_another(actor.person, waiting.asked_by)
    await _require_not_in_ledger(connection, waiting.organisation_id, waiting.year)
    now = datetime.now(UTC)
    return await queries.decide_stated_year(connection, waiting, StatementState.DONE, actor.person, now)


async def withdraw_stated_year(connection: AsyncConnection, actor: Actor, statement_id: UUID) -> StatedYear:
    """Drop a statement before it is confirmed; the year can be stated anew."""
    waiting = await _waiting_statement(connection, actor, statement_id)
    now = datetime.now(UTC)
    return await queries.decide_stated_year(connection, waiting, StatementState.WITHDRAWN, actor.person, now)


async def _waiting_statement(connection: AsyncConnection, actor: Actor, statement_id: UUID) -> StatedYear:
    """Locked until the end of the transaction, and as the actor says they have read it."""
    known = await queries.stated_year(connection, statement_id, lock=True)
    actor.require_read(known.version)
    stated_years.require_waiting(known.state)
    return known


async def _require_not_in_ledger(connection: AsyncConnection, organisation_id: str, year: int) -> None:
    """As the ledger stands now; what it learns later prevails in the ratios by itself."""
    stated_years.require_not_in_ledger(year, await queries.years(connection, organisation_id, year))
