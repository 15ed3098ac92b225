"""What is asked of the database about organisations. Every function runs in its caller's transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, Final

from sqlalchemy import TextClause, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.campaign import queries as campaigns
from services.campaign.goods import queries as goods
from services.campaign.guardrail import FundFigures
from services.campaign.organisations.hierarchy import MAX_ORGANISATIONS
from services.campaign.organisations.models import organisation_changes, organisations
from services.campaign.organisations.rights import seen
from services.campaign.organisations.schemas import Figures, Organisation, OrganisationBalance, Part
from services.campaign.pledges import queries as pledges
from shared.access import Reach
from shared.federation import roll_up
from shared.refusals import NotFound

_OWN_REGISTER: Final = text("SELECT pg_advisory_xact_lock(hashtext('shanliu.organisations'))")


async def own_register(connection: AsyncConnection) -> int:
    """Hold up other registrations until the end of the transaction; how many organisations there are."""
    await connection.execute(_OWN_REGISTER)
    count: int = (await connection.execute(select(func.count()).select_from(organisations))).scalar_one()
    return count


async def add_organisation(
    connection: AsyncConnection, values: Mapping[str, Any], *, person: str
) -> Organisation | None:
    """Write an organisation and its first version; None when the id or the name is taken."""
    statement = upsert(organisations).values(**values).on_conflict_do_nothing().returning(*organisations.c)
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        return None
    added = Organisation.model_validate(row)
    await _keep_version(connection, added, person)
    return added


async def organisation(
    connection: AsyncConnection, organisation_id: str, *, lock: bool = False, field: str = "organisation_id"
) -> Organisation:
    """Read an organisation, with `lock` until the end of the transaction. Raises NotFound, naming `field`."""
    statement = select(organisations).where(organisations.c.organisation_id == organisation_id)
    if lock:
        statement = statement.with_for_update(key_share=True)
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        raise NotFound("There is no organisation with this id.", fields=[field])
    return Organisation.model_validate(row)


async def change_organisation(
    connection: AsyncConnection, known: Organisation, values: Mapping[str, Any], *, person: str
) -> Organisation:
    """Write a locked organisation's next version, and who made it."""
    statement = (
        update(organisations)
        .where(
            organisations.c.organisation_id == known.organisation_id,
            organisations.c.version == known.version,
        )
        .values(version=known.version + 1, **values)
        .returning(*organisations.c)
    )
    changed = Organisation.model_validate((await connection.execute(statement)).one())
    await _keep_version(connection, changed, person)
    return changed


async def _keep_version(connection: AsyncConnection, organisation: Organisation, person: str) -> None:
    kept = {column.name for column in organisation_changes.c} - {"person"}
    values = organisation.model_dump(include=kept)
    await connection.execute(insert(organisation_changes).values(**values, person=person))


async def list_organisations(
    connection: AsyncConnection, *, seen: Sequence[str] | None, after: str | None, limit: int
) -> list[Organisation]:
    """At most `limit` of the organisations that are seen, in the order of their ids, behind `after`."""
    statement = select(organisations).order_by(organisations.c.organisation_id).limit(limit)
    if seen is not None:
        statement = statement.where(organisations.c.organisation_id.in_(seen))
    if after is not None:
        statement = statement.where(organisations.c.organisation_id > after)
    return [Organisation.model_validate(row) for row in await connection.execute(statement)]


# ---------------------------------------------------------------- what rolls up


def _of_each(statement: TextClause) -> str:
    """A campaign's figures for each row of `campaigns`: the very statement that its fund is decided by."""
    return f"CROSS JOIN LATERAL ({statement.text.replace(':campaign_id', 'campaigns.campaign_id')})"


_SUMMED: Final = (
    *(f"money.{name}" for name in ("received_fen", "reversed_fen", "transferred_in_fen")),
    *(f"money.{name}" for name in ("transferred_out_fen", "reserved_fen", "disbursed_fen", "returned_fen")),
    "money.donations",
    "money.reversals",
    "promised.promised_fen",
    "promised.pledges",
)
_OWN_FIGURES: Final = text(
    "SELECT organisation_id, count(*) AS campaigns,"  # noqa: S608 - our own words
    + "".join(f" CAST(sum({each}) AS bigint) AS {each.partition('.')[2]}," for each in _SUMMED)
    + " CAST(sum(promised.released_fen) AS bigint) AS promised_released_fen,"
    " CAST(sum(goods.received_fen - goods.reversed_fen) AS bigint) AS goods_received_fen,"
    " CAST(sum(goods.distributed_fen - goods.returned_fen) AS bigint) AS goods_distributed_fen"
    f" FROM campaigns {_of_each(campaigns.FIGURES)} AS money {_of_each(pledges.PROMISED)} AS promised"
    f" {_of_each(goods.FIGURES)} AS goods"
    " WHERE organisation_id = ANY(:organisations) GROUP BY organisation_id"
)


async def balance(connection: AsyncConnection, organisation_id: str) -> OrganisationBalance:
    """What rolls up to an organisation. Raises NotFound.

    The caller's transaction must be REPEATABLE READ, or the parts may be of several moments.
    """
    asked = await organisation(connection, organisation_id)
    below = await seen(connection, Reach(frozenset({organisation_id}))) or []
    named = await list_organisations(connection, seen=below, after=None, limit=MAX_ORGANISATIONS)
    rows = (await connection.execute(_OWN_FIGURES, {"organisations": below})).mappings()
    own = {
        row["organisation_id"]: {name: row[name] for name in Figures.model_fields if name in row}
        for row in rows
    }
    sums = roll_up({each.organisation_id: each.parent_id for each in named}, own)
    total = {name: _figures(each) for name, each in sums.items()}
    return OrganisationBalance(
        organisation_id=organisation_id,
        name=asked.name,
        total=total[organisation_id],
        own=_figures(own.get(organisation_id, {})),
        below=[
            Part(
                organisation_id=each.organisation_id,
                name=each.name,
                total=total[each.organisation_id],
            )
            for each in named
            if each.parent_id == organisation_id
        ],
        positions=await campaigns.positions(connection),
    )


def _figures(sums: Mapping[str, int]) -> Figures:
    """The sums, nothing where there are none, and the balance that the guardrail's rule makes of them."""
    fund = FundFigures(**{each.name: sums.get(each.name, 0) for each in fields(FundFigures)})
    known = {name: sums.get(name, 0) for name in Figures.model_fields}
    return Figures.model_validate({**known, "balance_fen": fund.balance_fen})
