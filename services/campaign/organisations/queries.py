"""What is asked of the database about organisations. Every function runs in its caller's transaction."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import func, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.campaign.organisations.models import organisation_changes, organisations
from services.campaign.organisations.schemas import Organisation
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
