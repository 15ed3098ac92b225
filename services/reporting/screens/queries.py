"""What is asked of the database about screens. Every function runs in its caller's transaction."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import RowMapping, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.reporting.screens.air import NOBODY, OnAir
from services.reporting.screens.models import screen_changes, screen_sightings, screens
from services.reporting.totals import CampaignState
from shared.refusals import NotFound

MAX_SCREENS: Final = 500
"""Every process reads them all once a second."""

_ALL: Final = select(screens, screen_sightings.c.seen_at).outerjoin(screen_sightings)


async def all_screens(
    connection: AsyncConnection, *, seen: Sequence[str] | None = None, campaign_id: str | None = None
) -> Sequence[RowMapping]:
    """The screens by their ids; `seen`: of campaigns of these organisations alone; None: of all."""
    statement = _ALL.order_by(screens.c.screen_id)
    if seen is not None:
        own = select(text("campaign_id")).select_from(text("campaigns"))
        own = own.where(text("organisation_id = ANY(:seen)").bindparams(seen=list(seen)))
        statement = statement.where(screens.c.campaign_id.in_(own))
    if campaign_id is not None:
        statement = statement.where(screens.c.campaign_id == campaign_id)
    return (await connection.execute(statement)).mappings().all()


async def screen(connection: AsyncConnection, screen_id: str, *, lock: bool = False) -> RowMapping:
    """One screen, with `lock` until the end of the transaction. Raises NotFound."""
    statement = _ALL.where(screens.c.screen_id == screen_id)
    if lock:
        statement = statement.with_for_update(of=screens)
    row = (await connection.execute(statement)).mappings().one_or_none()
    if row is None:
        raise NotFound("There is no screen with this id.", fields=["screen_id"])
    return row


async def count_screens(connection: AsyncConnection) -> int:
    """How many are registered; held up until the end of the transaction."""
    await connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('shanliu.screens'))"))
    number: int = (await connection.execute(select(func.count()).select_from(screens))).scalar_one()
    return number


async def add(connection: AsyncConnection, values: Mapping[str, Any]) -> bool:
    """Write a screen; False: the id is taken."""
    statement = upsert(screens).values(**values).on_conflict_do_nothing(index_elements=["screen_id"])
    return (await connection.execute(statement)).rowcount == 1


async def change(connection: AsyncConnection, screen_id: str, values: Mapping[str, Any]) -> None:
    """Write a locked screen's columns."""
    await connection.execute(update(screens).where(screens.c.screen_id == screen_id).values(**values))


async def note(
    connection: AsyncConnection,
    screen_id: str,
    person: str,
    action: str,
    reason: str,
    *,
    before: CampaignState | None = None,
    after: CampaignState | None = None,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Put a change on the record, with the number shown before it and after it."""
    await connection.execute(
        insert(screen_changes).values(
            screen_id=screen_id,
            person=person,
            action=action,
            reason=reason,
            version_before=before and before.version,
            version_after=after and after.version,
            net_before_fen=before and before.amounts.net_fen,
            net_after_fen=after and after.amounts.net_fen,
            detail=dict(detail or {}),
        )
    )


async def changes(
    connection: AsyncConnection, screen_id: str, *, before: int | None, limit: int
) -> Sequence[RowMapping]:
    """A screen's record, the newest first, behind `before`."""
    statement = select(screen_changes).where(screen_changes.c.screen_id == screen_id)
    if before is not None:
        statement = statement.where(screen_changes.c.change_id < before)
    statement = statement.order_by(screen_changes.c.change_id.desc()).limit(limit)
    return (await connection.execute(statement)).mappings().all()


async def sighted(connection: AsyncConnection, screen_ids: Iterable[str], now: datetime) -> None:
    """Note that these screens are connected."""
    rows = [{"screen_id": each, "seen_at": now} for each in sorted(screen_ids)]
    statement = upsert(screen_sightings)
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=["screen_id"],
            set_={"seen_at": func.greatest(screen_sightings.c.seen_at, statement.excluded.seen_at)},
        ),
        rows,
    )


def on_air_of(row: RowMapping) -> OnAir:
    """What was decided for a screen."""
    return OnAir(
        campaign_id=row["campaign_id"],
        sequence=row["sequence"],
        segment=row["segment"],
        control=row["control"],
        policy=row["policy"],
        frozen=_state(row["frozen"]),
        kept=_state(row["kept"]),
        pending=row["pending"],
        rehearsal=row["rehearsal"],
        rehearsal_campaign_id=row["rehearsal_campaign_id"],
        rehearsal_since=row["rehearsal_since"],
    )


def written(state: CampaignState) -> dict[str, Any]:
    """A state as it is kept: without names, which follow consent and are read anew."""
    found: dict[str, Any] = json.loads(state.model_copy(update=NOBODY).model_dump_json())
    return found


def _state(document: Mapping[str, Any] | None) -> CampaignState | None:
    return None if document is None else CampaignState.model_validate(document)
