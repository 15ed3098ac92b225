"""What is asked of the database about pledges. Every function runs in its caller's transaction."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final, TypeVar
from uuid import UUID

from sqlalchemy import (
    Date,
    Table,
    Text,
    Uuid,
    and_,
    bindparam,
    exists,
    func,
    insert,
    not_,
    or_,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.campaign.pledges import models, rules
from services.campaign.pledges.fulfilment import Named, Problem
from services.campaign.pledges.rules import STAGES, Action, PledgeState, StepState
from services.campaign.pledges.schemas import (
    Correction,
    Delivery,
    DuePledge,
    Payment,
    Pledge,
    PromisedTotal,
    Release,
    Step,
    Steps,
    Version,
)
from shared.refusals import NotFound

S = TypeVar("S", bound=Step)

STEPS_SHOWN: Final = 100

# ---------------------------------------------------------------- pledges and their versions


async def add_pledge(
    connection: AsyncConnection, values: Mapping[str, Any], *, action: Action, person: str
) -> Pledge:
    """Write a pledge and its first version."""
    statement = insert(models.pledges).values(**values).returning(*models.pledges.c)
    pledge = Pledge.model_validate((await connection.execute(statement)).one())
    made = {"action": action.value, "reason": None, "person": person, "changed_at": pledge.entered_at}
    await _keep_version(connection, pledge, made)
    return pledge


async def pledge(connection: AsyncConnection, pledge_id: UUID, *, lock: bool = False) -> Pledge:
    """Read a pledge, with `lock` until the end of the transaction. Raises NotFound."""
    statement = select(models.pledges).where(models.pledges.c.pledge_id == pledge_id)
    if lock:
        statement = statement.with_for_update(key_share=True)
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        raise NotFound("There is no pledge with this id.", fields=["pledge_id"])
    return Pledge.model_validate(row)


async def change_pledge(
    connection: AsyncConnection,
    known: Pledge,
    *,
    action: Action,
    person: str,
    now: datetime,
    reason: str | None = None,
    **values: Any,
) -> Pledge:
    """Write a locked pledge's next version, and who made it, when and why."""
    statement = (
        update(models.pledges)
        .where(models.pledges.c.pledge_id == known.pledge_id, models.pledges.c.version == known.version)
        .values(version=known.version + 1, **values)
        .returning(*models.pledges.c)
    )
    changed = Pledge.model_validate((await connection.execute(statement)).one())
    made = {"action": action.value, "reason": reason, "person": person, "changed_at": now}
    await _keep_version(connection, changed, made)
    return changed


async def _keep_version(connection: AsyncConnection, pledge: Pledge, made: Mapping[str, Any]) -> None:
    """Copy the terms as they are now to the versions, with who made it, when and why."""
    table = models.pledge_versions
    copied = ("pledge_id", "version", "state", *models.TERMS)
    source = select(
        *(models.pledges.c[name] for name in copied),
        *(bindparam(name, value, type_=table.c[name].type) for name, value in made.items()),
    ).where(models.pledges.c.pledge_id == pledge.pledge_id)
    await connection.execute(insert(table).from_select([*copied, *made], source))


async def list_pledges(
    connection: AsyncConnection,
    campaign_id: str,
    *,
    state: PledgeState | None,
    waits: bool | None,
    fulfilled: bool | None,
    after: UUID | None,
    limit: int,
) -> list[Pledge]:
    """At most `limit` pledges of a campaign in the order of their ids, beginning behind `after`. `waits`: for
    a second person; `fulfilled`: promised and kept.
    """
    table = models.pledges
    statement = select(table).where(table.c.campaign_id == campaign_id).order_by(table.c.pledge_id)
    if state is not None:
        statement = statement.where(table.c.state == state)
    if waits is not None:
        statement = statement.where(_WAITS if waits else not_(_WAITS))
    if fulfilled is not None:
        kept = and_(table.c.state.in_(rules.PROMISED), text(_IS_FULFILLED))
        statement = statement.where(kept if fulfilled else not_(kept))
    if after is not None:
        statement = statement.where(table.c.pledge_id > after)
    return [Pledge.model_validate(row) for row in await connection.execute(statement.limit(limit))]


async def list_versions(
    connection: AsyncConnection, pledge_id: UUID, *, after: int, limit: int
) -> list[Version]:
    """At most `limit` versions of a pledge, oldest first, beginning behind `after`."""
    table = models.pledge_versions
    statement = (
        select(table)
        .where(table.c.pledge_id == pledge_id, table.c.version > after)
        .order_by(table.c.version)
        .limit(limit)
    )
    return [Version.model_validate(row) for row in await connection.execute(statement)]


# ---------------------------------------------------------------- corrections, deliveries, releases

_STEPS: Final[Mapping[type[Step], Table]] = {
    Correction: models.pledge_corrections,
    Delivery: models.pledge_deliveries,
    Release: models.pledge_releases,
}

_WAITS: Final = or_(
    models.pledges.c.state == PledgeState.ENTERED,
    *(
        exists().where(step.c.pledge_id == models.pledges.c.pledge_id, step.c.state == StepState.ASKED)
        for step in _STEPS.values()
    ),
)
"""Something of a pledge waits for its second person."""


async def add_step(connection: AsyncConnection, kind: type[Step], values: Mapping[str, Any]) -> bool:
    """Write what one person asks for; False when one of its kind waits already."""
    table = _STEPS[kind]
    statement = (
        upsert(table)
        .values(**values)
        .on_conflict_do_nothing(index_elements=["pledge_id"], index_where=text("state = 'asked'"))
        .returning(table.c.step_id)
    )
    return (await connection.execute(statement)).one_or_none() is not None


async def waiting_step(connection: AsyncConnection, kind: type[S], pledge_id: UUID) -> S | None:
    """What waits for its second person; the caller holds the pledge's lock."""
    table = _STEPS[kind]
    statement = select(table).where(table.c.pledge_id == pledge_id, table.c.state == StepState.ASKED)
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else kind.model_validate(row)


async def decide_step(
    connection: AsyncConnection, step: Step, state: StepState, person: str, now: datetime
) -> None:
    """Note who did, or withdrew, what was waiting."""
    table = _STEPS[type(step)]
    await connection.execute(
        update(table)
        .where(table.c.step_id == step.step_id)
        .values(state=state, decided_by=person, decided_at=now)
    )


async def correction_terms(connection: AsyncConnection, step: Correction) -> dict[str, Any]:
    """The columns of the terms that a correction asks for."""
    table = models.pledge_corrections
    columns = (table.c[name] for name in models.TERMS)
    row = (await connection.execute(select(*columns).where(table.c.step_id == step.step_id))).one()
    return dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name


async def steps(connection: AsyncConnection, pledge_id: UUID) -> Steps:
    """A pledge's corrections, deliveries and releases."""
    return Steps(
        corrections=await _newest(connection, Correction, pledge_id),
        deliveries=await _newest(connection, Delivery, pledge_id),
        releases=await _newest(connection, Release, pledge_id),
    )


async def _newest(connection: AsyncConnection, kind: type[S], pledge_id: UUID) -> list[S]:
    table = _STEPS[kind]
    statement = (
        select(table)
        .where(table.c.pledge_id == pledge_id)
        .order_by(table.c.step_id.desc())
        .limit(STEPS_SHOWN)
    )
    return [kind.model_validate(row) for row in await connection.execute(statement)]


# ---------------------------------------------------------------- payments


async def lock_pledges(connection: AsyncConnection, pledge_ids: Sequence[UUID]) -> dict[UUID, Pledge]:
    """Lock those that there are, in the order of their ids, so that two workers can't deadlock."""
    table = models.pledges
    statement = (
        select(table)
        .where(table.c.pledge_id.in_(pledge_ids))
        .order_by(table.c.pledge_id)
        .with_for_update(key_share=True)
    )
    found = [Pledge.model_validate(row) for row in await connection.execute(statement)]
    return {each.pledge_id: each for each in found}


async def add_payments(
    connection: AsyncConnection, payments: Sequence[tuple[Named, Problem | None]], now: datetime
) -> None:
    """Keep the payments of a batch, each with its problem."""
    rows = [
        {
            "source": payment.source,
            "sequence": payment.sequence,
            "pledge_id": payment.pledge_id,
            "campaign_id": payment.campaign_id,
            "donation_id": payment.donation_id,
            "paid_fen": payment.paid_fen,
            "returned_fen": payment.returned_fen,
            "problem": problem,
            "counted_at": now,
        }
        for payment, problem in payments
    ]
    await connection.execute(insert(models.pledge_payments), rows)


async def add_to_pledge(
    connection: AsyncConnection, pledge_id: UUID, paid_fen: int, returned_fen: int
) -> Pledge:
    """Add to a locked pledge what came in and went back. Its version stays: it is the promise's."""
    table = models.pledges
    statement = (
        update(table)
        .where(table.c.pledge_id == pledge_id)
        .values(paid_fen=table.c.paid_fen + paid_fen, returned_fen=table.c.returned_fen + returned_fen)
        .returning(*table.c)
    )
    return Pledge.model_validate((await connection.execute(statement)).one())


async def mark_fulfilled(connection: AsyncConnection, pledge: Pledge, now: datetime) -> Pledge:
    """Note that a locked pledge was fulfilled for the first time."""
    table = models.pledges
    statement = update(table).where(table.c.pledge_id == pledge.pledge_id).values(fulfilled_at=now)
    return Pledge.model_validate((await connection.execute(statement.returning(*table.c))).one())


async def list_payments_to_look_at(
    connection: AsyncConnection, campaign_id: str, *, after: tuple[str, int] | None, limit: int
) -> list[Payment]:
    """At most `limit` payments given to a campaign that name a pledge and count towards none."""
    table = models.pledge_payments
    statement = (
        select(table)
        .where(table.c.campaign_id == campaign_id, table.c.problem.is_not(None))
        .order_by(table.c.source, table.c.sequence)
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(tuple_(table.c.source, table.c.sequence) > tuple_(*after))
    return [Payment.model_validate(row) for row in await connection.execute(statement)]


# ---------------------------------------------------------------- sums

# rules.Kept in SQL; tests/services/campaign/test_pledge_money.py compares the two.
_FULFILLED: Final = "(paid_fen - returned_fen + delivered_fen)"
_IS_FULFILLED: Final = f"({_FULFILLED} >= amount_fen OR delivered_quantity >= quantity IS TRUE)"
_OPEN: Final = (
    f"CASE WHEN {_IS_FULFILLED} THEN 0 ELSE greatest(amount_fen - released_fen - {_FULFILLED}, 0) END"
)

PROMISED: Final = text(
    "SELECT CAST(coalesce(sum(amount_fen) FILTER (WHERE counts), 0) AS bigint) AS promised_fen,"  # noqa: S608 - this file's own words
    " CAST(coalesce(sum(amount_fen) FILTER (WHERE counts AND goods IS NOT NULL), 0) AS bigint) AS goods_fen,"
    f" CAST(coalesce(sum(greatest(least({_FULFILLED}, amount_fen), 0)) FILTER (WHERE counts), 0) AS bigint)"
    "  AS fulfilled_fen,"
    f" CAST(coalesce(sum(greatest({_FULFILLED} - amount_fen, 0)) FILTER (WHERE counts), 0) AS bigint)"
    "  AS overpaid_fen,"
    " CAST(coalesce(sum(released_fen), 0) AS bigint) AS released_fen,"
    f" CAST(coalesce(sum({_OPEN}) FILTER (WHERE counts), 0) AS bigint) AS open_fen,"
    " count(*) FILTER (WHERE counts) AS pledges,"
    f" count(*) FILTER (WHERE counts AND {_IS_FULFILLED}) AS fulfilled,"
    " count(*) FILTER (WHERE state = 'entered') AS entered"
    " FROM (SELECT *, state IN ('confirmed', 'released') AS counts FROM pledges"
    "  WHERE campaign_id = :campaign_id) AS pledges"
)


async def promised(connection: AsyncConnection, campaign_id: str) -> PromisedTotal:
    """What was promised to a campaign, and what became of it."""
    row = (await connection.execute(PROMISED, {"campaign_id": campaign_id})).one()
    return PromisedTotal(campaign_id=campaign_id, **row._mapping)  # noqa: SLF001 - SQLAlchemy's public name


# ---------------------------------------------------------------- what is due

_DUE: Final = text(
    "SELECT *, :today - due_on AS days_overdue FROM pledges"  # noqa: S608 - this file's own words
    f" WHERE state = 'confirmed' AND due_on <= :latest AND {_OPEN} > 0"
    " AND (:campaign_id IS NULL OR campaign_id = :campaign_id)"
    " AND (:seen IS NULL OR campaign_id IN (SELECT campaign_id FROM campaigns"
    "  WHERE organisation_id = ANY(:seen)))"
    " AND (:after IS NULL OR (due_on, pledge_id) >"
    "  ((SELECT due_on FROM pledges WHERE pledge_id = :after), :after))"
    " ORDER BY due_on, pledge_id LIMIT :most"
).bindparams(
    bindparam("today", type_=Date),
    bindparam("latest", type_=Date),
    bindparam("campaign_id", type_=Text),
    bindparam("seen", type_=ARRAY(Text)),
    bindparam("after", type_=Uuid),
)


async def list_due(
    connection: AsyncConnection,
    today: date,
    *,
    seen: Sequence[str] | None,
    latest: date,
    campaign_id: str | None,
    after: UUID | None,
    limit: int,
) -> list[DuePledge]:
    """At most `limit` open pledges that are due by `latest`, the longest overdue first, behind `after`; of
    the organisations that are seen alone, unless None.
    """
    asked = {
        "today": today,
        "latest": latest,
        "campaign_id": campaign_id,
        "seen": None if seen is None else list(seen),
        "after": after,
        "most": limit,
    }
    return [DuePledge.model_validate(row) for row in await connection.execute(_DUE, asked)]


_STAGE: Final = " ".join(
    f"WHEN :today >= pledges.due_on + ({stage}) THEN {stage}" for stage in reversed(STAGES)
)
_TO_REMIND: Final = text(
    "SELECT * FROM pledges"  # noqa: S608 - this file's own words
    f" WHERE state = 'confirmed' AND due_on <= :today - ({STAGES[0]}) AND {_OPEN} > 0"
    " AND NOT EXISTS (SELECT FROM pledge_reminders AS announced"
    "  WHERE announced.pledge_id = pledges.pledge_id AND announced.due_on = pledges.due_on"
    f"  AND announced.stage >= CASE {_STAGE} END)"
    " ORDER BY due_on, pledge_id LIMIT :most FOR NO KEY UPDATE SKIP LOCKED"
).bindparams(bindparam("today", type_=Date))


async def lock_to_remind(connection: AsyncConnection, today: date, limit: int) -> list[Pledge]:
    """Lock at most `limit` open pledges whose present stage was not announced. Those that another process
    holds are left to it, or to the next time.
    """
    rows = await connection.execute(_TO_REMIND, {"today": today, "most": limit})
    return [Pledge.model_validate(row) for row in rows]


async def add_reminder(connection: AsyncConnection, pledge: Pledge, stage: int) -> bool:
    """Note that a stage is announced; False when it was already."""
    table = models.pledge_reminders
    statement = (
        upsert(table)
        .values(pledge_id=pledge.pledge_id, due_on=pledge.due_on, stage=stage, reminded_at=func.now())
        .on_conflict_do_nothing()
        .returning(table.c.stage)
    )
    return (await connection.execute(statement)).one_or_none() is not None
